// SPDX-License-Identifier: Apache-2.0
import type { EjectOptions, HttpBackendOptions, HttpPoolOptions, WsBackendOptions } from '@nats-edge/ws-toolkit'
import type {
  NatsPublishOptions,
  NatsQueueOptions,
  NatsRequestOptions,
  NatsSubscribeOptions,
} from '@nats-edge/ws-toolkit/nats'
import { z } from 'zod'
import { renameKeys } from './rename.ts'
import { count, duration, positive, readableFile, size } from './value.ts'
import { delay, useSchema } from './ws-middleware-schema.ts'
import type { DelayConfig, UseConfig } from './ws-middleware-schema.ts'

/** What every route may have around its handler. */
interface Guarded {
  readonly use?: readonly UseConfig[]
}

/** Headers towards a service, in the place of the functions a program gives. */
interface Sent {
  readonly headers?: Readonly<Record<string, string>>
  readonly forwardHeaders?: readonly string[]
}

type OutboundHook = 'authorize' | 'payload' | 'headers'

export interface NatsRequestConfig extends Omit<NatsRequestOptions, OutboundHook>, Sent, Guarded {
  readonly nats: 'request'
  readonly subject: string
}

export interface NatsPublishConfig extends Omit<NatsPublishOptions, OutboundHook>, Sent, Guarded {
  readonly nats: 'publish'
  readonly subject: string
}

export interface NatsQueueConfig extends Omit<NatsQueueOptions, OutboundHook>, Sent, Guarded {
  readonly nats: 'queue'
  readonly subject: string
}

export interface NatsSubscribeConfig extends Omit<NatsSubscribeOptions, 'authorize' | 'subject'>, Guarded {
  readonly nats: 'subscribe'
}

export interface NatsUnsubscribeConfig extends Guarded {
  readonly nats: 'unsubscribe'
  /** The pattern of the route that subscribes; needed where there are several. */
  readonly of?: string
}

type HttpHook = 'request' | 'origin' | 'dispatcher' | 'accept' | 'map'

/** Names of files, where `httpPool()` takes their contents. */
export interface TlsFiles extends Omit<NonNullable<HttpPoolOptions['tls']>, 'ca' | 'cert' | 'key' | 'servername'> {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly servername?: string
}

export interface HttpRouteConfig
  extends Omit<HttpBackendOptions, HttpHook>, Omit<HttpPoolOptions, 'origin' | 'tls'>, Sent, Guarded {
  readonly http: string
  readonly method?: string
  readonly tls?: TlsFiles
}

type WsHook = 'url' | 'request' | 'match' | 'onPush' | 'headers' | 'dial' | 'reconnect'

export interface WsRouteConfig extends Omit<WsBackendOptions, WsHook>, Sent, Guarded {
  readonly ws: string
  readonly match?: 'json-rpc'
  readonly eager?: boolean
  readonly reconnect?: false | { readonly attempts?: number; readonly delay?: DelayConfig }
}

export interface EchoConfig extends Guarded {
  readonly echo: true
}

export interface RoomRouteConfig extends Guarded {
  readonly room: 'send' | 'join' | 'leave'
  readonly name: string
  readonly self?: boolean
  readonly anyone?: boolean
  readonly rewind?: number
}

export type TargetConfig = ServiceConfig & { readonly weight?: number; readonly name?: string }

/** A service that requests can be spread over. */
export type ServiceConfig =
  | Omit<NatsRequestConfig, 'use'>
  | Omit<NatsQueueConfig, 'use'>
  | Omit<HttpRouteConfig, 'use'>
  | Omit<WsRouteConfig, 'use'>

export interface BalanceConfig extends Guarded {
  readonly balance: readonly TargetConfig[]
  readonly pick?: string
  readonly eject?: EjectOptions | false
  readonly probe?: { readonly path: string; readonly intervalMs?: number; readonly timeoutMs?: number }
}

export type RouteConfig =
  | NatsRequestConfig
  | NatsPublishConfig
  | NatsQueueConfig
  | NatsSubscribeConfig
  | NatsUnsubscribeConfig
  | HttpRouteConfig
  | WsRouteConfig
  | EchoConfig
  | RoomRouteConfig
  | BalanceConfig

// These belong to the connection they came over; the package never passes them on.
const ownHop =
  /^(?:host|connection|upgrade|keep-alive|te|trailer|transfer-encoding|content-.*|expect|proxy-.*|sec-websocket-.*|nats-.*)$/i
const headerName = z
  .string()
  .regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, 'must be the name of a header')
  .refine((name) => !ownHop.test(name), 'belongs to the connection itself and is never passed on')

const guarded = { use: z.array(useSchema).exactOptional().describe('Middleware of this route, outermost first.') }

const sent = {
  headers: z
    .record(headerName, z.string())
    .exactOptional()
    .describe('Headers towards the service; templates such as {{id}} are filled in.'),
  forwardHeaders: z
    .array(headerName)
    .exactOptional()
    .describe("Headers of the client's handshake that are passed on. Default none."),
}

const form = z
  .enum(['auto', 'text', 'binary', 'json'])
  .exactOptional()
  .describe('What payloads are. Default json, over codec raw auto: text where it is UTF-8.')

const outbound = {
  subject: z
    .string()
    .min(1)
    .describe('orders.{tenant}.{id}; values are of the path, key, match, the message, or {{id}} of the principal.'),
  as: form,
  encode: z.enum(['base32hex', 'base64url']).exactOptional().describe('Makes any value one token.'),
  dangerouslyAllowReserved: z.boolean().exactOptional().describe('The subject may begin with $ or _. Default false.'),
  timeout: duration
    .exactOptional()
    .describe('Longest wait for an answer. Default nats.requestTimeout, else 5s; of queue 30s.'),
  maxPending: positive.exactOptional().describe('Requests that wait; above: overloaded. Default 10000.'),
  ...sent,
}

const event = z.string().min(1).exactOptional().describe('What the client reads such a message as. Default message.')

const natsNames = { timeout: 'timeoutMs' } as const

const requestShape = {
  nats: z.literal('request').describe('Asks a NATS service and answers with its reply.'),
  ...outbound,
}
const queueShape = {
  nats: z.literal('queue').describe('Hands the request to workers, who answer at any time.'),
  ...outbound,
  stream: z.boolean().exactOptional().describe('Many answers, the last with the header Ws-End. Default false.'),
  maxBuffered: size.exactOptional().describe('Bytes of a stream that wait for the client. Default 1MiB.'),
  event,
}
const queueNames = { ...natsNames, maxBuffered: 'maxBufferedBytes' } as const

const natsRequest = z.strictObject({ ...requestShape, ...guarded }).transform((value) => renameKeys(value, natsNames))
const natsQueue = z.strictObject({ ...queueShape, ...guarded }).transform((value) => renameKeys(value, queueNames))

const natsPublish = z
  .strictObject({
    nats: z.literal('publish').describe('Publishes the message.'),
    ...outbound,
    ack: z
      .union([z.literal(false), z.literal('jetstream')])
      .exactOptional()
      .describe('jetstream answers once a stream has stored it. Default false.'),
    ...guarded,
  })
  .transform((value) => renameKeys(value, natsNames))

const natsSubscribe = z.strictObject({
  nats: z.literal('subscribe').describe('Lets clients subscribe to what allow covers.'),
  allow: z
    .array(z.string().min(1))
    .min(1)
    .describe('Subjects clients may ask for: quote.{symbol} is any one token there, user.{{id}}.> that of the caller.'),
  perConnection: positive.exactOptional().describe('Subscriptions of one client. Default 100.'),
  as: form,
  event,
  ...guarded,
})

const natsUnsubscribe = z.strictObject({
  nats: z.literal('unsubscribe').describe('Ends such a subscription.'),
  of: z.string().min(1).exactOptional().describe('The route that subscribes, where there are several.'),
  ...guarded,
})

const tls = z.strictObject({
  ca: readableFile.exactOptional().describe('File with the authorities to trust (PEM).'),
  cert: readableFile.exactOptional().describe('File with the client certificate (PEM).'),
  key: readableFile.exactOptional().describe('File with its key (PEM).'),
  servername: z.string().min(1).exactOptional().describe('Name the certificate must be for. Default the host.'),
  rejectUnauthorized: z.boolean().exactOptional().describe('false trusts anybody. Default true.'),
})

const httpUrl = z
  .string()
  .regex(/^https?:\/\/[^/?#{}\s]+([/?].*)?$/, 'must be an http:// or https:// URL whose host is written out')

const httpShape = {
  http: httpUrl.describe('Asks an HTTP service: http://host:port/orders/{id}.'),
  method: z
    .string()
    .regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, 'must be a method')
    .exactOptional()
    .describe('Default POST; GET, HEAD and DELETE have no body.'),
  connections: positive.exactOptional().describe('Connections to the service. Default 50.'),
  keepAlive: duration.exactOptional().describe('How long an idle one stays open. Default 4s.'),
  tls: tls.exactOptional().describe('For https.'),
  timeout: duration.exactOptional().describe('From the start to the last byte. Default 30s.'),
  streamIdle: duration.exactOptional().describe('Longest silence of a stream. Default 60s.'),
  maxResponse: size.exactOptional().describe('Of a body, or of one item of a stream. Default 1MiB.'),
  maxPending: positive.exactOptional().describe('Requests that wait; above: overloaded. Default 10000.'),
  as: z
    .enum(['auto', 'text', 'binary', 'json'])
    .exactOptional()
    .describe('What the client gets of a body. Default auto: by the content type.'),
  ...sent,
}
const httpNames = {
  keepAlive: 'keepAliveMs',
  timeout: 'timeoutMs',
  streamIdle: 'streamIdleMs',
  maxResponse: 'maxResponseBytes',
} as const
const http = z.strictObject({ ...httpShape, ...guarded }).transform((value) => renameKeys(value, httpNames))

const wsUrl = z
  .string()
  .regex(/^wss?:\/\/[^/?#{}\s]+([/?].*)?$/, 'must be a ws:// or wss:// URL whose host is written out')

const reconnect = z.union([
  z.literal(false),
  z.strictObject({
    attempts: positive.exactOptional().describe('Tries before the client is closed. Default 5.'),
    delay: delay.exactOptional().describe('Pause between two: a duration, or { base, factor, max, jitter }.'),
  }),
])

const wsShape = {
  ws: wsUrl.describe('Passes messages on to a WebSocket service: ws://host:port/{room}.'),
  match: z
    .literal('json-rpc')
    .exactOptional()
    .describe('Tells which answer belongs to which request; then use sees them. Default none.'),
  share: positive.exactOptional().describe('Connections that carry all clients; needs match. Default one each.'),
  eager: z
    .boolean()
    .exactOptional()
    .describe('Connects when the client does, not at its first message. Default false.'),
  subprotocol: z
    .union([z.literal('forward'), z.array(z.string().min(1))])
    .exactOptional()
    .describe('Offered to the service: a list, or forward: the one agreed on. Default none.'),
  maxMessage: size.exactOptional().describe('Largest message of the service. Default 1MiB.'),
  connectTimeout: duration.exactOptional().describe('Default 10s.'),
  timeout: duration.exactOptional().describe('Longest wait for an answer, with match. Default 30s.'),
  maxBuffered: size
    .exactOptional()
    .describe('Bytes that wait on one side before the other is not read. Default 256KiB.'),
  maxPending: positive.exactOptional().describe('Requests over shared connections. Default 10000.'),
  reconnect: reconnect
    .exactOptional()
    .describe('{ attempts, delay } connects again when the service breaks off. Default false.'),
  ...sent,
}
const wsNames = {
  maxMessage: 'maxMessageBytes',
  connectTimeout: 'connectTimeoutMs',
  timeout: 'timeoutMs',
  maxBuffered: 'maxBufferedBytes',
} as const
const ws = z.strictObject({ ...wsShape, ...guarded }).transform((value) => renameKeys(value, wsNames))

const echo = z.strictObject({
  echo: z.literal(true).describe('Answers with the message, text as text and binary as binary.'),
  ...guarded,
})

const room = z.strictObject({
  room: z.enum(['send', 'join', 'leave']).describe('Sends the message to a room, or joins or leaves it.'),
  name: z.string().min(1).describe('Its name: {room} of the path or the message, {{id}} of the principal.'),
  self: z.boolean().exactOptional().describe('send: the sender gets it too. Default true.'),
  anyone: z.boolean().exactOptional().describe('send: who is no member may send as well. Default false.'),
  rewind: count.exactOptional().describe('join: so many past messages first; needs history. Default 0.'),
  ...guarded,
})

const share = {
  weight: z.number().nonnegative().exactOptional().describe('Share of the requests; 0 gets none. Default 1.'),
  name: z.string().min(1).exactOptional().describe('What pick knows it by. Default its place in the list.'),
}
const target = z.union([
  z.strictObject({ ...requestShape, ...share }).transform((value) => renameKeys(value, natsNames)),
  z.strictObject({ ...queueShape, ...share }).transform((value) => renameKeys(value, queueNames)),
  z.strictObject({ ...httpShape, ...share }).transform((value) => renameKeys(value, httpNames)),
  z.strictObject({ ...wsShape, ...share }).transform((value) => renameKeys(value, wsNames)),
])

const eject = z
  .strictObject({
    failures: positive.exactOptional().describe('Failures in a row after which a target is left alone. Default 5.'),
    for: duration.exactOptional().describe('For so long. Default 10s.'),
  })
  .transform((value) => renameKeys(value, { for: 'forMs' }))

const probe = z
  .strictObject({
    path: z.string().regex(/^\//, 'must begin with "/"').describe('Asked by GET; 2xx means well.'),
    interval: duration.exactOptional().describe('Between two checks of a target. Default 5s.'),
    timeout: duration.exactOptional().describe('Default 2s.'),
  })
  .transform((value) => renameKeys(value, { interval: 'intervalMs', timeout: 'timeoutMs' }))

const balance = z.strictObject({
  balance: z.array(target).min(1).describe('Spreads requests over services: nats request or queue, http or ws.'),
  pick: z
    .string()
    .refine(
      (text) => text === 'least' || text === 'p2c' || text.includes('{'),
      'must be least, p2c or a template such as "{tenant}"',
    )
    .exactOptional()
    .describe('least work, p2c, or a template: one service for each value. Default least.'),
  eject: z
    .union([z.literal(false), eject])
    .exactOptional()
    .describe('Leaves a failing target out for a while; false never. Default on.'),
  probe: probe
    .exactOptional()
    .describe('Asks http targets from time to time, https ones with their tls. Default none.'),
  ...guarded,
})

/** Where the messages of a route go: exactly one kind. */
export const routeSchema: z.ZodType<RouteConfig> = z
  .union([natsRequest, natsPublish, natsQueue, natsSubscribe, natsUnsubscribe, http, ws, echo, room, balance])
  .meta({ id: 'WsRoute' })
