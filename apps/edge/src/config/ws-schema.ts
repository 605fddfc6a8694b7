// SPDX-License-Identifier: Apache-2.0
import type { ChannelOptions, GatewayOptions, JsonCodecOptions, JsonRpcOptions } from '@nats-edge/ws-toolkit'
import type { NatsRoomBusOptions } from '@nats-edge/ws-toolkit/nats'
import { z } from 'zod'
import { renameKeys } from './rename.ts'
import { count, duration, positive, size } from './value.ts'
import { routeSchema } from './ws-backend-schema.ts'
import type { RouteConfig } from './ws-backend-schema.ts'
import { httpUseSchema, useSchema } from './ws-middleware-schema.ts'
import type { HttpUseConfig, UseConfig } from './ws-middleware-schema.ts'

/** Options of `wsGateway()` that a program passes and a file cannot hold, or that are the edge's own business. */
export type GatewayProgramOption =
  | 'admission'
  | 'admit'
  | 'clientIp'
  | 'principal'
  | 'roomBus'
  | 'surface'
  | 'signal'
  | 'observe'

/** Options of a channel that a program passes; `codec` is named in a file. */
export type ChannelProgramOption = 'codec' | 'dispatcher' | 'onConnect' | 'onAbort' | 'onOpen' | 'onDisconnect'

/** The words of a channel, with the options of their codec. */
export type CodecConfig =
  | { readonly type: 'raw' }
  | ({ readonly type: 'json' } & JsonCodecOptions)
  | ({ readonly type: 'json-rpc' } & JsonRpcOptions)

/** A room every client of a channel is in, and every message without a route goes to. */
export interface ChannelRoomConfig {
  readonly name: string
  readonly self?: boolean
  readonly rewind?: number
}

export interface ChannelConfig extends Omit<ChannelOptions, ChannelProgramOption> {
  readonly codec?: CodecConfig
  readonly room?: ChannelRoomConfig
  readonly http?: readonly HttpUseConfig[]
  readonly use?: readonly UseConfig[]
  readonly routes?: Readonly<Record<string, RouteConfig>>
  readonly default?: RouteConfig
}

/** Where the channels are mounted, the options of their gateway under their own names, and the channels. */
export interface WsConfig extends Omit<GatewayOptions, GatewayProgramOption> {
  readonly path: string
  readonly rooms: NatsRoomBusOptions & { readonly bus: 'nats' | 'none' }
  readonly channels: Readonly<Record<string, ChannelConfig>>
}

const jsonLimits = {
  maxDepth: positive.exactOptional().describe('Levels of arrays and objects. Default 64.'),
  maxKeys: positive.exactOptional().describe('Members of all objects together. Default 10000.'),
}

const codec: z.ZodType<CodecConfig> = z.union([
  z.enum(['raw', 'json', 'json-rpc']).transform((type) => ({ type })),
  z.strictObject({ type: z.literal('raw').describe('Messages as they are; their keys are text and binary.') }),
  z.strictObject({
    type: z.literal('json').describe('{ type, id?, data }.'),
    key: z.string().min(1).exactOptional().describe('The member that holds the key. Default type.'),
    id: z.string().min(1).exactOptional().describe('The member that holds the id. Default id.'),
    data: z
      .union([z.string().min(1), z.literal(false)])
      .exactOptional()
      .describe('The member that holds the data; false: the whole message. Default data.'),
    ...jsonLimits,
  }),
  z.strictObject({
    type: z.literal('json-rpc').describe('JSON-RPC 2.0, both ways.'),
    maxBatch: positive.exactOptional().describe('Requests of one batch. Default 50.'),
    ...jsonLimits,
  }),
])

const room: z.ZodType<ChannelRoomConfig> = z.union([
  z
    .string()
    .min(1)
    .transform((name) => ({ name })),
  z.strictObject({
    name: z.string().min(1).describe('Its name: {room} of the path, {{id}} of the principal.'),
    self: z.boolean().exactOptional().describe('The sender gets its own messages too. Default true.'),
    rewind: count.exactOptional().describe('So many past messages first; needs history. Default 0.'),
  }),
])

const compression = z.union([
  z.literal(false),
  z
    .strictObject({
      level: z.int().min(1).max(9).exactOptional().describe('zlib level. Default 1.'),
      threshold: size.exactOptional().describe('Shorter messages go out as they are. Default 1KiB.'),
      contextTakeover: z.boolean().exactOptional().describe('Keeps the zlib window, 300 KiB a socket. Default false.'),
    })
    .transform((value) => renameKeys(value, { threshold: 'thresholdBytes' })),
])

const channelNames = {
  maxMessage: 'maxMessageBytes',
  heartbeat: 'heartbeatMs',
  heartbeatTimeout: 'heartbeatTimeoutMs',
  idle: 'idleMs',
  maxLifetime: 'maxLifetimeMs',
  closeTimeout: 'closeTimeoutMs',
  sendBuffer: 'sendBufferBytes',
  lowWater: 'lowWaterBytes',
  sendTimeout: 'sendTimeoutMs',
  batch: 'batchMs',
} as const

const channel = z
  .strictObject({
    codec: codec
      .exactOptional()
      .describe('The words of its messages: raw, json, json-rpc, or { type, … }. Default raw.'),
    origins: z
      .union([z.enum(['same', '*']), z.array(z.string().min(1))])
      .exactOptional()
      .describe('Pages that may connect: same, *, or a list such as https://*.example.com. Default same.'),
    missingOrigin: z
      .enum(['no-cookie', 'deny', 'allow'])
      .exactOptional()
      .describe('Clients without Origin: no-cookie admits them without Cookie. Default no-cookie.'),
    subprotocols: z.array(z.string().min(1)).exactOptional().describe('Subprotocols spoken here. Default none.'),
    requireSubprotocol: z.boolean().exactOptional().describe('Refuses clients that offer none. Default false.'),
    compression: compression
      .exactOptional()
      .describe('permessage-deflate: { level, threshold, contextTakeover }. Default false.'),
    maxMessage: size.exactOptional().describe('Largest message, after inflation; above: 1009. Default 1MiB.'),
    maxFragments: positive.exactOptional().describe('Fragments of one message; above: 1008. Default 128.'),
    maxConnections: positive.exactOptional().describe('Connections of this channel; above: 503. Default 10000.'),
    concurrency: positive.exactOptional().describe('Requests of one client under way; above: not read. Default 25.'),
    messagesPerSecond: z
      .number()
      .positive()
      .exactOptional()
      .describe('Messages of one client in a second. Default 200.'),
    bytesPerSecond: size.exactOptional().describe('Bytes of one client in a second. Default 1MiB.'),
    onExceeded: z
      .enum(['pause', 'error', 'close'])
      .exactOptional()
      .describe('Above these rates: not read, rate_limited, or 1008. Default pause.'),
    heartbeat: duration.exactOptional().describe('Pings a silent client after so long; 0 never. Default 25s.'),
    heartbeatTimeout: duration.exactOptional().describe('Cuts it so long after the ping. Default 10s.'),
    idle: duration.exactOptional().describe('Closes with 1001 after so long without a message; 0 never. Default 0.'),
    maxLifetime: duration.exactOptional().describe('Closes with 4200 after so long; 0 never. Default 0.'),
    closeTimeout: duration.exactOptional().describe('For the answer to a close frame. Default 5s.'),
    order: z
      .enum(['connection', 'key', 'unordered'])
      .exactOptional()
      .describe('Requests start in order, one at a time of each key, or as they can. Default connection.'),
    replyOrder: z
      .enum(['completion', 'fifo'])
      .exactOptional()
      .describe('fifo: answers leave in the order of their requests. Default completion.'),
    sendBuffer: size
      .exactOptional()
      .describe('Bytes that may wait for one client; each message that waits counts for 128 more. Default 1MiB.'),
    lowWater: size.exactOptional().describe('Bytes of these its socket may have. Default a quarter of sendBuffer.'),
    overflow: z
      .enum(['close', 'block', 'drop-oldest', 'drop-newest', 'coalesce'])
      .exactOptional()
      .describe('Messages above sendBuffer: close (4108), block, drop-oldest, drop-newest or coalesce. Default close.'),
    sendTimeout: duration.exactOptional().describe('Closes a client that takes nothing, with 4108. Default 10s.'),
    batch: duration.exactOptional().describe('Gathers messages for so long, up to 5ms. Default 0.'),
    maxSubscriptions: positive.exactOptional().describe('Subscriptions of one client. Default 100.'),
    maxRooms: positive.exactOptional().describe('Rooms of one client. Default 100.'),
    room: room
      .exactOptional()
      .describe(
        'Every client is in it, and every message without a route goes to it: {room}, or { name, self, rewind }.',
      ),
    http: z.array(httpUseSchema).exactOptional().describe('Before the upgrade: basicAuth or bearer.'),
    use: z.array(useSchema).exactOptional().describe('Middleware around every request, outermost first.'),
    routes: z
      .record(z.string().min(1), routeSchema)
      .exactOptional()
      .describe('By key: exact, order.* for one token, order.> for one or more.'),
    default: routeSchema.exactOptional().describe('Takes what has no route; without it: not_found.'),
  })
  .transform((value): ChannelConfig => renameKeys(value, channelNames))

const history = z
  .strictObject({
    stream: z.string().min(1).describe('The stream that keeps it; made where there is none.'),
    perRoom: positive.exactOptional().describe('Messages kept of each room. Default 100.'),
    maxAge: duration.exactOptional().describe('How long; 0 as long as there is room. Default 24h.'),
    max: size.exactOptional().describe('Bytes of all rooms; above, the oldest go. Default 256MiB.'),
    replicas: positive.exactOptional().describe('Copies of the stream in a cluster. Default 1.'),
  })
  .transform((value) => renameKeys(value, { maxAge: 'maxAgeMs', max: 'maxBytes' }))

/** The section `ws`: every plain-data option of the gateway, its channels, backends and middleware. */
export const wsSchema: z.ZodType<WsConfig> = z
  .strictObject({
    path: z
      .string()
      .regex(/^\/[^?#*:]*[^/?#*:]$/, 'must begin with "/", and neither end with one nor hold "*" or ":"')
      .default('/ws')
      .describe('Where the channels are mounted.'),
    maxConnections: positive.exactOptional().describe('Connections of all channels; above: 503. Default 10000.'),
    maxConnectionsPerIp: positive.exactOptional().describe('Of one address; above: 503. Default 100.'),
    maxConnectionsPerPrincipal: positive.exactOptional().describe('Of one principal; above: 429. Default 10.'),
    maxUpgradesPerSecond: z.number().positive().exactOptional().describe('New connections; above: 503. Default 500.'),
    transport: z.enum(['auto', 'plain']).exactOptional().describe('plain sends through ws alone. Default auto.'),
    drain: duration
      .exactOptional()
      .describe('For requests under way at the end, within shutdown.grace. Default what is left of shutdown.grace.'),
    spread: duration.exactOptional().describe('Window over which clients are sent away at the end. Default 5s.'),
    retryAfter: z
      .array(duration)
      .length(2)
      .transform(([least = 0, most = 0]): readonly [number, number] => [least, most])
      .exactOptional()
      .describe('Bounds of the wait clients are asked for then. Default [500ms, 5s].'),
    rooms: z
      .strictObject({
        bus: z
          .enum(['nats', 'none'])
          .default('nats')
          .describe('nats joins the rooms of all edges; none keeps them here.'),
        prefix: z.string().min(1).exactOptional().describe('What the subjects of rooms begin with. Default ws.rooms.'),
        history: history
          .exactOptional()
          .describe('Keeps what is said, for rewind: { stream, perRoom, maxAge, max, replicas }. Default: nothing.'),
      })
      .prefault({}),
    channels: z.record(z.string().min(1), channel).default({}).describe('By path below ws.path: echo, chat/:room.'),
  })
  .transform((value) => renameKeys(value, { drain: 'drainMs', spread: 'spreadMs', retryAfter: 'retryAfterMs' }))
