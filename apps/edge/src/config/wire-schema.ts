// SPDX-License-Identifier: Apache-2.0
import type { BackendOptions, BackendTlsOptions, WireGatewayOptions } from '@nats-edge/wire-parser/gateway'
import { z } from 'zod'
import { isBlock } from '../client-address.ts'
import { renameKeys } from './rename.ts'
import { count, readableFile, size } from './value.ts'
import { wireLimits } from './wire-limits-schema.ts'
import { wirePolicies } from './wire-policy-schema.ts'

/** Options of `wireGateway()` that a program passes and a file cannot hold. */
export type WireProgramOption =
  | 'upgradeWebSocket'
  | 'hooks'
  | 'authenticate'
  | 'authorize'
  | 'principal'
  | 'admission'
  | 'clientIp'
  | 'observe'
  | 'signal'

/** Options that the edge fills in from other sections: `listen.public.trustedProxies`. */
export type WireEdgeOption = 'trustedProxies'

/** TLS towards a server, its certificates by file. */
export interface WireBackendTls extends Omit<BackendTlsOptions, 'ca' | 'cert' | 'key'> {
  readonly ca?: string | readonly string[]
  readonly cert?: string
  readonly key?: string
}

/** A server behind the gateway. */
export interface WireBackend extends Omit<BackendOptions, 'dial' | 'url' | 'tls'> {
  readonly url: string
  readonly tls?: WireBackendTls
}

/** Whether and where the NATS protocol is served over WebSocket, and the gateway's own options under their own names. */
export interface WireConfig extends Omit<WireGatewayOptions, WireProgramOption | WireEdgeOption | 'backends'> {
  readonly enabled: boolean
  readonly websocketPath: string | false
  readonly backends?: readonly WireBackend[]
}

const files = z.union([readableFile, z.array(readableFile)])

const backendTls = z.strictObject({
  ca: files.exactOptional().describe('File with the certificates of the authorities to trust (PEM), or several.'),
  cert: readableFile.exactOptional().describe('File with a client certificate (PEM), the same for all clients.'),
  key: readableFile.exactOptional().describe('File with the key of cert (PEM).'),
  servername: z.string().min(1).exactOptional().describe("Name in the server's certificate. Default: the host."),
  rejectUnauthorized: z.boolean().exactOptional().describe('false: any certificate will do. Default true.'),
  handshakeFirst: z.boolean().exactOptional().describe('TLS begins before INFO. Default false.'),
})

const backend = z.strictObject({
  id: z.string().min(1).exactOptional().describe('Its name in the log. Default: host and port.'),
  url: z.string().min(1).describe('nats://host:port, or tls://host:port where a server without TLS is to be refused.'),
  tls: backendTls.exactOptional().describe('TLS towards the server.'),
})

const blocks = z.array(z.string().refine(isBlock, 'must be an address or a CIDR block such as 10.0.0.0/8'))

const addresses = z.strictObject({
  allow: blocks.exactOptional().describe('Addresses (CIDR) that may connect. Default: all.'),
  deny: blocks.exactOptional().describe('Addresses (CIDR) that may not; wins over allow. Default: none.'),
})

const gateways = z.array(
  z.string().regex(/^(\[[0-9a-f:.]+\]|[^\s:/@[\]]+):\d{1,5}$/i, 'must be host:port, as clients reach it'),
)

const compression = z
  .strictObject({
    level: z.int().min(1).max(9).exactOptional().describe('zlib level. Default 1.'),
    threshold: size.exactOptional().describe('Shorter messages go out as they are. Default 1KiB.'),
    contextTakeover: z.boolean().exactOptional().describe('Keeps the zlib window between messages. Default false.'),
  })
  .transform((value) => renameKeys(value, { threshold: 'thresholdBytes' }))

const hidable = [
  'server_name',
  'server_id',
  'git_commit',
  'go',
  'cluster',
  'domain',
  'client_ip',
  'xkey',
  'remote_account',
] as const

/** The section `wire`: every plain-data option of `wireGateway()`, durations and sizes with units. */
export const wireSchema: z.ZodType<WireConfig> = z.strictObject({
  enabled: z.boolean().default(true).describe('Serves the NATS protocol: over TCP at listen.wire, and over WebSocket.'),
  websocketPath: z
    .union([
      z.literal(false),
      z.string().regex(/^\/[^?#*:]*[^?#*:/]$/, 'must begin with "/", go on and not end with one'),
    ])
    .default('/nats')
    .describe('Where WebSockets with the NATS protocol are accepted; false: nowhere.'),
  backends: z
    .array(backend)
    .length(1, 'must be a list of one server')
    .exactOptional()
    .describe('The server behind the gateway. Default: that of nats.servers the edge uses, or the embedded broker.'),
  advertise: gateways
    .exactOptional()
    .describe('Edges that clients may also connect to, host:port; told in INFO. Default none.'),
  advertiseWebSocket: gateways.exactOptional().describe('The same for clients on WebSockets. Default none.'),
  hideInfo: z
    .array(z.enum(hidable))
    .exactOptional()
    .describe(`Fields taken out of INFO: ${hidable.join(', ')}. Default none.`),
  addresses: addresses.exactOptional(),
  origins: z
    .union([z.enum(['same', '*']), z.array(z.string().min(1))])
    .exactOptional()
    .describe('Pages that may open a WebSocket: same, *, or a list of origins. Default same.'),
  missingOrigin: z
    .enum(['no-cookie', 'deny', 'allow'])
    .exactOptional()
    .describe(
      'What a WebSocket without Origin, not from a browser, may do. Default no-cookie: connect without Cookie.',
    ),
  compression: z
    .union([z.literal(false), compression])
    .exactOptional()
    .describe('permessage-deflate: false or { level, threshold, contextTakeover }. Default false.'),
  outputFrames: z
    .enum(['binary', 'text'])
    .exactOptional()
    .describe('Kind of the messages to WebSockets. Default binary: payloads need not be text.'),
  samplePublishes: count
    .exactOptional()
    .describe('Logs one in so many published messages, by subject and size. Default 0: none.'),
  limits: wireLimits.exactOptional(),
  policies: wirePolicies.exactOptional(),
})

/** Turns the name of an option, as errors of the gateway spell it, into the key of the configuration. */
export function wireKeyOfOption(option: string): string {
  return option.replace(/(Ms|Bytes)$/, '')
}
