// SPDX-License-Identifier: Apache-2.0
import type { Context } from 'hono'
import type { CloseInfo } from './close-code.ts'
import type { Codec } from './codec/codec.ts'
import { rawCodec } from './codec/raw.ts'
import type { Connection } from './connection.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { InboundLimits } from './intake.ts'
import { checkKeys, flag, hook, rate, whole, word } from './option-check.ts'
import { overflowPolicies, type OutboundLimits, type OverflowPolicy } from './overflow-policy.ts'
import { resolveSocketOptions, type CompressionOptions } from './upgrade/socket-options.ts'
import type { MissingOrigin, Origins } from './upgrade/origin.ts'

/** What is known of a client when `onConnect` runs. */
export interface Handshake {
  /** What the path of the channel matched, decoded: may hold any character. */
  readonly params: Readonly<Record<string, string>>
  readonly ip: string
  /** Aborted when the client leaves before it is connected. */
  readonly signal: AbortSignal
}

/** What one channel is and allows. */
export interface ChannelOptions<U = undefined> {
  /** The words of its messages. Default `rawCodec()`. */
  readonly codec?: Codec
  /** Takes the messages instead of codec, routes and middleware. */
  readonly dispatcher?: Dispatcher<U>
  /** Pages that may connect. Default `same`: those of the own origin. */
  readonly origins?: Origins
  /** What a client without Origin may do. Default `no-cookie`: connect without a Cookie header. */
  readonly missingOrigin?: MissingOrigin
  /** Subprotocols spoken here. Default none. */
  readonly subprotocols?: readonly string[]
  /** Refuses clients that offer no subprotocol. Default false. */
  readonly requireSubprotocol?: boolean
  /** permessage-deflate. Default false: it costs about four times the CPU. */
  readonly compression?: false | CompressionOptions
  /** Largest message, after inflation; above it 1009. Default 32,768. */
  readonly maxMessageBytes?: number
  /** Most fragments of one message; above it 1008. Default 128. */
  readonly maxFragments?: number
  /** Connections of this channel. Default 10,000. */
  readonly maxConnections?: number
  /** Requests of one connection under way; at this number its socket is not read. Default 25. */
  readonly concurrency?: number
  /** Default 200, and as many at once. */
  readonly messagesPerSecond?: number
  /** Default 1,048,576, and as many at once, or one message. */
  readonly bytesPerSecond?: number
  /** Above these rates: stop reading, answer with `rate_limited`, or close with 1008. Default `pause`. */
  readonly onExceeded?: 'pause' | 'error' | 'close'
  /** Pings a client nothing was heard of for so long; 0 is off. Default 25,000. */
  readonly heartbeatMs?: number
  /** Cuts a client nothing was heard of for so long after the ping. Default 10,000. */
  readonly heartbeatTimeoutMs?: number
  /** Closes with 1001 when no message went either way for so long; 0 is off. Default 0. */
  readonly idleMs?: number
  /** Closes with 4200 after so long, give or take a tenth; 0 is off. Default 0. */
  readonly maxLifetimeMs?: number
  /** How long a client may take to answer the close frame. Default 5,000. */
  readonly closeTimeoutMs?: number
  /** `connection`: requests start in the order they came, even if decoding is asynchronous; `key`: one at a time of each key. Default `connection`. */
  readonly order?: 'connection' | 'key' | 'unordered'
  /** `fifo`: answers leave in the order of their requests. Default `completion`. */
  readonly replyOrder?: 'completion' | 'fifo'
  /** Bytes that may wait for one client; each message that waits counts for 128 more. Default 1,048,576. */
  readonly sendBufferBytes?: number
  /** Bytes of these its socket may have; streams and `drained()` go on below this. Default 262,144. */
  readonly lowWaterBytes?: number
  /** What happens to messages above `sendBufferBytes`. Default `close`, with 4108. */
  readonly overflow?: OverflowPolicy
  /** Closes with 4108 a client that took nothing of what waits for so long. Default 10,000. */
  readonly sendTimeoutMs?: number
  /** Gathers messages for so long, up to 5, instead of one tick. Default 0. */
  readonly batchMs?: number
  /** Subscriptions of one connection, for handlers that keep some. Default 100. */
  readonly maxSubscriptions?: number
  /** Rooms of one connection. Default 100. */
  readonly maxRooms?: number
  /** Runs before the upgrade, after everything that is checked without it: what it returns becomes `connection.data`, and a Response refuses. */
  readonly onConnect?: (c: Context, handshake: Handshake) => U | Response | Promise<U | Response>
  /** The client did not stay for its connection: let go of what `onConnect` has prepared. */
  readonly onAbort?: (data: U) => void
  /** Reading waits for it. */
  readonly onOpen?: (connection: Connection<U>) => void | Promise<void>
  /** Once, after the requests under way. */
  readonly onDisconnect?: (connection: Connection<U>, info: CloseInfo) => void | Promise<void>
}

type Hooks = 'dispatcher' | 'onConnect' | 'onAbort' | 'onOpen' | 'onDisconnect'

/** ChannelOptions with every default filled in, checked and frozen. */
export type ResolvedChannelOptions<U> = Readonly<Required<Omit<ChannelOptions<U>, Hooks>>> &
  Pick<ChannelOptions<U>, Hooks> &
  InboundLimits &
  OutboundLimits

const known: readonly (keyof ChannelOptions)[] = [
  'codec',
  'dispatcher',
  'origins',
  'missingOrigin',
  'subprotocols',
  'requireSubprotocol',
  'compression',
  'maxMessageBytes',
  'maxFragments',
  'maxConnections',
  'concurrency',
  'messagesPerSecond',
  'bytesPerSecond',
  'onExceeded',
  'heartbeatMs',
  'heartbeatTimeoutMs',
  'idleMs',
  'maxLifetimeMs',
  'closeTimeoutMs',
  'order',
  'replyOrder',
  'sendBufferBytes',
  'lowWaterBytes',
  'overflow',
  'sendTimeoutMs',
  'batchMs',
  'maxSubscriptions',
  'maxRooms',
  'onConnect',
  'onAbort',
  'onOpen',
  'onDisconnect',
]

/** Checks the options of a channel once; throws TypeError or RangeError naming the option and the value. */
export function resolveChannelOptions<U>(options: ChannelOptions<U>): ResolvedChannelOptions<U> {
  checkKeys('channel', options, known)
  return Object.freeze({
    ...protocolOptions(options),
    ...inboundOptions(options),
    ...lifeOptions(options),
    ...outboundOptions(options),
    dispatcher: dispatcherOf(options),
    onConnect: hook('onConnect', options.onConnect),
    onAbort: hook('onAbort', options.onAbort),
    onOpen: hook('onOpen', options.onOpen),
    onDisconnect: hook('onDisconnect', options.onDisconnect),
  }) as ResolvedChannelOptions<U>
}

function protocolOptions<U>(options: ChannelOptions<U>): object {
  const { codec = rawCodec(), subprotocols = [], origins = 'same', missingOrigin = 'no-cookie' } = options
  if (typeof codec !== 'object' || codec === null || typeof codec.decode !== 'function') {
    throw new TypeError('codec: not a codec; use rawCodec(), jsonCodec() or jsonRpc()')
  }
  const requireSubprotocol = flag('requireSubprotocol', options.requireSubprotocol ?? false)
  if (requireSubprotocol && subprotocols.length === 0) {
    throw new TypeError('requireSubprotocol: name the subprotocols that are spoken here')
  }
  // Checked by ./upgrade, which holds the sockets to them.
  const checked = resolveSocketOptions({
    origins,
    missingOrigin,
    subprotocols,
    compression: options.compression ?? false,
  })
  return {
    codec,
    origins: checked.origins,
    missingOrigin: checked.missingOrigin,
    subprotocols: checked.subprotocols,
    compression: checked.compression,
    requireSubprotocol,
    maxFragments: whole('maxFragments', options.maxFragments ?? 128),
    maxConnections: whole('maxConnections', options.maxConnections ?? 10_000),
    order: word('order', options.order ?? 'connection', ['connection', 'key', 'unordered']),
    replyOrder: word('replyOrder', options.replyOrder ?? 'completion', ['completion', 'fifo']),
    maxSubscriptions: whole('maxSubscriptions', options.maxSubscriptions ?? 100),
    maxRooms: whole('maxRooms', options.maxRooms ?? 100),
  }
}

function inboundOptions<U>(options: ChannelOptions<U>): object {
  return {
    maxMessageBytes: whole('maxMessageBytes', options.maxMessageBytes ?? 32_768),
    concurrency: whole('concurrency', options.concurrency ?? 25),
    messagesPerSecond: rate('messagesPerSecond', options.messagesPerSecond ?? 200),
    bytesPerSecond: rate('bytesPerSecond', options.bytesPerSecond ?? 1_048_576),
    onExceeded: word('onExceeded', options.onExceeded ?? 'pause', ['pause', 'error', 'close']),
  }
}

function lifeOptions<U>(options: ChannelOptions<U>): object {
  return {
    heartbeatMs: whole('heartbeatMs', options.heartbeatMs ?? 25_000, 0),
    heartbeatTimeoutMs: whole('heartbeatTimeoutMs', options.heartbeatTimeoutMs ?? 10_000),
    idleMs: whole('idleMs', options.idleMs ?? 0, 0),
    maxLifetimeMs: whole('maxLifetimeMs', options.maxLifetimeMs ?? 0, 0),
    closeTimeoutMs: whole('closeTimeoutMs', options.closeTimeoutMs ?? 5000),
    sendTimeoutMs: whole('sendTimeoutMs', options.sendTimeoutMs ?? 10_000),
  }
}

function outboundOptions<U>(options: ChannelOptions<U>): object {
  const sendBufferBytes = whole('sendBufferBytes', options.sendBufferBytes ?? 1_048_576)
  const lowWaterBytes = whole('lowWaterBytes', options.lowWaterBytes ?? Math.ceil(sendBufferBytes / 4))
  if (lowWaterBytes > sendBufferBytes) {
    throw new RangeError(`lowWaterBytes: ${lowWaterBytes} is above sendBufferBytes, ${sendBufferBytes}`)
  }
  return {
    sendBufferBytes,
    lowWaterBytes,
    overflow: word('overflow', options.overflow ?? 'close', overflowPolicies),
    batchMs: whole('batchMs', options.batchMs ?? 0, 0, 5),
  }
}

function dispatcherOf<U>({ dispatcher, codec }: ChannelOptions<U>): Dispatcher<U> | undefined {
  if (dispatcher === undefined) return undefined
  if (typeof dispatcher !== 'object' || dispatcher === null || typeof dispatcher.message !== 'function') {
    throw new TypeError('dispatcher: has no message()')
  }
  if (codec !== undefined) throw new TypeError('dispatcher: replaces the codec; give one of the two')
  return dispatcher
}
