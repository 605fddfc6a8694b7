// SPDX-License-Identifier: Apache-2.0
import type { Bus, Principal, Subject } from '@nats-edge/wire-parser'
import { isAllowed } from '@nats-edge/wire-parser'
import { type Answer, problemAnswer } from './answer.ts'
import { Delivery } from './delivery.ts'
import type { Observe } from './event.ts'
import type { Outlet } from './outlet.ts'
import type { PathParams } from './path-params.ts'
import { ProxyError } from './proxy-error.ts'
import type { ProxyRequest } from './proxy-request.ts'
import type { ProxyState } from './proxy-state.ts'
import { readBody } from './request-body.ts'
import { pathSegments } from './request-target.ts'
import type { Route } from './route.ts'
import { continueTrace, type TraceContext } from './trace-context.ts'

/** Where one request goes, as the route table found out. */
export interface Destination {
  readonly route: Route
  /** GET where a HEAD fell back to it. */
  readonly method: string
}

/**
 * One request from its route to its answer. Every step either goes on to the next or ends the exchange, exactly once:
 * answered, failed, cancelled by the client or ended by `close()`.
 */
export class Exchange {
  readonly state: ProxyState
  readonly request: ProxyRequest
  readonly route: Route
  readonly method: string
  readonly startedMs: number = performance.now()
  readonly #outlet: Outlet
  #principal: Principal | undefined
  #params: PathParams | undefined
  #trace: TraceContext | undefined
  #rateHeaders: readonly string[] = []
  #requestBytes = 0
  #delivery: Delivery | undefined
  #ended = false

  constructor(state: ProxyState, request: ProxyRequest, destination: Destination, outlet: Outlet) {
    this.state = state
    this.request = request
    this.route = destination.route
    this.method = destination.method
    this.#outlet = outlet
  }

  get principal(): Principal | undefined {
    return this.#principal
  }

  get params(): PathParams | undefined {
    return this.#params
  }

  get trace(): TraceContext | undefined {
    return this.#trace
  }

  get isEnded(): boolean {
    return this.#ended
  }

  get maxStatus(): number {
    return this.#outlet.maxStatus
  }

  begin(): void {
    this.attempt(() => {
      this.#admit()
      this.#identify()
      const subject = this.#resolveSubject()
      const allowed = this.#isAllowed(subject)
      if (typeof allowed === 'boolean') this.#authorized(allowed, subject)
      else void allowed.then((decision) => this.attempt(() => this.#authorized(decision, subject)))
    })
  }

  /** Runs a step of this exchange; a throw in it is the exchange's failure. */
  attempt(step: () => void): void {
    if (this.#ended) return
    try {
      step()
    } catch (error) {
      this.fail(error)
    }
  }

  /** Answers the request. */
  finish(answer: Answer): void {
    if (!this.#end()) return
    this.#send(answer, false)
    const { observe } = this.state
    if (observe === undefined) return
    const { request, route } = this
    // Written out, not spread: this is built for every request.
    observe({
      type: 'request.finished',
      requestId: request.id,
      method: request.method,
      route: route.label,
      subject: route.subject.template,
      status: answer.status,
      ms: this.#elapsedMs(),
      requestBytes: this.#requestBytes,
      responseBytes: answer.body?.length ?? 0,
      trace: this.#trace,
    })
  }

  /** Answers the request with a problem. */
  fail(reason: unknown): void {
    if (!this.#end()) return
    const error = ProxyError.from(reason)
    this.#send(problemAnswer(error, this.request.id, this.request.method), error.closes)
    const { status, code, cause } = error
    this.state.observe?.({ ...this.#facts(), type: 'request.failed', status, code, ms: this.#elapsedMs(), cause })
  }

  /** Ends the exchange from outside: the server stops. */
  end(error: ProxyError): void {
    this.fail(error)
  }

  /** The client is gone: nobody waits for the reply any more. */
  cancel(): void {
    if (!this.#end()) return
    this.state.counters.cancelled++
    this.#outlet.abandon()
    this.state.observe?.({ ...this.#facts(), type: 'request.cancelled', ms: this.#elapsedMs() })
  }

  retried(error: ProxyError, attempt: number): void {
    this.state.counters.retried++
    this.state.observe?.({ ...this.#facts(), type: 'request.retried', code: error.code, attempt })
  }

  // Cheapest first, and nothing of the body is touched before the caller is known.
  #admit(): void {
    const { lifecycle, options, observe } = this.state
    const refusal = lifecycle.refusal()
    if (refusal !== undefined) throw refusal
    if (lifecycle.size >= options.maxInFlight) throw new ProxyError('overloaded')
    lifecycle.add(this)
    if (observe !== undefined) this.#started(observe)
    if (this.request.isWebSocket) throw new ProxyError('websocket_unavailable')
    this.#takeRates(false)
  }

  #started(observe: Observe): void {
    const { request, route } = this
    const subject = route.subject.template
    observe({ type: 'request.started', requestId: request.id, method: request.method, route: route.label, subject })
  }

  #identify(): void {
    const { route, state, request } = this
    this.#principal = state.principalOf(request.context)
    const { expiresAt } = this.#principal ?? {}
    if (expiresAt !== undefined && expiresAt <= Date.now()) throw unauthorized('credential_expired')
    if (route.auth && this.#principal === undefined) throw unauthorized('unauthorized')
    this.#takeRates(true)
  }

  #takeRates(ofPrincipal: boolean): void {
    if (this.route.rateLimits.length === 0) return
    let least = Infinity
    for (const limit of this.route.rateLimits) {
      if ((limit.scope === 'principal') !== ofPrincipal) continue
      const { request } = this
      const source = { ip: request.ip, principal: this.#principal, header: (name: string) => request.header(name) }
      const { refusal, remaining, headers } = limit.take(source, performance.now())
      if (refusal !== undefined) {
        this.state.counters.rateLimited[limit.scope]++
        throw refusal
      }
      if (remaining >= least) continue
      least = remaining
      this.#rateHeaders = headers
    }
  }

  #resolveSubject(): Subject {
    const { request, route, method } = this
    const { target } = request
    if (route.params.names.length > 0) this.#params = route.params.read(pathSegments(this.state.routedPath(target)))
    return route.subject.resolve({ method, target, params: this.#params, principal: this.#principal, ip: request.ip })
  }

  #isAllowed(subject: Subject): boolean | Promise<boolean> {
    const { authorize } = this.state.options
    const principal = this.#principal
    if (authorize === undefined && principal === undefined) return true
    const { request, route, method } = this
    const context = { surface: 'rest', route: route.label, ip: request.ip, requestId: request.id, method }
    return isAllowed(authorize, principal, this.#action(), subject, context)
  }

  #action(): 'request' | 'publish' {
    return this.route.envelope === 'publish' ? 'publish' : 'request'
  }

  #authorized(allowed: boolean, subject: Subject): void {
    if (!allowed) {
      this.state.counters.denied[this.#action()]++
      throw this.#principal === undefined ? unauthorized('unauthorized') : new ProxyError('forbidden')
    }
    const bus = this.state.source.busFor(this.#principal)
    if (bus instanceof Promise) this.#await(bus, subject)
    else this.#read(bus, subject)
  }

  /** Waits for a connection that is still being made, no longer than for a reply. */
  #await(promised: Promise<Bus>, subject: Subject): void {
    const { wheel } = this.state
    const timer = wheel.schedule(this.route.timeoutMs, () => this.attempt(() => this.#unreachable()))
    const settled = (step: () => void): void => {
      wheel.cancel(timer)
      this.attempt(step)
    }
    promised.then(
      (bus) => settled(() => this.#read(bus, subject)),
      (cause: unknown) => settled(() => this.#unreachable(cause)),
    )
  }

  #unreachable(cause?: unknown): never {
    this.state.counters.natsFailed('disconnected')
    throw new ProxyError('disconnected', { cause })
  }

  #read(bus: Bus, subject: Subject): void {
    // Known now, so said now: nothing is read from a client whose request cannot go anywhere.
    if (bus.state !== 'connected' && this.route.retry.attempts === 0) this.#unreachable()
    const traceparent = this.request.header('traceparent')
    if (traceparent !== undefined) this.#trace = continueTrace(traceparent)
    const maxBytes = Math.min(this.route.maxBodyBytes, bus.info?.maxPayloadBytes ?? Infinity)
    readBody(this.request, maxBytes, this.#outlet.isRaw, (body) =>
      this.attempt(() => this.#deliver(bus, subject, body)),
    )
  }

  #deliver(bus: Bus, subject: Subject, body: Uint8Array | ProxyError): void {
    if (body instanceof ProxyError) throw body
    this.#requestBytes = body.length
    this.#delivery = new Delivery(this, bus, subject, body)
    this.#delivery.start()
  }

  #end(): boolean {
    if (this.#ended) return false
    this.#ended = true
    this.#delivery?.cancel()
    this.state.lifecycle.delete(this)
    return true
  }

  #send(answer: Answer, closes: boolean): void {
    const withRates = this.#rateHeaders.length > 0 && answer.status !== 429
    const full = withRates ? { ...answer, headers: [...answer.headers, ...this.#rateHeaders] } : answer
    this.#outlet.send(full, closes || this.state.lifecycle.isClosing)
  }

  #facts(): { requestId: string; method: string; route: string; subject: string } {
    const { request, route } = this
    return { requestId: request.id, method: request.method, route: route.label, subject: route.subject.template }
  }

  #elapsedMs(): number {
    return performance.now() - this.startedMs
  }
}

function unauthorized(code: 'unauthorized' | 'credential_expired'): ProxyError {
  return new ProxyError(code, { headers: ['WWW-Authenticate', 'Bearer'] })
}
