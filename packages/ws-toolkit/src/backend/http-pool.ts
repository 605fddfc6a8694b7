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
  // Not the agent's queue, which opens a connection even for a request that has left it.
  const waiting = new Set<NodeExchange>()
  let active = 0

  function next(): void {
    const [first] = waiting
    if (first === undefined || active >= connections) return
    waiting.delete(first)
    active += 1
    first.send()
  }

  function dispatch({ method, path, headers, body }: DispatchedRequest, handler: ResponseHandler): boolean {
    const exchange: NodeExchange = new NodeExchange(handler, {
      open: () => send({ ...target, method, path, headers }),
      body,
      isRepeatable: repeatable.has(method),
      leave: () => waiting.delete(exchange),
      finished: () => {
        active -= 1
        next()
      },
    })
    waiting.add(exchange)
    handler.onRequestStart(exchange)
    next()
    return waiting.size === 0
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

interface NodeRequest {
  readonly body: string | Buffer | null
  readonly isRepeatable: boolean
  open(): ClientRequest
  /** It does not want to be sent any more. */
  leave(): void
  /** It was sent, and its connection is free or gone. */
  finished(): void
}

/** One request through node:http, told as undici tells it. */
class NodeExchange implements ResponseController {
  readonly #handler: ResponseHandler
  readonly #options: NodeRequest
  #request: ClientRequest | undefined
  #response: IncomingMessage | undefined
  #isOver = false

  constructor(handler: ResponseHandler, options: NodeRequest) {
    this.#handler = handler
    this.#options = options
  }

  send(isAgain = false): void {
    let request: ClientRequest
    try {
      request = this.#options.open()
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)))
      this.#options.finished()
      return
    }
    this.#request = request
    request.on('response', (response) => this.#respond(response))
    request.on('error', (error) => {
      if (isAgain || !this.#isStale(request, error)) this.#fail(error)
    })
    request.once('close', () => {
      if (this.#isOver || isAgain) this.#options.finished()
      else this.send(true)
    })
    request.end(this.#options.body ?? undefined)
  }

  abort(reason: Error): void {
    this.#fail(reason)
    this.#options.leave()
    this.#request?.destroy()
  }

  pause(): void {
    this.#response?.pause()
  }

  resume(): void {
    this.#response?.resume()
  }

  /** Whether the service closed an idle connection just before it was used, so that the request was not seen. */
  #isStale(request: ClientRequest, error: Error): boolean {
    return this.#options.isRepeatable && request.reusedSocket && this.#response === undefined && isReset(error)
  }

  #respond(response: IncomingMessage): void {
    this.#response = response
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
