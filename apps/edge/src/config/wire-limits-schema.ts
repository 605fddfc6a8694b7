// SPDX-License-Identifier: Apache-2.0
import type { WireGatewayLimits } from '@nats-edge/wire-parser/gateway'
import { z } from 'zod'
import { renameKeys } from './rename.ts'
import { duration, positive, size } from './value.ts'

const limitNames = {
  maxControlLine: 'maxControlLineBytes',
  maxConnect: 'maxConnectBytes',
  maxInfo: 'maxInfoBytes',
  maxHeader: 'maxHeaderBytes',
  maxPayload: 'maxPayloadBytes',
  readBuffer: 'readBufferBytes',
  authTimeout: 'authTimeoutMs',
  handshakeTimeout: 'handshakeTimeoutMs',
  dialTimeout: 'dialTimeoutMs',
  infoTimeout: 'infoTimeoutMs',
  preConnect: 'preConnectBytes',
  maxPending: 'maxPendingBytes',
  highWater: 'highWaterBytes',
  slowClient: 'slowClientMs',
  maxWsMessage: 'maxWsMessageBytes',
} as const

/** `wire.limits`: the bounds of the gateway. */
export const wireLimits: z.ZodType<WireGatewayLimits> = z
  .strictObject({
    maxControlLine: size.exactOptional().describe('Argument of a command. Default 4KiB: the server has the same.'),
    maxConnect: size.exactOptional().describe('The same for CONNECT; raise both for long JWTs. Default 4KiB.'),
    maxInfo: size.exactOptional().describe('A line of the server. Default 64KiB.'),
    maxHeader: size.exactOptional().describe('Header block of a message. Default: the payload limit.'),
    maxPayload: size
      .exactOptional()
      .describe('Headers and payload together, never above what the server takes. Default: what the server takes.'),
    readBuffer: size
      .exactOptional()
      .describe(
        'Most that is held of an incomplete operation, and the longest read, of a flood four times that. Default 64KiB.',
      ),
    authTimeout: duration.exactOptional().describe('From the connection to the first operation. Default 2s.'),
    handshakeTimeout: duration.exactOptional().describe('TLS handshake of a client. Default 5s.'),
    dialTimeout: duration.exactOptional().describe('Connecting to the server, TLS included. Default 2s.'),
    infoTimeout: duration.exactOptional().describe('First INFO of the server. Default 2s.'),
    maxConnections: positive
      .exactOptional()
      .describe('Clients altogether, TCP and WebSocket. Default 10000; limits.connections holds as well.'),
    maxConnectionsPerUser: positive
      .exactOptional()
      .describe('Clients of one principal, where clients have one. Default 1000.'),
    maxConnectionsPerIp: positive
      .exactOptional()
      .describe('Clients of one address whose first operation has not passed. Default 100.'),
    maxPendingAuth: positive
      .exactOptional()
      .describe('Clients altogether whose first operation has not passed. Default 1000.'),
    connectsPerSecond: positive.exactOptional().describe('New clients of one address in a second. Default 1000.'),
    connectBurst: positive.exactOptional().describe('New clients of one address at once. Default 5000.'),
    preConnect: size
      .exactOptional()
      .describe('What a client may send before its first operation passed. Default maxConnect and 1KiB.'),
    maxPending: size.exactOptional().describe('Queued to a client; above: closed at once. Default 8MiB.'),
    maxSubscriptions: positive.exactOptional().describe('Subscriptions of one client. Default 10000.'),
    maxSubjectTokens: positive.exactOptional().describe('Tokens of a subject in SUB. Default 4096.'),
    maxWildcards: z.int().nonnegative().exactOptional().describe('Wildcards of a subject in SUB. Default 4096.'),
    highWater: size
      .exactOptional()
      .describe('Queued to one side; above: the other is not read. Default 1MiB, at least 64KiB.'),
    slowClient: duration
      .exactOptional()
      .describe('How long a client may take nothing while more than highWater waits for it. Default 10s.'),
    maxPendingHooks: positive
      .exactOptional()
      .describe('Decisions under way in one direction of a connection; above: it is not read. Default 64.'),
    maxWsMessage: size
      .exactOptional()
      .describe('A WebSocket message, after inflation. Default 8 times maxPayload or 1MiB, at most 64MiB.'),
    maxWsFragments: positive.exactOptional().describe('Fragments of a WebSocket message. Default 128.'),
  })
  .transform((value) => renameKeys(value, limitNames))
