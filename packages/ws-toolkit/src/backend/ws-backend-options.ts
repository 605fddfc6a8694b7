// SPDX-License-Identifier: Apache-2.0
import { WebSocket, type ClientOptions } from 'ws'
import type { Connection } from '../connection.ts'
import { exponential, type Delay } from '../middleware/delay.ts'
import { checkKeys, hook, whole } from '../option-check.ts'
import type { WsRequest } from '../request.ts'
import type { ReplyMatch, UpstreamMessage } from './reply-match.ts'
import type { UpstreamRules } from './upstream.ts'

export interface WsBackendOptions<U = unknown> {
  /** `ws://` or `wss://`; a function decides for each client, and must not build the host out of what the client says. */
  readonly url: string | ((connection: Connection<U>) => string)
  /** The message for the service; undefined sends none. Default: the client's, as it came. */
  readonly request?: (request: WsRequest<U>) => string | Uint8Array | undefined
  /** Finds the request an answer belongs to: then the handler gives the answer, and `timeout()`, `retry()` and `breaker()` see it. */
  readonly match?: ReplyMatch<U>
  /** Carries all clients over so many connections, instead of one for each client. Needs `match`. */
  readonly share?: number
  /** Is given what a service pushes over shared connections. Default: dropped, and counted. */
  readonly onPush?: (message: UpstreamMessage) => void
  /** Headers of the handshake with the service; those of the client are in `connection.data` if `onConnect` has kept them (`pickHeaders()`). */
  readonly headers?: (connection: Connection<U>) => Readonly<Record<string, string>>
  /** `forward`: the one agreed on with the client; a list: these. Default none. */
  readonly subprotocol?: 'forward' | readonly string[]
  /** Makes the socket. Default: that of `ws`, without compression and redirects. */
  readonly dial?: (url: string, subprotocols: string[], options: ClientOptions) => WebSocket
  /** Largest message of the service. Default 1,048,576. */
  readonly maxMessageBytes?: number
  /** Default 10,000. */
  readonly connectTimeoutMs?: number
  /** Longest wait for an answer, with `match`. Default 30,000. */
  readonly timeoutMs?: number
  /** Bytes that may wait on either side before the other is not read. Default 262,144. */
  readonly maxBufferedBytes?: number
  /** Requests that wait for answers over shared connections; beyond, the answer is `overloaded`. Default 10,000. */
  readonly maxPending?: number
  /** Connects again when the service breaks off, instead of closing the client. Default false. */
  readonly reconnect?: false | { readonly attempts?: number; readonly delay?: Delay }
}

/** WsBackendOptions with every default filled in, checked and frozen. */
export interface WsBackendRules<U> extends UpstreamRules {
  readonly request: (request: WsRequest<U>) => string | Uint8Array | undefined
  readonly match: ReplyMatch<U> | undefined
  readonly share: number | undefined
  readonly onPush: ((message: UpstreamMessage) => void) | undefined
  readonly timeoutMs: number
  readonly maxPending: number
  dial(connection: Connection<U> | undefined): WebSocket
}

const keys: readonly (keyof WsBackendOptions)[] = [
  'url',
  'request',
  'match',
  'share',
  'onPush',
  'headers',
  'subprotocol',
  'dial',
  'maxMessageBytes',
  'connectTimeoutMs',
  'timeoutMs',
  'maxBufferedBytes',
  'maxPending',
  'reconnect',
]

/** Checks the options once; throws TypeError or RangeError naming the option and the value. */
export function resolveWsBackend<U>(options: WsBackendOptions<U>): WsBackendRules<U> {
  checkKeys('wsBackend', options, keys)
  const { match, share, onPush, request } = options
  checkMode(options)
  return Object.freeze({
    request: hook('wsBackend.request', request) ?? (({ bytes }: WsRequest<U>) => bytes),
    match,
    share: share === undefined ? undefined : whole('wsBackend.share', share),
    onPush: hook('wsBackend.onPush', onPush),
    timeoutMs: whole('wsBackend.timeoutMs', options.timeoutMs ?? 30_000),
    maxPending: whole('wsBackend.maxPending', options.maxPending ?? 10_000),
    connectTimeoutMs: whole('wsBackend.connectTimeoutMs', options.connectTimeoutMs ?? 10_000),
    maxBufferedBytes: whole('wsBackend.maxBufferedBytes', options.maxBufferedBytes ?? 262_144),
    reconnect: reconnectRules(options.reconnect ?? false),
    dial: dialer(options),
  })
}

function checkMode<U>({ match, share, onPush, request, url, headers, subprotocol }: WsBackendOptions<U>): void {
  if (match !== undefined && typeof match.write !== 'function') {
    throw new TypeError('wsBackend.match: has no write(); use jsonRpcMatch()')
  }
  if (match !== undefined && request !== undefined) {
    throw new TypeError('wsBackend.request: `match` writes the messages; give one of the two')
  }
  if (share === undefined) {
    if (onPush !== undefined) throw new TypeError('wsBackend.onPush: is for shared connections; clients get their own')
    return
  }
  if (match === undefined) throw new TypeError('wsBackend.share: needs `match`, to tell whose an answer is')
  if (typeof url === 'function' || headers !== undefined || subprotocol === 'forward') {
    throw new TypeError('wsBackend.share: a shared connection has no client: give a fixed url, and no headers of one')
  }
}

function reconnectRules(reconnect: NonNullable<WsBackendOptions['reconnect']>): UpstreamRules['reconnect'] {
  if (reconnect === false) return undefined
  checkKeys('wsBackend.reconnect', reconnect, ['attempts', 'delay'])
  const attempts = whole('wsBackend.reconnect.attempts', reconnect.attempts ?? 5)
  return Object.freeze({ attempts, delay: hook('wsBackend.reconnect.delay', reconnect.delay) ?? exponential() })
}

function dialer<U>(options: WsBackendOptions<U>): WsBackendRules<U>['dial'] {
  const { url, headers, subprotocol = [], dial = connect } = options
  const fixedUrl = typeof url === 'function' ? undefined : checkedUrl(url)
  hook('wsBackend.headers', headers)
  hook('wsBackend.dial', dial)
  if (subprotocol !== 'forward' && !Array.isArray(subprotocol)) {
    throw new TypeError(`wsBackend.subprotocol: ${JSON.stringify(subprotocol)} is neither forward nor a list`)
  }
  const maxPayload = whole('wsBackend.maxMessageBytes', options.maxMessageBytes ?? 1_048_576)
  return (connection) => {
    const target = typeof url === 'function' && connection !== undefined ? checkedUrl(url(connection)) : fixedUrl
    if (target === undefined) throw new TypeError('wsBackend.url: there is no client to ask it about')
    return dial(target, subprotocolsFor(subprotocol, connection), {
      maxPayload,
      perMessageDeflate: false,
      followRedirects: false,
      ...(connection !== undefined && headers !== undefined && { headers: { ...headers(connection) } }),
    })
  }
}

function subprotocolsFor<U>(
  subprotocol: 'forward' | readonly string[],
  connection: Connection<U> | undefined,
): string[] {
  if (subprotocol !== 'forward') return [...subprotocol]
  return connection === undefined || connection.protocol === '' ? [] : [connection.protocol]
}

function checkedUrl(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed?.protocol === 'ws:' || parsed?.protocol === 'wss:') return url
  throw new TypeError(`wsBackend.url: ${JSON.stringify(url)} is not a ws:// or wss:// address`)
}

function connect(url: string, subprotocols: string[], options: ClientOptions): WebSocket {
  return new WebSocket(url, subprotocols, options)
}
