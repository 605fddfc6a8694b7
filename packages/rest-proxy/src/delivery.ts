// SPDX-License-Identifier: Apache-2.0
import type { Bus, BusError, BusMessage, HeaderBlock, Pending, Subject } from '@nats-edge/wire-parser'
import { HeaderWriter } from '@nats-edge/wire-parser'
import type { TimerHandle } from '@nats-edge/wire-parser/bus'
import { jsonAnswer, replyToAnswer } from './answer.ts'
import { headersReply, writeRequestFacts } from './envelope/headers.ts'
import { decodePubAck, writePublishFacts } from './envelope/publish.ts'
import type { Exchange } from './exchange.ts'
import { headerValue } from './header-value.ts'
import { ProxyError, type ProxyErrorCode } from './proxy-error.ts'
import { type HookRequest, type ReplyHook, runHooks } from './reply-hook.ts'
import { natsProxyReply } from './reply-response.ts'
import type { Reply } from './reply.ts'
import { tooLarge } from './request-body.ts'
import { natsProxyHeaders, natsProxyMessage, passedHeaders } from './request-message.ts'
import { decodePath } from './request-target.ts'
import { isIdempotent } from './route.ts'
import { templateValues } from './route-subject.ts'

interface Message {
  readonly payload: Uint8Array
  readonly headers: HeaderBlock | undefined
}

const maxBackoffMs = 1000
const retriedCodes: ReadonlySet<ProxyErrorCode> = new Set(['no_responders', 'disconnected'])

/** Brings the body of one exchange to NATS, as often as the route allows, and the reply back. */
export class Delivery {
  readonly #exchange: Exchange
  readonly #bus: Bus
  readonly #subject: Subject
  readonly #body: Uint8Array
  readonly #deadlineMs: number
  #attempt = 0
  #sentMs = 0
  #pending: Pending | undefined
  #timer: TimerHandle | undefined

  constructor(exchange: Exchange, bus: Bus, subject: Subject, body: Uint8Array) {
    this.#exchange = exchange
    this.#bus = bus
    this.#subject = subject
    this.#body = body
    this.#deadlineMs = performance.now() + exchange.route.timeoutMs
  }

  /** Sends the message; called again for each attempt. */
  start(): void {
    this.#timer = undefined
    const restMs = this.#deadlineMs - performance.now()
    if (restMs <= 0) throw new ProxyError('timeout')
    const { attempts, onTimeout } = this.#exchange.route.retry
    const timeoutMs = onTimeout ? restMs / (attempts - this.#attempt + 1) : restMs
    const message = this.#encode(timeoutMs)
    this.#sentMs = performance.now()
    try {
      this.#send(message, timeoutMs)
    } catch (error) {
      this.#failed(error)
    }
  }

  /** Gives up whatever is waited for; nothing is called afterwards. */
  cancel(): void {
    this.#pending?.cancel()
    this.#pending = undefined
    if (this.#timer !== undefined) this.#exchange.state.wheel.cancel(this.#timer)
    this.#timer = undefined
  }

  #send({ payload, headers }: Message, timeoutMs: number): void {
    const { envelope, publish } = this.#exchange.route
    if (envelope !== 'publish' || publish.confirm === 'jetstream') {
      const options = headers === undefined ? { timeoutMs } : { timeoutMs, headers }
      this.#pending = this.#bus.request(this.#subject, payload, this.#onReply, options)
      return
    }
    const { state } = this.#exchange
    if (publish.confirm === 'none' && this.#bus.pendingBytes + payload.length > state.options.maxUnconfirmedBytes) {
      throw new ProxyError('overloaded')
    }
    this.#bus.publish(this.#subject, payload, headers === undefined ? {} : { headers })
    if (publish.confirm === 'none') this.#accepted({ accepted: true })
    else this.#flush(timeoutMs)
  }

  #flush(timeoutMs: number): void {
    const { state } = this.#exchange
    const attempt = this.#attempt
    this.#timer = state.wheel.schedule(timeoutMs, () => {
      this.#exchange.attempt(() => this.#failed(new ProxyError('timeout')))
    })
    state.flushes.join(this.#bus, (error) => {
      // A flush that was given up on may still come back.
      if (attempt === this.#attempt) this.#exchange.attempt(() => this.#flushed(error))
    })
  }

  #flushed(error: unknown): void {
    if (error === undefined) {
      this.#exchange.state.counters.natsSeconds.observe((performance.now() - this.#sentMs) / 1000)
      this.#accepted({ accepted: true })
    } else this.#failed(error)
  }

  // The Bus calls this within its own read loop: nothing may be thrown into it.
  readonly #onReply = (reply: BusMessage | BusError): void => {
    this.#pending = undefined
    this.#exchange.attempt(() => {
      if (reply.kind === 'error') {
        this.#failed(reply)
        return
      }
      this.#exchange.state.counters.natsSeconds.observe((performance.now() - this.#sentMs) / 1000)
      if (this.#exchange.route.envelope === 'publish') this.#acknowledged(reply)
      else this.#replied(reply)
    })
  }

  /** Tries again where the route allows it, else throws. */
  #failed(reason: unknown): void {
    this.cancel()
    const error = this.#explained(ProxyError.from(reason))
    const { state, route, method } = this.#exchange
    state.counters.natsFailed(error.code)
    const { attempts, backoffMs, onTimeout } = route.retry
    const again = retriedCodes.has(error.code) || (onTimeout && error.code === 'timeout')
    // Jitter of one half, so that those who failed together do not come back together.
    const pauseMs =
      Math.min(backoffMs * 2 ** this.#attempt, Math.max(backoffMs, maxBackoffMs)) * (0.5 + Math.random() / 2)
    const inTime = performance.now() + pauseMs < this.#deadlineMs
    if (!again || this.#attempt >= attempts || !isIdempotent(method) || !inTime) throw error
    this.#attempt++
    this.#exchange.retried(error, this.#attempt)
    this.#timer = state.wheel.schedule(pauseMs, () => this.#exchange.attempt(() => this.start()))
  }

  #explained(error: ProxyError): ProxyError {
    if (error.code === 'body_too_large') return tooLarge(this.#bus.info?.maxPayloadBytes ?? 0)
    if (error.code !== 'no_responders' || this.#exchange.route.envelope !== 'publish') return error
    return new ProxyError('no_stream', { cause: error.cause })
  }

  #encode(remainingMs: number): Message {
    const { request, route, method, trace } = this.#exchange
    const { rawHeaders } = request
    if (route.envelope === 'nats-proxy') {
      const flat = natsProxyHeaders(rawHeaders, route.requestHeaders, trace)
      const payload = natsProxyMessage(request, method, this.#withFixed(flat), this.#body)
      return this.#fitting({ payload, headers: undefined })
    }
    const { principal, params } = this.#exchange
    const writer = new HeaderWriter()
    if (route.envelope === 'publish') writePublishFacts(writer, request, route, principal)
    else writeRequestFacts(writer, { request, method, route, principal, params: params?.raw ?? [], remainingMs })
    const flat = this.#withFixed(passedHeaders(rawHeaders, route.requestHeaders, trace))
    for (let at = 0; at < flat.length; at += 2) writer.addLatin1(flat[at] ?? '', flat[at + 1] ?? '')
    return this.#fitting({ payload: this.#body, headers: writer.block() })
  }

  #withFixed(flat: string[]): string[] {
    const { request, route, method, principal, params } = this.#exchange
    if (!route.requestHeaders.hasFixed) return flat
    const fixed = route.requestHeaders.fixed(() => templateValues({ method, params, principal, ip: request.ip }))
    return [...flat, ...fixed]
  }

  #fitting(message: Message): Message {
    const bytes = message.payload.length + (message.headers?.bytes.length ?? 0)
    const { maxPayloadBytes } = this.#bus.info ?? { maxPayloadBytes: Infinity }
    if (bytes <= maxPayloadBytes) return message
    throw tooLarge(Math.max(0, maxPayloadBytes - (bytes - this.#body.length)))
  }

  #replied(message: BusMessage): void {
    const { route, request, state } = this.#exchange
    const reply =
      route.envelope === 'nats-proxy'
        ? natsProxyReply(message.payload, route.replyHeaders)
        : headersReply(message, route, request.id)
    this.#addFixed(reply)
    if (state.hooks.isEmpty && route.onReply === undefined) {
      this.#answer(reply)
      return
    }
    const path = decodePath(request.target.path) ?? request.target.path
    const hooks = state.hooks.matching(path)
    if (route.onReply !== undefined) hooks.push(route.onReply)
    if (hooks.length === 0) this.#answer(reply)
    else void this.#hooked(hooks, reply, path)
  }

  async #hooked(hooks: readonly ReplyHook[], reply: Reply, path: string): Promise<void> {
    const { request, route } = this.#exchange
    const view: HookRequest = {
      method: request.method,
      path,
      query: request.target.query,
      route: route.label,
      requestId: request.id,
      header: (name) => request.header(name.toLowerCase()),
    }
    try {
      const changed = await runHooks(hooks, reply, view)
      this.#exchange.attempt(() => this.#answer(changed))
    } catch (error) {
      this.#exchange.fail(error)
    }
  }

  #addFixed(reply: Reply): void {
    const { request, route, method, principal, params } = this.#exchange
    if (!route.replyHeaders.hasFixed) return
    const fixed = route.replyHeaders.fixed(() => templateValues({ method, params, principal, ip: request.ip }))
    reply.headers = [...reply.headers, ...fixed]
  }

  #answer(reply: Reply): void {
    const { request, route, maxStatus } = this.#exchange
    const answer = replyToAnswer(reply, request.method, maxStatus)
    if (route.envelope === 'nats-proxy') this.#exchange.finish(answer)
    else this.#exchange.finish({ ...answer, headers: [...answer.headers, 'X-Request-Id', headerValue(request.id)] })
  }

  #acknowledged(message: BusMessage): void {
    this.#accepted(decodePubAck(message.payload))
  }

  #accepted(document: unknown): void {
    const { request } = this.#exchange
    const answer = jsonAnswer(202, document, request.method)
    this.#exchange.finish({ ...answer, headers: [...answer.headers, 'X-Request-Id', headerValue(request.id)] })
  }
}
