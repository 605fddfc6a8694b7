// SPDX-License-Identifier: Apache-2.0
import { abortSourceOf } from '../abort-source.ts'
import type { Handler, Reply } from '../chain.ts'
import { carriesJson } from '../connection-codec.ts'
import { isPromise } from '../promise.ts'
import { traceHeadersOf } from '../middleware/tracing.ts'
import { checkKeys, hook, whole, word } from '../option-check.ts'
import type { WsRequest } from '../request.ts'
import { WsError } from '../ws-error.ts'
import type { HttpDispatcher } from './http-dispatcher.ts'
import { HttpExchange, type ExchangeRules } from './http-exchange.ts'
import { httpPool, parseOrigin, type HttpPool } from './http-pool.ts'
import { replyForms, type HttpReply, type ReplyForm } from './http-reply.ts'
import { dispatchedRequest, type HttpRequest } from './http-request.ts'

export interface HttpBackendOptions<U = unknown> {
  /** What a message is sent on as. */
  readonly request: (request: WsRequest<U>) => HttpRequest | Promise<HttpRequest>
  /** The service, `http://host:port`; needless where the dispatcher has one. */
  readonly origin?: string
  /** The connections to it: a Pool of undici 7 or later, which its maker closes. Default `httpPool({ origin, connections })`. */
  readonly dispatcher?: HttpDispatcher
  /** Connections of the default pool. Default 50. */
  readonly connections?: number
  /** From the start to the last byte, or to the first of a stream. Default 30,000. */
  readonly timeoutMs?: number
  /** Longest silence of a stream. Default 60,000. */
  readonly streamIdleMs?: number
  /** Of a body, or of one item of a stream. Default 1,048,576. */
  readonly maxResponseBytes?: number
  /** Requests under way or waiting for a connection; beyond, the answer is `overloaded`. Default 10,000. */
  readonly maxPending?: number
  /** What the client gets of a body. Default `auto`. */
  readonly as?: ReplyForm
  /** Which statuses are answers. Default 200 to 299; all others are `bad_reply`. Redirects are never followed. */
  readonly accept?: (status: number) => boolean
  /** Makes the answer of a whole response, in the place of `as`; no response is a stream then. */
  readonly map?: (reply: HttpReply, request: WsRequest<U>) => Reply
}

export interface HttpBackend<U = unknown> extends Handler<U> {
  stats(): { readonly pending: number }
  /** Fails what is under way with `draining`, and refuses what comes. */
  close(): void
}

/**
 * Asks an HTTP service. NDJSON and server-sent events become streams of answers; `traceparent` of `tracing()` is passed
 * on. Headers of the client are not: keep what is to be passed on in `connection.data` (`pickHeaders()`).
 */
export function httpBackend<U = unknown>(options: HttpBackendOptions<U>): HttpBackend<U> {
  const { request: requestFor, map } = checked(options)
  const maxPending = whole('httpBackend.maxPending', options.maxPending ?? 10_000)
  const origin = options.origin === undefined ? undefined : parseOrigin('httpBackend.origin', options.origin).origin
  const pool = options.dispatcher === undefined ? ownPool(options, origin) : undefined
  const dispatcher = options.dispatcher ?? pool
  if (typeof dispatcher?.dispatch !== 'function') {
    throw new TypeError('httpBackend.dispatcher: has no dispatch(); give a Pool of undici 7 or later')
  }
  const rules = rulesOf(options)
  const jsonRules: ExchangeRules = Object.freeze({ ...rules, isJsonCodec: true })
  const pending = new Set<HttpExchange>()
  let isClosed = false

  function ask(request: WsRequest<U>, sent: HttpRequest): Promise<Reply> {
    if (isClosed) throw new WsError('draining')
    if (pending.size >= maxPending) throw new WsError('overloaded')
    const dispatched = dispatchedRequest(sent, origin, traceHeadersOf(request))
    const known = carriesJson(request.connection) ? jsonRules : rules
    const mapped = map === undefined ? known : { ...known, map: (reply: HttpReply) => map(reply, request) }
    const exchange = new HttpExchange(mapped, abortSourceOf(request), () => pending.delete(exchange))
    pending.add(exchange)
    return exchange.begin(dispatcher as HttpDispatcher, dispatched)
  }

  const handler = (request: WsRequest<U>): Promise<Reply> => {
    const sent = requestFor(request)
    return isPromise(sent) ? sent.then((later) => ask(request, later)) : ask(request, sent)
  }
  return Object.assign(handler, {
    stats: () => ({ pending: pending.size }),
    close: () => {
      isClosed = true
      for (const exchange of pending) exchange.break(new WsError('draining'))
      pool?.close()
    },
  })
}

function checked<U>(options: HttpBackendOptions<U>): HttpBackendOptions<U> {
  checkKeys('httpBackend', options, [
    'request',
    'origin',
    'dispatcher',
    'connections',
    'timeoutMs',
    'streamIdleMs',
    'maxResponseBytes',
    'maxPending',
    'as',
    'accept',
    'map',
  ])
  if (hook('httpBackend.request', options.request) === undefined) throw new TypeError('httpBackend.request: is missing')
  hook('httpBackend.map', options.map)
  return options
}

function rulesOf<U>(options: HttpBackendOptions<U>): ExchangeRules {
  return Object.freeze({
    timeoutMs: whole('httpBackend.timeoutMs', options.timeoutMs ?? 30_000),
    streamIdleMs: whole('httpBackend.streamIdleMs', options.streamIdleMs ?? 60_000),
    maxResponseBytes: whole('httpBackend.maxResponseBytes', options.maxResponseBytes ?? 1_048_576),
    form: word('httpBackend.as', options.as ?? 'auto', replyForms),
    accept: hook('httpBackend.accept', options.accept) ?? isSuccess,
    isJsonCodec: false,
    map: undefined,
  })
}

function ownPool<U>({ connections }: HttpBackendOptions<U>, origin: string | undefined): HttpPool {
  if (origin === undefined) throw new TypeError('httpBackend: give an origin, or a dispatcher that has one')
  return httpPool({ origin, ...(connections !== undefined && { connections }) })
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300
}
