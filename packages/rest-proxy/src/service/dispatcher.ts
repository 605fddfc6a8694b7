// SPDX-License-Identifier: Apache-2.0
import type { Bus, BusMessage, MetricFamily, Subject } from '@nats-edge/wire-parser'
import type { Binding, ServiceRoute } from './binding.ts'
import { isThenable, type Middleware, runChain } from './chain.ts'
import { ServiceContext } from './context.ts'
import { headersMessage } from './headers-message.ts'
import { natsProxyMessage } from './nats-proxy-message.ts'
import type { ResolvedOptions } from './options.ts'
import { Replier } from './replier.ts'
import { segmentCount } from './request-path.ts'
import { ServiceError } from './service-error.ts'
import type { ServiceMessage } from './service-message.ts'
import type { IncomingRequest } from './service-request.ts'
import { ServiceResponse } from './service-response.ts'
import { ServiceStats } from './service-stats.ts'
import { WorkQueue } from './work-queue.ts'

interface Waiting {
  readonly binding: Binding
  readonly message: BusMessage
}

/** One request under way. */
interface Job {
  readonly c: ServiceContext
  readonly incoming: IncomingRequest
  readonly route: ServiceRoute
  readonly reply: Subject | undefined
  readonly startedMs: number
}

/** Takes messages to handlers and answers to the reply subject; bounds how many are under way. */
export class Dispatcher {
  readonly #options: ResolvedOptions
  readonly #message: ServiceMessage
  readonly #replier: Replier
  readonly #middleware: Middleware[] = []
  readonly #waiting: WorkQueue<Waiting>
  readonly #stats = new ServiceStats()
  #running = 0
  #pumping = false
  #whenIdle: (() => void)[] = []

  constructor(bus: Bus, options: ResolvedOptions) {
    this.#options = options
    this.#message = options.envelope === 'headers' ? headersMessage : natsProxyMessage
    this.#replier = new Replier(bus, this.#message, options.observe, this.#stats)
    this.#waiting = new WorkQueue({ maxItems: options.maxQueued, maxBytes: options.maxQueuedBytes })
  }

  use(middleware: Middleware): void {
    this.#middleware.push(middleware)
  }

  stats(): MetricFamily[] {
    return this.#stats.families({ running: this.#running, queued: this.#waiting.size })
  }

  /** Resolves when nothing is under way or waiting. */
  drained(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve()
    return new Promise((resolve) => {
      this.#whenIdle.push(resolve)
    })
  }

  take(binding: Binding, message: BusMessage): void {
    if (this.#running < this.#options.maxConcurrent) return this.#start(binding, message)
    const bytes = message.payload.length
    if (this.#waiting.hasRoom(bytes)) {
      this.#waiting.push({ binding, message: message.copy() }, bytes, performance.now())
      return
    }
    this.#stats.overloaded++
    this.#refuse(binding, message.reply, new ServiceError('overloaded', 'too many requests are under way'))
  }

  #start(binding: Binding, message: BusMessage): void {
    const { reply } = message
    let incoming: IncomingRequest
    try {
      incoming = this.#message.decode(message)
    } catch (error) {
      this.#options.observe?.({ type: 'request.failed', route: binding.label, error })
      return this.#refuse(binding, reply, new ServiceError('bad_envelope', 'the request envelope cannot be decoded'))
    }
    const route = binding.route(message, incoming.method)
    if (route === undefined) {
      const error = new ServiceError('method_not_allowed', 'the service does not take this method')
      return this.#refuse(binding, reply, error, incoming)
    }
    const fault = this.#fault(route, incoming)
    if (fault !== undefined) return this.#refuse(binding, reply, fault, incoming)
    const c = new ServiceContext(incoming, route.pattern)
    const startedMs = this.#options.observe === undefined ? 0 : performance.now()
    this.#run({ c, incoming, route, reply, startedMs })
  }

  /** What keeps a request from its handler. */
  #fault(route: ServiceRoute, { body, url }: IncomingRequest): ServiceError | undefined {
    if (body.length > this.#options.maxBodyBytes) {
      return new ServiceError('body_too_large', `the body is larger than ${this.#options.maxBodyBytes} bytes`)
    }
    const { segments } = route.pattern
    // A program that asks directly may leave the URL out; then there is no path that could disagree with the subject.
    if (segments < 0 || url === '') return undefined
    const count = segmentCount(url)
    if (count === segments) return undefined
    return count < 0
      ? new ServiceError('bad_request', 'the path has a malformed escape')
      : new ServiceError('not_found', 'no route has this path')
  }

  #run(job: Job): void {
    this.#running++
    let pending: Promise<void> | undefined
    try {
      pending = runChain(job.c, this.#middleware, job.route.handler)
    } catch (error) {
      pending = this.#fail(job, error)
    }
    if (pending === undefined) return this.#finish(job)
    pending.then(
      () => this.#finish(job),
      async (error: unknown) => {
        await this.#fail(job, error)
        this.#finish(job)
      },
    )
  }

  /** Turns the answer into that of the error, then lets `onError` change it. */
  #fail(job: Job, error: unknown): Promise<void> | undefined {
    const { observe, onError } = this.#options
    const route = job.c.route
    const answer = ServiceError.from(error)
    job.c.response.fail(answer)
    observe?.({ type: 'request.failed', route, error })
    if (onError === undefined) return undefined
    const onErrorFailed = (thrown: unknown): void => {
      job.c.response.fail(answer)
      observe?.({ type: 'request.failed', route, error: thrown })
    }
    try {
      const result = onError(error, job.c)
      return isThenable(result) ? Promise.resolve(result).then(undefined, onErrorFailed) : undefined
    } catch (thrown) {
      onErrorFailed(thrown)
      return undefined
    }
  }

  #finish(job: Job): void {
    const { c, incoming, reply, startedMs } = job
    this.#replier.send(c.route, reply, c.response, incoming)
    this.#running--
    const { observe } = this.#options
    if (observe !== undefined) {
      const { statusCode: status } = c.response
      const ms = performance.now() - startedMs
      observe({ type: 'request.finished', route: c.route, method: incoming.method, status, ms })
    }
    if (this.#waiting.size > 0) this.#pump()
    if (this.#whenIdle.length > 0 && this.#isIdle()) this.#becomeIdle()
  }

  #pump(): void {
    // Handlers that end synchronously come back here through #finish().
    if (this.#pumping) return
    this.#pumping = true
    while (this.#running < this.#options.maxConcurrent) {
      const next = this.#waiting.shift(performance.now())
      if (next === undefined) break
      const { binding, message } = next.item
      if (next.waitedMs <= this.#options.maxQueuedMs) this.#start(binding, message)
      else this.#expire(binding, message.reply)
    }
    this.#pumping = false
  }

  #expire(binding: Binding, reply: Subject | undefined): void {
    this.#stats.expired++
    this.#refuse(binding, reply, new ServiceError('overloaded', 'the request waited too long for a handler'))
  }

  #refuse(binding: Binding, reply: Subject | undefined, error: ServiceError, incoming?: IncomingRequest): void {
    const { code, status } = error
    this.#options.observe?.({ type: 'request.refused', route: binding.label, code, status })
    const response = new ServiceResponse()
    response.fail(error)
    this.#replier.send(binding.label, reply, response, incoming)
  }

  #isIdle(): boolean {
    return this.#running === 0 && this.#waiting.size === 0
  }

  #becomeIdle(): void {
    const waiters = this.#whenIdle
    this.#whenIdle = []
    for (const resolve of waiters) resolve()
  }
}
