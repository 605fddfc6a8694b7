// SPDX-License-Identifier: Apache-2.0
import { createServer, IncomingMessage } from 'node:http'
import type { Server } from 'node:http'
import { Server as NetServer } from 'node:net'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { attachWebSockets, framingFaultOf } from '@nats-edge/ws-toolkit/upgrade'
import type { ClientAddress } from './client-address.ts'
import type { LimitsConfig } from './config.ts'
import { formatAddress } from './config/value.ts'
import type { Address } from './config/value.ts'
import { exchangeKey } from './context.ts'
import { EdgeResponse, Exchange, rawHostKey } from './exchange.ts'
import type { ExchangeOwner } from './exchange.ts'
import type { HostCheck } from './listener/host-check.ts'
import { ConnectionTable } from './listener/connection-table.ts'
import type { ConnectionCount, RefusalReason } from './listener/connection-table.ts'
import { sweepDeadlines } from './listener/deadline-sweep.ts'
import { jitteredRetrySeconds, problemMessage, problemResponse, statusOf } from './problem.ts'
import type { Problem } from './problem.ts'
import { requestIdOf } from './request-id.ts'

/** What a listener serves; `fetch` is looked up for each request, so that it may change. */
export interface ListenerApp {
  fetch(request: Request, env: object): Response | Promise<Response>
}

export interface ListenerOptions {
  /** Its name in metrics: `public`, `admin`. */
  readonly name: string
  readonly address: Address
  readonly app: ListenerApp
  readonly limits: LimitsConfig
  readonly count: ConnectionCount
  readonly clientAddress: ClientAddress
  readonly hostCheck: HostCheck
  /** Takes connections even when the others hold all there may be: health must answer then too. */
  readonly isReserved: boolean
  /** A request has ended, its answer with status `status` sent as far as it will be. */
  readonly onEnd: (exchange: Exchange, status: number) => void
  readonly onFailure: (exchange: Exchange, error: unknown) => void
  /** Something that is no HTTP request was answered with `status`. */
  readonly onMalformed: (status: number) => void
}

/** An HTTP/1.1 and WebSocket listener: admission first, then the app, with a count of everything that runs. */
export class Listener implements ExchangeOwner {
  readonly name: string
  readonly #options: ListenerOptions
  readonly #server: Server<typeof IncomingMessage, typeof EdgeResponse>
  readonly #table: ConnectionTable
  readonly #exchanges = new Set<Exchange>()
  readonly #waiting: (() => void)[] = []
  #webSockets: { close(): void } | undefined
  #sweep: NodeJS.Timeout | undefined
  /** The Host that was found good last: most requests have the same. */
  #knownHost: string | undefined
  closing = false

  constructor(options: ListenerOptions) {
    const { limits } = options
    this.name = options.name
    this.#options = options
    const { connectionsPerIp } = limits
    const connections = options.isReserved ? undefined : limits.connections
    this.#table = new ConnectionTable({ connections, connectionsPerIp }, options.count, options.clientAddress.isTrusted)
    this.#server = createServer({
      ServerResponse: EdgeResponse,
      maxHeaderSize: limits.headers.max,
      headersTimeout: limits.deadlines.headers,
      connectionsCheckingInterval: 1000,
      // Per server, it would also cut long uploads: bodies have a deadline of their own.
      requestTimeout: 0,
      keepAliveTimeout: limits.deadlines.keepAlive,
    })
    // Node drops the lines above its own limit silently; they are counted instead.
    this.#server.maxHeadersCount = 0
    this.#serve()
  }

  get inFlight(): number {
    return this.#exchanges.size
  }

  get openConnections(): number {
    return this.#table.sockets.size
  }

  get refused(): Readonly<Record<RefusalReason, number>> {
    return this.#table.refused
  }

  /** Where it listens, `http://127.0.0.1:8080`. */
  get url(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') return ''
    return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
  }

  /** The address it was told to take. */
  get address(): Address {
    return this.#options.address
  }

  get wanted(): string {
    return formatAddress(this.address)
  }

  /** Resolves when connections are accepted; rejects with node's error when the address cannot be had. */
  listen({ host, port }: Address = this.address): Promise<void> {
    const { deadlines, body } = this.#options.limits
    const sweepLimits = { bodyMs: deadlines.body, minBodyBytesPerSecond: body.minRate, writeMs: deadlines.write }
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject)
        this.#sweep = setInterval(() => sweepDeadlines(this.#exchanges, sweepLimits), 1000).unref()
        resolve()
      })
    })
  }

  /** Accepts no more; requests on open connections are answered, and end their connection. */
  stopAccepting(): void {
    if (this.closing) return
    this.closing = true
    // Not http's own close(): it would cut idle connections under clients that are about to use them.
    NetServer.prototype.close.call(this.#server)
    this.#webSockets?.close()
  }

  /** Resolves when no request runs and no connection is open, or after `timeoutMs`; says whether that was so. */
  async drained(timeoutMs: number): Promise<boolean> {
    if (this.#isDrained()) return true
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      this.#waiting.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
    return this.#isDrained()
  }

  /** Closes connections that carry no request. */
  closeIdle(): void {
    this.#server.closeIdleConnections()
  }

  /** Cuts whatever is left. */
  destroy(): void {
    this.stopAccepting()
    clearInterval(this.#sweep)
    this.#server.close()
    this.#server.closeAllConnections()
    for (const socket of this.#table.sockets) socket.destroy()
  }

  ended(exchange: Exchange, status: number): void {
    this.#exchanges.delete(exchange)
    this.#options.onEnd(exchange, status)
    this.#settle()
  }

  failed(exchange: Exchange, error: unknown): void {
    this.#options.onFailure(exchange, error)
  }

  /** Bytes received and sent on connections of this listener, heads included. */
  bytes(): { readonly received: number; readonly sent: number } {
    return this.#table.bytes()
  }

  #serve(): void {
    const handle = getRequestListener((request, env) => this.#fetch(request, env), { errorHandler: rethrow })
    this.#server.on('connection', (socket: Socket) => {
      this.#table.add(socket)
      socket.once('close', () => this.#settle())
    })
    this.#server.on('request', (incoming, outgoing) => {
      const exchange = new Exchange(incoming, outgoing, this)
      outgoing.exchange = exchange
      outgoing.on('close', onClose)
      this.#exchanges.add(exchange)
      const refusal = this.#refusalOf(incoming)
      if (refusal !== undefined) exchange.answer(refusal, true)
      else handle(incoming, outgoing).catch((error: unknown) => answerFailure(exchange, error))
    })
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket) => this.#clientError(error, socket))
    this.#webSockets = attachWebSockets(
      this.#server,
      { fetch: (request, env) => this.#fetchUpgrade(request, env) },
      {
        // The socket under a WebSocket has been counted when it was accepted.
        admission: { admit: () => ({ identify: () => undefined, release: () => {} }) },
        clientIp: (c) => this.#options.clientAddress.of(c.env.incoming),
        // No middleware of the edge hands a Request on.
        request: 'light',
      },
    )
  }

  #fetch(request: Request, env: { readonly outgoing: unknown }): Response | Promise<Response> {
    const exchange = env.outgoing instanceof EdgeResponse ? env.outgoing.exchange : undefined
    if (exchange === undefined) throw new TypeError('the request did not come through this listener')
    try {
      const answer = this.#options.app.fetch(request, Object.assign(env, { [rawHostKey]: exchange }))
      if (!('then' in answer)) return hostAnswer(exchange, answer)
      return answer.then(
        (response) => hostAnswer(exchange, response),
        (error: unknown) => failedAnswer(exchange, error),
      )
    } catch (error) {
      return failedAnswer(exchange, error)
    }
  }

  async #fetchUpgrade(request: Request, env: unknown): Promise<Response> {
    if (typeof env !== 'object' || env === null || !('incoming' in env)) throw new TypeError('not an upgrade')
    const exchange = new Exchange(incomingOf(env), undefined, this)
    const refusal = this.#refusalOf(exchange.incoming)
    const response =
      refusal === undefined
        ? await this.#options.app.fetch(request, Object.assign(env, { [exchangeKey]: exchange }))
        : problemResponse(refusal, exchange.requestId)
    const headers = new Headers(response.headers)
    headers.set('X-Request-Id', exchange.requestId)
    this.#options.onEnd(exchange, response.status === 200 ? 101 : response.status)
    return new Response(response.body, { status: response.status, headers })
  }

  /** The checks that cost nothing and come before everything else. */
  #refusalOf(incoming: IncomingMessage): Problem | undefined {
    const { limits, hostCheck } = this.#options
    const refused = this.#table.refusalOf(incoming.socket)
    if (refused !== undefined) {
      return { code: 'too_many_connections', retryAfterSeconds: jitteredRetrySeconds() }
    }
    // Before Host is believed: node gives the first of two.
    if (framingFaultOf(incoming) !== undefined) {
      return { code: 'bad_request', detail: 'A second Host, an absolute target or Transfer-Encoding in HTTP/1.0.' }
    }
    const { host } = incoming.headers
    if (host === undefined || host !== this.#knownHost) {
      if (!hostCheck(host)) return { code: 'wrong_host', detail: 'This listener does not answer to the name in Host.' }
      this.#knownHost = host
    }
    if ((incoming.url?.length ?? 0) > limits.url.max) return { code: 'uri_too_long' }
    if (incoming.rawHeaders.length > limits.headers.count * 2) return { code: 'headers_too_large' }
    return undefined
  }

  #clientError(error: NodeJS.ErrnoException, socket: Duplex): void {
    const code = error.code === 'HPE_HEADER_OVERFLOW' ? 'headers_too_large' : 'bad_request'
    const isQuiet = error.code === 'ECONNRESET' || error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
    const answered = Array.from(this.#exchanges).some((each) => each.socket === socket && each.outgoing?.headersSent)
    if (isQuiet || answered || !socket.writable) {
      socket.destroy()
      return
    }
    const problem: Problem = { code }
    this.#options.onMalformed(statusOf(problem))
    socket.end(problemMessage(problem, requestIdOf(undefined)), () => socket.destroy())
  }

  #isDrained(): boolean {
    return this.#exchanges.size === 0 && this.#table.sockets.size === 0
  }

  #settle(): void {
    if (this.#waiting.length > 0 && this.#isDrained()) for (const done of this.#waiting.splice(0)) done()
  }
}

// node-server answers what it cannot read by itself, without our id and form; thrown on, it comes back to us.
function rethrow(error: unknown): never {
  throw error
}

function onClose(this: EdgeResponse): void {
  this.exchange?.end()
}

function hostAnswer(exchange: Exchange, response: Response): Response {
  if (exchange.taken) return RESPONSE_ALREADY_SENT
  exchange.prepareHead()
  return response
}

function failedAnswer(exchange: Exchange, error: unknown): Response {
  exchange.fail(error)
  return RESPONSE_ALREADY_SENT
}

/** What the adapter could not read is the client's fault; anything else is ours. */
function answerFailure(exchange: Exchange, error: unknown): void {
  if (error instanceof Error && error.name === 'RequestError') {
    exchange.answer({ code: 'bad_request', detail: 'The request target or Host is malformed.' }, true)
  } else exchange.fail(error)
}

function incomingOf(env: { readonly incoming: unknown }): IncomingMessage {
  if (env.incoming instanceof IncomingMessage) return env.incoming
  throw new TypeError('an upgrade without a request')
}
