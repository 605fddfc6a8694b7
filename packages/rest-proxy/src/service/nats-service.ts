// SPDX-License-Identifier: Apache-2.0
import {
  type Bus,
  BusError,
  type BusMessage,
  type MetricFamily,
  parsePattern,
  type Pattern,
} from '@nats-edge/wire-parser'
import { busFrom, type NatsSource } from '@nats-edge/wire-parser/bus'
import { Binding, type ServiceRoute } from './binding.ts'
import type { Handler, Middleware } from './chain.ts'
import { Dispatcher } from './dispatcher.ts'
import { type ResolvedOptions, resolveOptions, resolveQueue, type ServiceOptions } from './options.ts'
import { type EnvelopeRequest, type EnvelopeResponse, sendRequest, type SendOptions } from './request-sender.ts'
import { parseMethod, parseRoutePattern, routeSubject } from './route-pattern.ts'

export interface RouteOptions {
  /** The NATS subject or pattern to listen on. Default: by the path, `GET:.orders.*`; required with `headers`. */
  readonly subject?: string
  /** The queue group of this route. Default: that of the service. */
  readonly queue?: string | false
}

/** HTTP requests from NATS, answered by handlers. */
export interface NatsService {
  /** Adds a middleware, which runs before the handlers of all routes, also of those registered earlier. */
  use(middleware: Middleware): this
  get(pattern: string, handler: Handler, options?: RouteOptions): this
  post(pattern: string, handler: Handler, options?: RouteOptions): this
  put(pattern: string, handler: Handler, options?: RouteOptions): this
  delete(pattern: string, handler: Handler, options?: RouteOptions): this
  /** Takes GET, POST, PUT, DELETE, PATCH, HEAD and OPTIONS; on a `subject` of its own, every method. */
  any(pattern: string, handler: Handler, options?: RouteOptions): this
  /** Listens at once. Throws TypeError for a pattern that could never receive anything and for a subject taken twice. */
  on(method: string, pattern: string, handler: Handler, options?: RouteOptions): this
  /** Asks a service with the nats-proxy envelope; rejects with BusError, EnvelopeError or, for a bad URL, TypeError. */
  send(
    method: string,
    url: string,
    request?: Partial<EnvelopeRequest>,
    options?: SendOptions,
  ): Promise<EnvelopeResponse>
  /** Resolves when the server knows every subscription; rejects while disconnected and if one was refused. */
  ready(): Promise<void>
  /** Takes no new requests, lets the running ones answer, at most `drainMs` (10,000) long. The connection stays open. */
  close(options?: { readonly drainMs?: number }): Promise<void>
  stats(): Iterable<MetricFamily>
}

const anyMethods = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS'] as const
const defaultDrainMs = 10_000

/** A service that answers what a proxy publishes; `nats` stays its owner's to close. */
export function natsService(nats: NatsSource, options?: ServiceOptions): NatsService {
  return new BusService(busFrom(nats), resolveOptions(options))
}

class BusService implements NatsService {
  readonly #bus: Bus
  readonly #options: ResolvedOptions
  readonly #dispatcher: Dispatcher
  readonly #bindings: Binding[] = []
  readonly #abort = (): void => void this.close({ drainMs: 0 })
  #closing: Promise<void> | undefined

  constructor(bus: Bus, options: ResolvedOptions) {
    this.#bus = bus
    this.#options = options
    this.#dispatcher = new Dispatcher(bus, options)
    const { signal } = options
    if (signal?.aborted === true) this.#abort()
    else signal?.addEventListener('abort', this.#abort, { once: true })
  }

  use(middleware: Middleware): this {
    this.#dispatcher.use(checkFunction('middleware', middleware))
    return this
  }

  get(pattern: string, handler: Handler, options?: RouteOptions): this {
    return this.on('GET', pattern, handler, options)
  }

  post(pattern: string, handler: Handler, options?: RouteOptions): this {
    return this.on('POST', pattern, handler, options)
  }

  put(pattern: string, handler: Handler, options?: RouteOptions): this {
    return this.on('PUT', pattern, handler, options)
  }

  delete(pattern: string, handler: Handler, options?: RouteOptions): this {
    return this.on('DELETE', pattern, handler, options)
  }

  any(pattern: string, handler: Handler, options?: RouteOptions): this {
    if (options?.subject !== undefined) return this.#register(undefined, pattern, handler, options)
    for (const method of anyMethods) this.on(method, pattern, handler, options)
    return this
  }

  on(method: string, pattern: string, handler: Handler, options?: RouteOptions): this {
    return this.#register(parseMethod(method), pattern, handler, options)
  }

  send(
    method: string,
    url: string,
    request?: Partial<EnvelopeRequest>,
    options?: SendOptions,
  ): Promise<EnvelopeResponse> {
    return sendRequest(this.#bus, method, url, request, options)
  }

  async ready(): Promise<void> {
    if (this.#bus.state !== 'connected') {
      throw new BusError(this.#bus.state, `the service is not ready: NATS is ${this.#bus.state}`)
    }
    await this.#bus.flush()
    for (const binding of this.#bindings) if (binding.ended !== undefined) throw binding.ended
  }

  close(options?: { readonly drainMs?: number }): Promise<void> {
    const { drainMs = defaultDrainMs } = options ?? {}
    if (!(drainMs >= 0)) throw new RangeError(`drainMs: ${drainMs} is no time to wait`)
    this.#closing ??= this.#close()
    return within(drainMs, this.#closing)
  }

  stats(): Iterable<MetricFamily> {
    return this.#dispatcher.stats()
  }

  #register(method: string | undefined, text: string, handler: Handler, options: RouteOptions = {}): this {
    if (this.#closing !== undefined) throw new TypeError('the service is closed and takes no more routes')
    checkFunction('handler', handler)
    const pattern = parseRoutePattern(text)
    const queue = options.queue === undefined ? this.#options.queue : resolveQueue(options.queue)
    if (options.subject !== undefined) {
      this.#bind(givenSubject(options.subject), queue, { method, pattern, handler })
    } else if (this.#options.envelope === 'headers') {
      throw new TypeError(`${text}: with the headers envelope every route needs the option "subject"`)
    } else {
      // The method is part of the subject, which decides; senders may leave it out of the envelope.
      this.#bind(routeSubject(method ?? '', pattern), queue, { method: undefined, pattern, handler })
    }
    return this
  }

  #bind(subject: Pattern, queue: string | undefined, route: ServiceRoute): void {
    const known = this.#bindings.find((binding) => binding.subject === subject && binding.queue === queue)
    if (known !== undefined) return known.add(route)
    const binding = new Binding(subject, queue)
    binding.add(route)
    const onMessage = (message: BusMessage): void => this.#dispatcher.take(binding, message)
    const onEnd = (error: BusError): void => {
      binding.ended = error
      this.#options.observe?.({ type: 'subscription.ended', route: route.pattern.text, error })
    }
    const end = queue === undefined ? { onEnd } : { onEnd, queue }
    binding.subscription = this.#bus.subscribe(subject, onMessage, end)
    for (const other of this.#bindings) binding.meet(other)
    this.#bindings.push(binding)
  }

  async #close(): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#abort)
    await Promise.all(this.#bindings.map((binding) => binding.drain()))
    await this.#dispatcher.drained()
    // What has been answered must reach the server before the caller closes the connection.
    if (this.#bus.state === 'connected') await this.#bus.flush().catch(() => undefined)
  }
}

function givenSubject(text: string): Pattern {
  const subject = parsePattern(text, { embeddedWildcards: true })
  if (subject === undefined) throw new TypeError(`subject ${JSON.stringify(text)}: not a NATS subject or pattern`)
  return subject
}

function checkFunction<Hook>(name: string, hook: Hook): Hook {
  if (typeof hook !== 'function') throw new TypeError(`${name}: must be a function`)
  return hook
}

async function within(limitMs: number, work: Promise<void>): Promise<void> {
  // What a timer cannot hold is no limit.
  if (limitMs > 0x7fffffff) return work
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs)
  })
  await Promise.race([work, limit])
  clearTimeout(timer)
}
