// SPDX-License-Identifier: Apache-2.0
import { ServerResponse } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Context } from 'hono'
import type { Problem } from './problem.ts'
import { renderProblem } from './problem.ts'
import { requestIdOf } from './request-id.ts'

/** Where a handler finds the RawHost in its environment. */
export const rawHostKey: unique symbol = Symbol.for('nats-edge.raw')

/** Lets a handler write to `env.outgoing` itself; a host that offers it has no foreign middleware around the handler. */
export interface RawHost {
  /** Says "I shall write" and gives the value to return. */
  take(): Response
  /** The host's own headers; called once, when the head is written. */
  head(status: number): Record<string, string | string[]>
}

/** Who hears how an exchange went. */
export interface ExchangeOwner {
  /** The answer is out, or the client is gone; `status` is what it got. */
  ended(exchange: Exchange, status: number): void
  /** Kept-alive connections end with their next answer. */
  readonly closing: boolean
  /** The application threw. */
  failed(exchange: Exchange, error: unknown): void
}

/** The status in metrics and logs of a request whose client left before the answer. */
const clientLeft = 499

/** node's response with the exchange it belongs to, so that no lookup is needed per event. */
export class EdgeResponse<Request extends IncomingMessage = IncomingMessage> extends ServerResponse<Request> {
  exchange: Exchange | undefined

  /** A header that no message can hold becomes a 500 of this request; thrown on, it would reach the adapter's console. */
  override writeHead(...args: [status: number, ...rest: unknown[]]): this {
    try {
      return Reflect.apply(super.writeHead, this, args)
    } catch (error) {
      if (this.exchange === undefined) throw error
      // Whoever called goes on to write its body after the end of ours.
      this.on('error', () => {})
      for (const name of this.getHeaderNames()) this.removeHeader(name)
      this.exchange.fail(error)
      return this
    }
  }
}

/** One request from its head to the end of its answer. */
export class Exchange implements RawHost {
  readonly incoming: IncomingMessage
  /** Undefined for a WebSocket handshake. */
  readonly outgoing: EdgeResponse | undefined
  readonly requestId: string
  readonly startedMs: number
  readonly bytesReadBefore: number
  surface = 'edge'
  /** A handler writes the answer itself. */
  taken = false
  /** Hono's context, once a route has been looked for; what handlers set in it is read at the end. */
  context: Context | undefined
  /** The socket has a deadline for the client to take more of the answer. */
  watched = false
  readonly #owner: ExchangeOwner

  constructor(incoming: IncomingMessage, outgoing: EdgeResponse | undefined, owner: ExchangeOwner) {
    this.incoming = incoming
    this.outgoing = outgoing
    this.requestId = requestIdOf(incoming.headers['x-request-id'])
    this.startedMs = performance.now()
    this.bytesReadBefore = incoming.socket.bytesRead
    this.#owner = owner
  }

  get socket(): Socket {
    return this.incoming.socket
  }

  /** The template a surface gave this request for metrics and logs. */
  get route(): string {
    const label: unknown = this.context?.get('routeLabel')
    return typeof label === 'string' ? label : 'unmatched'
  }

  take(): Response {
    this.taken = true
    return RESPONSE_ALREADY_SENT
  }

  head(_status: number): Record<string, string> {
    this.#announceClose()
    return {
      'X-Request-Id': this.requestId,
      'X-Content-Type-Options': 'nosniff',
      'X-Frame-Options': 'SAMEORIGIN',
    }
  }

  /** Puts the host's headers under those of a Response that is about to be written. */
  prepareHead(): void {
    const { outgoing } = this
    if (outgoing === undefined || outgoing.headersSent) return
    const head = this.head(200)
    for (const name of Object.keys(head)) outgoing.setHeader(name, head[name] ?? '')
  }

  /** Answers with an error of the edge's own; `close` also ends the connection. */
  answer(problem: Problem, close: boolean): void {
    const { outgoing } = this
    if (outgoing === undefined) return
    this.taken = true
    if (outgoing.headersSent) {
      // Too late for a status: the client must see that the answer is not whole.
      if (!outgoing.writableFinished) outgoing.destroy()
      return
    }
    const { status, headers, body } = renderProblem(problem, this.requestId)
    if (close) {
      outgoing.shouldKeepAlive = false
      outgoing.once('finish', () => this.socket.destroySoon())
    }
    outgoing.writeHead(status, { ...this.head(status), ...headers, 'Content-Length': Buffer.byteLength(body) })
    outgoing.end(this.incoming.method === 'HEAD' ? undefined : body)
  }

  /** The application threw: 500 for this request, and for nobody else. */
  fail(error: unknown): void {
    this.#owner.failed(this, error)
    this.answer({ code: 'internal' }, false)
  }

  /** Nothing more will be sent; called once. */
  end(): void {
    this.#owner.ended(this, this.outgoing?.headersSent === true ? this.outgoing.statusCode : clientLeft)
  }

  #announceClose(): void {
    if (this.#owner.closing && this.outgoing !== undefined) this.outgoing.shouldKeepAlive = false
  }
}
