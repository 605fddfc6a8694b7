// SPDX-License-Identifier: Apache-2.0
import { checkKeys, checkWhole } from '../policy/option-check.ts'

/** Bounds of the gateway; everything that can grow or wait has one. */
export interface WireGatewayLimits {
  /** Bytes of the argument of a command. Default 4096: the server's. */
  readonly maxControlLineBytes?: number
  /** The same for CONNECT. Default 4096: the server's; raise both for long JWTs. */
  readonly maxConnectBytes?: number
  /** Bytes of a line of the server. Default 65536: INFO lists every URL of a cluster. */
  readonly maxInfoBytes?: number
  /** Bytes of a header block. Default -1: the payload limit holds. */
  readonly maxHeaderBytes?: number
  /** Bytes of headers and payload together, never above what the server's INFO says. Default -1: what INFO says. */
  readonly maxPayloadBytes?: number
  /** Held at most of an operation before it streams, and the longest read, of a flood four times that. Default 65536. */
  readonly readBufferBytes?: number
  /** From the connection to the first operation that passes, CONNECT where one is needed. Default 2000: the server's. */
  readonly authTimeoutMs?: number
  /** TLS handshake of a client. Default 5000. */
  readonly handshakeTimeoutMs?: number
  /** Connecting to a backend, TLS included. Default 2000. */
  readonly dialTimeoutMs?: number
  /** First INFO of a backend. Default 2000. */
  readonly infoTimeoutMs?: number
  /** Connections altogether, where no `admission` is given. Default 10000. */
  readonly maxConnections?: number
  /** Connections of one principal, where no `admission` is given. Default 1000. */
  readonly maxConnectionsPerUser?: number
  /** Connections of one address whose first operation has not passed. Default 100. */
  readonly maxConnectionsPerIp?: number
  /** Connections altogether whose first operation has not passed. Default 1000. */
  readonly maxPendingAuth?: number
  /** New connections of one address in a second. Default 1000. */
  readonly connectsPerSecond?: number
  /** New connections of one address at once. Default 5000: a fleet behind one address comes back together. */
  readonly connectBurst?: number
  /** Bytes a client may send, WebSocket framing included, before its first operation passed. Default `maxConnectBytes` + 1024. */
  readonly preConnectBytes?: number
  /** Bytes queued to a client before it is closed at once. Default 8388608. */
  readonly maxPendingBytes?: number
  /** Default 10000. */
  readonly maxSubscriptions?: number
  /** Tokens of a subject in SUB. Default 4096: as many as a control line holds. */
  readonly maxSubjectTokens?: number
  /** Wildcards in a subject of SUB. Default 4096: as many as a control line holds. */
  readonly maxWildcards?: number
  /** Bytes queued to one side at which the other is not read any more. Default 1048576, at least 65536. */
  readonly highWaterBytes?: number
  /** How long a client may take nothing while more than `highWaterBytes` wait for it. Default 10000. */
  readonly slowClientMs?: number
  /** Decisions under way in one direction of a connection; then it is not read. Default 64. */
  readonly maxPendingHooks?: number
  /** Bytes of a WebSocket message, after inflation. Default 8 times `maxPayloadBytes` or 1048576, at most 67108864. */
  readonly maxWsMessageBytes?: number
  /** Fragments of a WebSocket message. Default 128. */
  readonly maxWsFragments?: number
}

/** The same with every default filled in. */
export type ResolvedLimits = Readonly<Required<WireGatewayLimits>>

const mebibyte = 1_048_576
const maxTimerMs = 2 ** 31 - 1

const defaults: Omit<ResolvedLimits, 'preConnectBytes' | 'maxWsMessageBytes'> = {
  maxControlLineBytes: 4096,
  maxConnectBytes: 4096,
  maxInfoBytes: 65_536,
  maxHeaderBytes: -1,
  maxPayloadBytes: -1,
  readBufferBytes: 65_536,
  authTimeoutMs: 2000,
  handshakeTimeoutMs: 5000,
  dialTimeoutMs: 2000,
  infoTimeoutMs: 2000,
  maxConnections: 10_000,
  maxConnectionsPerUser: 1000,
  maxConnectionsPerIp: 100,
  maxPendingAuth: 1000,
  connectsPerSecond: 1000,
  connectBurst: 5000,
  maxPendingBytes: 8 * mebibyte,
  maxSubscriptions: 10_000,
  maxSubjectTokens: 4096,
  maxWildcards: 4096,
  highWaterBytes: mebibyte,
  slowClientMs: 10_000,
  maxPendingHooks: 64,
  maxWsFragments: 128,
}

// Node says that a socket has room again only where more than its own mark of 65536 bytes was queued.
const leasts: Readonly<Record<string, number>> = { readBufferBytes: 4096, highWaterBytes: 65_536, maxWildcards: 0 }
const unbounded: ReadonlySet<string> = new Set(['maxHeaderBytes', 'maxPayloadBytes'])

/** Fills in the defaults; throws RangeError naming the limit and its value. */
export function resolveLimits(where: string, limits: WireGatewayLimits): ResolvedLimits {
  checkKeys(where, limits, [...Object.keys(defaults), 'preConnectBytes', 'maxWsMessageBytes'])
  const resolved = { ...defaults }
  for (const key of Object.keys(defaults) as (keyof typeof defaults)[]) {
    const least = unbounded.has(key) ? -1 : (leasts[key] ?? 1)
    const most = key.endsWith('Ms') ? maxTimerMs : 2 ** 30
    resolved[key] = checkWhole(`${where}.${key}`, limits[key], defaults[key], { least, most })
  }
  const { maxConnectBytes, maxPayloadBytes } = resolved
  const message = Math.min(64 * mebibyte, 8 * (maxPayloadBytes < 0 ? mebibyte : Math.max(1, maxPayloadBytes)))
  return Object.freeze({
    ...resolved,
    preConnectBytes: checkWhole(`${where}.preConnectBytes`, limits.preConnectBytes, maxConnectBytes + 1024),
    maxWsMessageBytes: checkWhole(`${where}.maxWsMessageBytes`, limits.maxWsMessageBytes, message, { most: 2 ** 30 }),
  })
}
