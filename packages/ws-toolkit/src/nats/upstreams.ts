// SPDX-License-Identifier: Apache-2.0
import type { Bus, BusMessage, Pattern, Subscription } from '@nats-edge/wire-parser'
import { cancel, schedule, type Deadline } from '../deadline.ts'
import type { WsError } from '../ws-error.ts'
import { busFault, checkConnected } from './bus-fault.ts'

/** Gets what comes by a subscription. */
export interface Listener {
  message(message: BusMessage): void
  /** The subscription is over: refused by the broker, or the connection was closed. */
  failed(error: WsError): void
}

/** A share in a subscription. */
export interface Lease {
  /** Resolves when messages arrive; undefined: they do. Rejects with `disconnected` or `forbidden`. */
  ready(): Promise<void> | undefined
  close(): void
}

interface Upstream {
  readonly pattern: Pattern
  readonly listeners: Set<Listener>
  subscription: Subscription | undefined
  linger: Deadline | undefined
  /** The connect in which the broker has confirmed the subscription. */
  confirmedEpoch: number
  failure: WsError | undefined
}

const lingerMs = 5000
const maxLingering = 1000

const tables = new WeakMap<Bus, Upstreams>()

/** One subscription for each pattern, however many want it; it stays a while after the last one has left. */
export class Upstreams {
  readonly #bus: Bus
  readonly #upstreams = new Map<Pattern, Upstream>()
  #lingering = 0

  private constructor(bus: Bus) {
    this.#bus = bus
  }

  /** The one table of a Bus. */
  static of(bus: Bus): Upstreams {
    const known = tables.get(bus) ?? new Upstreams(bus)
    tables.set(bus, known)
    return known
  }

  /** Subscriptions, those that only linger included. */
  get size(): number {
    return this.#upstreams.size
  }

  /** Throws WsError when the connection is closed. */
  listen(pattern: Pattern, listener: Listener): Lease {
    const upstream = this.#upstreams.get(pattern) ?? this.#start(pattern)
    this.#stay(upstream)
    upstream.listeners.add(listener)
    return {
      ready: () => this.#ready(upstream),
      close: () => {
        if (upstream.listeners.delete(listener) && upstream.listeners.size === 0) this.#leave(upstream)
      },
    }
  }

  #start(pattern: Pattern): Upstream {
    const upstream: Upstream = {
      pattern,
      listeners: new Set(),
      subscription: undefined,
      linger: undefined,
      confirmedEpoch: -1,
      failure: undefined,
    }
    try {
      upstream.subscription = this.#bus.subscribe(pattern, (message) => deliver(upstream, message), {
        onEnd: (error) => this.#end(upstream, busFault(error)),
      })
    } catch (error) {
      throw busFault(error)
    }
    this.#upstreams.set(pattern, upstream)
    return upstream
  }

  async #confirm(upstream: Upstream): Promise<void> {
    checkConnected(this.#bus.state)
    const { epoch } = this.#bus
    try {
      await this.#bus.flush()
    } catch (error) {
      throw upstream.failure ?? busFault(error)
    }
    // A refusal comes before the answer to the flush.
    if (upstream.failure !== undefined) throw upstream.failure
    upstream.confirmedEpoch = epoch
  }

  #ready(upstream: Upstream): Promise<void> | undefined {
    if (upstream.failure !== undefined) return Promise.reject(upstream.failure)
    const isConfirmed = this.#bus.state === 'connected' && upstream.confirmedEpoch === this.#bus.epoch
    return isConfirmed ? undefined : this.#confirm(upstream)
  }

  #stay(upstream: Upstream): void {
    if (upstream.linger === undefined) return
    cancel(upstream.linger)
    upstream.linger = undefined
    this.#lingering -= 1
  }

  #leave(upstream: Upstream): void {
    if (upstream.failure !== undefined) return
    if (this.#lingering >= maxLingering) return this.#drop(upstream)
    this.#lingering += 1
    upstream.linger = schedule(lingerMs, () => {
      this.#stay(upstream)
      this.#drop(upstream)
    })
  }

  #drop(upstream: Upstream): void {
    this.#upstreams.delete(upstream.pattern)
    upstream.subscription?.unsubscribe()
  }

  #end(upstream: Upstream, error: WsError): void {
    this.#stay(upstream)
    upstream.failure = error
    this.#upstreams.delete(upstream.pattern)
    for (const listener of upstream.listeners) listener.failed(error)
  }
}

function deliver({ listeners }: Upstream, message: BusMessage): void {
  for (const listener of listeners) listener.message(message)
}
