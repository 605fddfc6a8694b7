// SPDX-License-Identifier: Apache-2.0
import { Agent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { Agent as TlsAgent, request as httpsRequest } from 'node:https'
import type { ConnectionOptions } from 'node:tls'
import { checkKeys, whole } from '../option-check.ts'
import type { DispatchedRequest, HttpDispatcher, ResponseController, ResponseHandler } from './http-dispatcher.ts'

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

/** Keeps connections to one origin alive, with node:http alone. A Pool of undici takes its place for less CPU a request. */
export function httpPool(options: HttpPoolOptions): HttpPool {
  checkKeys('httpPool', options, ['origin', 'connections', 'keepAliveMs', 'tls'])
  const url = parseOrigin('httpPool.origin', options.origin)
  const isTls = url.protocol === 'https:'
  const connections = whole('httpPool.connections', options.connections ?? 50)
  const agentOptions = {
    keepAlive: true,
    maxSockets: connections,
    maxFreeSockets: connections,
    scheduling: 'lifo' as const,
    timeout: whole('httpPool.keepAliveMs', options.keepAliveMs ?? 4000),
  }
  const agent = isTls ? new TlsAgent({ ...agentOptions, ...options.tls }) : new Agent(agentOptions)
  const target = {
    agent,
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (isTls ? 443 : 80) : Number(url.port),
  }
  const send = isTls ? httpsRequest : httpRequest

  function dispatch({ method, path, headers, body }: DispatchedRequest, handler: ResponseHandler): boolean {
    const exchange = new NodeExchange(handler, () => send({ ...target, method, path, headers }), body)
    exchange.send(repeatable.has(method))
    return true
  }

  return Object.freeze({ origin: url.origin, dispatch, close: () => agent.destroy() })
}

/** Checks an origin; throws TypeError naming the option. */
export function parseOrigin(option: string, origin: string): URL {
  const url = URL.canParse(origin) ? new URL(origin) : undefined
  const isWeb = url?.protocol === 'http:' || url?.protocol === 'https:'
  if (url !== undefined && isWeb && url.href === `${url.origin}/`) return url
  throw new TypeError(`${option}: ${JSON.stringify(origin)} is not an origin such as http://127.0.0.1:8080`)
}

/** One request through node:http, told as undici tells it. */
class NodeExchange implements ResponseController {
  readonly #handler: ResponseHandler
  readonly #open: () => ClientRequest
  readonly #body: string | Buffer | null
  #request: ClientRequest | undefined
  #response: IncomingMessage | undefined
  #isOver = false

  constructor(handler: ResponseHandler, open: () => ClientRequest, body: string | Buffer | null) {
    this.#handler = handler
    this.#open = open
    this.#body = body
  }

  send(isRepeatable: boolean): void {
    const request = this.#open()
    this.#request = request
    request.on('response', (response) => this.#respond(response))
    request.on('error', (error) => {
      // The service closed the idle connection just before it was used.
      const isStale = isRepeatable && request.reusedSocket && this.#response === undefined && isReset(error)
      if (isStale && !this.#isOver) this.send(false)
      else this.#fail(error)
    })
    this.#handler.onRequestStart(this)
    if (!this.#isOver) request.end(this.#body ?? undefined)
  }

  abort(reason: Error): void {
    this.#fail(reason)
    this.#request?.destroy()
  }

  pause(): void {
    this.#response?.pause()
  }

  resume(): void {
    this.#response?.resume()
  }

  #respond(response: IncomingMessage): void {
    this.#response = response
    if (this.#isOver) {
      response.destroy()
      return
    }
    response.on('error', (error) => this.#fail(error))
    response.on('data', (chunk: Buffer) => {
      if (!this.#isOver) this.#handler.onResponseData(this, chunk)
    })
    response.on('end', () => {
      if (this.#isOver) return
      this.#isOver = true
      this.#handler.onResponseEnd(this)
    })
    this.#handler.onResponseStart(this, response.statusCode ?? 0, response.headers)
  }

  #fail(error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#handler.onResponseError(this, error)
  }
}

function isReset(error: Error): boolean {
  return 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
}
