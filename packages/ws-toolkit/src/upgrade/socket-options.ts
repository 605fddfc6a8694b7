// SPDX-License-Identifier: Apache-2.0
import type { Admission, Principal } from '@nats-edge/wire-parser'
import type { Context } from 'hono'
import { isSubprotocol } from './handshake.ts'
import { originPatterns, type MissingOrigin, type Origins } from './origin.ts'
import type { RefusalCode } from './refusal.ts'

/** What the sockets of one route may do; one `ws` server is kept per options object. */
export interface SocketOptions {
  /** Largest message, after inflation; above it the socket is closed with 1009. Default 1,048,576. */
  readonly maxMessageBytes?: number
  /** Most fragments of one message; above it the socket is closed with 1008. Default 128. */
  readonly maxFragments?: number
  /** Subprotocols spoken here; a client that offers only others is refused with 400. Default none: the route may choose one by `c.header('Sec-WebSocket-Protocol', ...)`. */
  readonly subprotocols?: readonly string[]
  /** Pages that may connect. Default `same`: those of the own origin. */
  readonly origins?: Origins
  /** What a client without Origin may do. Default `no-cookie`: connect without a Cookie header. */
  readonly missingOrigin?: MissingOrigin
  /** permessage-deflate. Default false: it costs about four times the CPU. */
  readonly compression?: false | CompressionOptions
  /** Longest the events function may take; then its signal is aborted and the client gets 504. Default 30,000. */
  readonly upgradeTimeoutMs?: number
  /** How long a client may take to answer the close frame before it is cut. Default 5,000; `ws` alone would wait 30,000. */
  readonly closeTimeoutMs?: number
  /** The name admission knows this route by. Default `ws`. */
  readonly surface?: string
  /** Decides whether there is room. Default: the admission of the host the route is served by. */
  readonly admission?: Admission
  /** The client's address for admission. Default: that of the host, which is the socket's without `::ffff:`. */
  readonly clientIp?: (c: Context) => string
  /** Who is asking, counted by admission. Default `c.get('principal')`. */
  readonly principal?: (c: Context) => Principal | undefined
  /** Is told of refused handshakes and of handlers that threw. */
  readonly observe?: (event: UpgradeEvent) => void
}

export interface CompressionOptions {
  /** zlib level, 1 to 9. Default 1: most of the gain for the least CPU. */
  readonly level?: number
  /** Shorter messages go out as they are. Default 1,024. */
  readonly thresholdBytes?: number
  /** Keeps the zlib window between messages, about 300 KiB a socket. Default false. */
  readonly contextTakeover?: boolean
}

export type UpgradeEvent =
  | { readonly type: 'upgrade.refused'; readonly code: RefusalCode | 'route'; readonly status: number }
  | { readonly type: 'handler.failed'; readonly handler: HandlerName; readonly error: unknown }

/** `events` is the events function itself, when it fails after its client has left; `fetch` is the whole application. */
export type HandlerName = 'fetch' | 'events' | 'onOpen' | 'onMessage' | 'onClose' | 'onError' | 'onAbort'

type OwnChoice = 'admission' | 'clientIp' | 'observe'
/** SocketOptions with every default filled in, checked and frozen. */
export type ResolvedSocketOptions = Readonly<Required<Omit<SocketOptions, OwnChoice | 'compression'>>> &
  Pick<SocketOptions, OwnChoice> & { readonly compression: false | Required<CompressionOptions> }

/** Checks the options of a route once; throws TypeError or RangeError naming the option and the value. */
export function resolveSocketOptions(options: SocketOptions): ResolvedSocketOptions {
  const { admission, clientIp, observe } = options
  return Object.freeze({
    maxMessageBytes: within('maxMessageBytes', options.maxMessageBytes ?? 1_048_576, 1, 2 ** 31 - 1),
    maxFragments: within('maxFragments', options.maxFragments ?? 128, 1, 2 ** 31 - 1),
    subprotocols: subprotocolList(options.subprotocols ?? []),
    origins: resolveOrigins(options.origins ?? 'same'),
    missingOrigin: oneOf('missingOrigin', options.missingOrigin ?? 'no-cookie', ['no-cookie', 'deny', 'allow']),
    compression: resolveCompression(options.compression ?? false),
    upgradeTimeoutMs: within('upgradeTimeoutMs', options.upgradeTimeoutMs ?? 30_000, 1, 2 ** 31 - 1),
    closeTimeoutMs: within('closeTimeoutMs', options.closeTimeoutMs ?? 5000, 1, 2 ** 31 - 1),
    surface: options.surface ?? 'ws',
    principal: options.principal ?? ((c: Context): Principal | undefined => c.get('principal')),
    ...(admission && { admission }),
    ...(clientIp && { clientIp }),
    ...(observe && { observe }),
  })
}

function resolveOrigins(origins: Origins): Origins {
  if (typeof origins === 'string') return oneOf<'same' | '*'>('origins', origins, ['same', '*'])
  const list = Object.freeze([...origins])
  originPatterns(list)
  return list
}

function resolveCompression(compression: false | CompressionOptions): false | Required<CompressionOptions> {
  if (compression === false) return false
  if (typeof compression !== 'object')
    throw new TypeError(`compression: ${String(compression)} is neither false nor an object`)
  return Object.freeze({
    level: within('compression.level', compression.level ?? 1, 1, 9),
    thresholdBytes: within('compression.thresholdBytes', compression.thresholdBytes ?? 1024, 0, 2 ** 31 - 1),
    contextTakeover: compression.contextTakeover ?? false,
  })
}

function subprotocolList(subprotocols: readonly string[]): readonly string[] {
  for (const name of subprotocols) {
    if (!isSubprotocol(name))
      throw new TypeError(`subprotocols: ${JSON.stringify(name)} is not a token (RFC 9110, 5.6.2)`)
  }
  return Object.freeze([...subprotocols])
}

function within(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new RangeError(`${name}: ${value} is not a whole number from ${least} to ${most}`)
}

function oneOf<T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value
  throw new TypeError(`${name}: ${JSON.stringify(value)} is not one of ${allowed.join(', ')}`)
}
