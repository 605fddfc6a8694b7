// SPDX-License-Identifier: Apache-2.0
import { connect } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { checkKeys, whole } from '../option-check.ts'
import { HttpConnection, type ConnectionUser } from './http-connection.ts'
import type { DispatchedRequest, HttpDispatcher, ResponseController, ResponseHandler } from './http-dispatcher.ts'
import { requestBytes } from './request-bytes.ts'
import type { ResponseHead } from './response-head.ts'

export interface HttpPoolOptions {
  /** `http://host:port` or `https://host:port`. */
  readonly origin: string
  /** Connections at most; requests beyond wait for one. Default 50. */
  readonly connections?: number
  /** How long a connection without requests stays open; less than the service keeps it. Default 4,000. */
  readonly keepAliveMs?: number
  /** Certificates and the like, for https. */
  readonly tls?: Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized'>
}

export interface HttpPool extends HttpDispatcher {
  readonly origin: string
  /** Cuts all connections. */
  close(): void
}

// Sent again on a connection that the service has closed while it was idle (RFC 9110, 9.2.2).
const repeatable: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/** Keeps connections to one origin alive, with HTTP/1.1 and nothing but node:net and node:tls. */
export function httpPool(options: HttpPoolOptions): HttpPool {
  checkKeys('httpPool', options, ['origin', 'connections', 'keepAliveMs', 'tls'])
  const { href, origin } = parseOrigin('httpPool.origin', options.origin)
  const pool = new Pool(new URL(href), {
    connections: whole('httpPool.connections', options.connections ?? 50),
    keepAliveMs: whole('httpPool.keepAliveMs', options.keepAliveMs ?? 4000),
    tls: options.tls ?? {},
  })
  return Object.freeze({
    origin,
    dispatch: (request: DispatchedRequest, handler: ResponseHandler) => pool.dispatch(request, handler),
    close: () => pool.close(),
  })
}

/** Checks an origin; throws TypeError naming the option. */
export function parseOrigin(option: string, origin: string): URL {
  const url = URL.canParse(origin) ? new URL(origin) : undefined
  const isWeb = url?.protocol === 'http:' || url?.protocol === 'https:'
  if (url !== undefined && isWeb && url.href === `${url.origin}/`) return url
  throw new TypeError(`${option}: ${JSON.stringify(origin)} is not an origin such as http://127.0.0.1:8080`)
}

class Pool {
  readonly #url: URL
  readonly #options: Required<Pick<HttpPoolOptions, 'connections' | 'keepAliveMs' | 'tls'>>
  readonly #all = new Set<HttpConnection>()
  // The one that was used last comes first, so that the others may close.
  readonly #free: HttpConnection[] = []
  readonly #waiting = new Set<PooledRequest>()

  constructor(url: URL, options: Required<Pick<HttpPoolOptions, 'connections' | 'keepAliveMs' | 'tls'>>) {
    this.#url = url
    this.#options = options
  }

  dispatch(request: DispatchedRequest, handler: ResponseHandler): boolean {
    const bytes = requestBytes(this.#url.host, request)
    const pooled = new PooledRequest(handler, { method: request.method, bytes, pool: this })
    this.#waiting.add(pooled)
    handler.onRequestStart(pooled)
    this.next()
    return this.#waiting.size === 0
  }

  /** Gives a connection to the request that has waited longest. */
  next(): void {
    const [first] = this.#waiting
    if (first === undefined) return
    const connection = this.#free.pop() ?? this.#open()
    if (connection === undefined) return
    this.#waiting.delete(first)
    first.send(connection)
  }

  /** A request that was on a connection the service had just closed has its place at once. */
  again(request: PooledRequest): void {
    const connection = this.#open()
    if (connection === undefined) this.#waiting.add(request)
    else request.send(connection)
  }

  forget(request: PooledRequest): void {
    this.#waiting.delete(request)
  }

  close(): void {
    for (const connection of this.#all) connection.close()
  }

  freed(connection: HttpConnection): void {
    this.#free.push(connection)
    this.next()
  }

  gone(connection: HttpConnection): void {
    this.#all.delete(connection)
    const index = this.#free.indexOf(connection)
    if (index !== -1) this.#free.splice(index, 1)
    // Its user is told first, and may have the place.
    queueMicrotask(() => this.next())
  }

  #open(): HttpConnection | undefined {
    if (this.#all.size >= this.#options.connections) return undefined
    const { protocol, hostname, port } = this.#url
    const isTls = protocol === 'https:'
    const host = hostname.replace(/^\[(.*)\]$/, '$1')
    const target = { host, port: port === '' ? (isTls ? 443 : 80) : Number(port) }
    // RFC 6066, 3: a name, never an address.
    const names = /^[\d.]+$|:/.test(host) ? {} : { servername: host }
    const socket = isTls ? connectTls({ ...target, ...names, ...this.#options.tls }) : connect(target)
    const connection = new HttpConnection(socket, this, this.#options.keepAliveMs)
    this.#all.add(connection)
    return connection
  }
}

/** One request on its way through a pool, told as undici tells it. */
class PooledRequest implements ConnectionUser, ResponseController {
  readonly #handler: ResponseHandler
  readonly #sent: { readonly method: string; readonly bytes: string | Buffer; readonly pool: Pool }
  #connection: HttpConnection | undefined
  #isRepeated = false
  #isOver = false

  constructor(
    handler: ResponseHandler,
    sent: { readonly method: string; readonly bytes: string | Buffer; readonly pool: Pool },
  ) {
    this.#handler = handler
    this.#sent = sent
  }

  send(connection: HttpConnection): void {
    this.#connection = connection
    connection.send(this, this.#sent.method, this.#sent.bytes)
  }

  abort(reason: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#handler.onResponseError(this, reason)
    this.#sent.pool.forget(this)
    this.#connection?.cut()
  }

  pause(): void {
    this.#connection?.pause()
  }

  resume(): void {
    this.#connection?.resume()
  }

  head({ status, headers }: ResponseHead): void {
    this.#handler.onResponseStart(this, status, headers)
  }

  data(bytes: Buffer): void {
    if (!this.#isOver) this.#handler.onResponseData(this, bytes)
  }

  end(): void {
    this.#connection = undefined
    if (this.#isOver) return
    this.#isOver = true
    this.#handler.onResponseEnd(this)
  }

  broke(error: Error, isStale: boolean): void {
    this.#connection = undefined
    if (this.#isOver) return
    if (isStale && !this.#isRepeated && repeatable.has(this.#sent.method)) {
      this.#isRepeated = true
      this.#sent.pool.again(this)
      return
    }
    this.#isOver = true
    this.#handler.onResponseError(this, error)
  }
}
