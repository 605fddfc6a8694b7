// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import type { Admission, Permit } from '../admission.ts'
import { isRefusal } from '../admission.ts'
import { TimerWheel } from '../bus/timer-wheel.ts'
import type { MetricFamily } from '../metric.ts'
import { ConnectionRegistry } from './connection-registry.ts'
import { Counters } from './counters.ts'
import type { GatewayEvent, RefusalReason } from './gateway-event.ts'
import type { ResolvedOptions } from './gateway-options.ts'
import { OwnAdmission } from './own-admission.ts'
import { Tracing } from './tracing.ts'
import { WaitingRoom } from './waiting-room.ts'

/** A place for a new connection. */
export interface Place {
  readonly permit: Permit
  readonly leaveWaiting: () => void
}

/** A client turned away, and what it may be told. */
export interface TurnedAway {
  readonly reason: RefusalReason
  readonly retryAfterMs: number
}

/** What all connections of a gateway share. */
export class GatewayState {
  /** The options of the moment; a reload puts others in their place. */
  options: ResolvedOptions
  readonly counters: Counters = new Counters()
  readonly wheel: TimerWheel = new TimerWheel()
  readonly registry: ConnectionRegistry
  readonly waiting: WaitingRoom
  readonly ownAdmission: OwnAdmission
  /** Aborted when dials under way are to be given up. */
  readonly abort: AbortController = new AbortController()
  readonly tracing: Tracing
  isDraining = false
  lastDial: 'connected' | 'failed' | undefined
  readonly #prefix: string = randomBytes(6).toString('base64url')
  #lastId = 0
  #sweep: NodeJS.Timeout | undefined

  constructor(options: ResolvedOptions) {
    this.options = options
    // Every dial under way listens to it.
    setMaxListeners(0, this.abort.signal)
    this.waiting = new WaitingRoom(options.limits)
    this.registry = new ConnectionRegistry()
    this.tracing = new Tracing(() => this.registry.sessions())
    this.ownAdmission = new OwnAdmission(() => this.options.limits)
  }

  get admission(): Admission {
    return this.options.admission ?? this.ownAdmission
  }

  get isObserved(): boolean {
    return this.options.observe !== undefined
  }

  /** An identifier for a connection, unique for the life of the process and among gateways. */
  nextId(): string {
    return `${this.#prefix}-${(++this.#lastId).toString(36)}`
  }

  /** Makes every check there is before anything is spent on a connection, cheapest first. */
  admit(transport: 'tcp' | 'ws', ip: string): Place | TurnedAway {
    if (this.isDraining) return this.#turnAway(ip, 'draining')
    if (!this.options.addresses.allows(ip)) return this.#turnAway(ip, 'address')
    const leaveWaiting = this.waiting.enter(ip)
    if (typeof leaveWaiting === 'string') return this.#turnAway(ip, leaveWaiting)
    const permit = this.admission.admit({ surface: 'wire', transport, ip })
    if (!isRefusal(permit)) return { permit, leaveWaiting }
    leaveWaiting()
    return this.#turnAway(ip, 'admission', permit.retryAfterMs)
  }

  /** Looks after connections once a second while there are any. */
  watch(): void {
    if (this.#sweep !== undefined) return
    this.#sweep = setInterval(() => this.#sweepAll(), 1000)
    this.#sweep.unref()
  }

  /** The gateway has ended. */
  end(): void {
    clearInterval(this.#sweep)
    this.#sweep = undefined
  }

  families(): MetricFamily[] {
    const gauges = { tcp: 0, ws: 0, waiting: this.waiting.size, subscriptions: 0, queuedBytes: 0 }
    for (const session of this.registry.sessions()) {
      gauges[session.transport]++
      gauges.subscriptions += session.subscriptions.size
      gauges.queuedBytes += session.clientOutlet?.queuedBytes ?? 0
    }
    return this.counters.families(this.registry.traffic(), gauges)
  }

  #sweepAll(): void {
    const nowMs = performance.now()
    const wallMs = Date.now()
    for (const session of this.registry.sessions()) session.sweep(nowMs, wallMs)
    if (this.registry.size > 0) return
    clearInterval(this.#sweep)
    this.#sweep = undefined
  }

  /** Tells the observer; what it throws is counted and harms nobody. */
  observe(event: GatewayEvent): void {
    try {
      this.options.observe?.(event)
    } catch {
      this.counters.observeFailed++
    }
  }

  #turnAway(ip: string, reason: RefusalReason, retryAfterMs = 1000): TurnedAway {
    this.counters.refused[reason]++
    this.observe({ type: 'connection.refused', ip, reason })
    return { reason, retryAfterMs }
  }
}
