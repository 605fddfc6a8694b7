// SPDX-License-Identifier: Apache-2.0
import { setMaxListeners } from 'node:events'
import { closeCode } from './close-code.ts'
import type { WsEvent } from './event.ts'
import { jitter } from './gateway-admission.ts'
import type { Goodbye, LiveConnection } from './live-connection.ts'
import { whole } from './option-check.ts'
import { range } from './options.ts'

/** How a gateway is left. */
export interface CloseGatewayOptions {
  /** How long requests under way may take; 0 ends everything at once. Default: the gateway's. */
  readonly drainMs?: number
  /** Window over which clients are sent away. Default: the gateway's, at most half of `drainMs`. */
  readonly spreadMs?: number
  /** Bounds of the delay that clients are asked to wait before they come back. Default: the gateway's. */
  readonly retryAfterMs?: readonly [least: number, most: number]
  /** The server does not come back: clients get 1001 instead of 1012. */
  readonly final?: boolean
  /** Sockets are no ordinary requests: they are drained all the same. */
  readonly serveRequests?: boolean
}

interface DrainTimes {
  readonly drainMs: number
  readonly spreadMs: number
  readonly retryAfterMs: readonly [number, number]
  readonly observe?: ((event: WsEvent) => void) | undefined
}

interface Drained {
  readonly registry: Iterable<LiveConnection> & { readonly size: number }
  readonly stopAdmitting: () => void
  /** Places taken: connections, and clients on their way in. */
  readonly taken: () => number
  /** Lets go of everything else; called once, at the end. */
  readonly release: () => Promise<void>
}

// How long a client that is cut at the deadline may still take to read why.
const lastWordsMs = 250
const stepMs = 20

/** Sends the connections of a gateway away, in random order over a while, and cuts what is left at the deadline. */
export class GatewayDrain {
  readonly #defaults: DrainTimes
  readonly #drained: Drained
  readonly #overtime = new AbortController()
  #state: 'open' | 'draining' | 'closed' = 'open'
  #startedMs = 0
  #deadlineMs = Infinity
  #retryAfterMs: readonly [number, number]
  #isFinal = false
  #queue: LiveConnection[] = []
  #spreadEndMs = 0
  #closed = 0
  #terminated = 0
  #timer: NodeJS.Timeout | undefined
  #finished: Promise<void> | undefined
  #settle: (() => void) | undefined

  constructor(defaults: DrainTimes, drained: Drained) {
    this.#defaults = defaults
    this.#drained = drained
    this.#retryAfterMs = defaults.retryAfterMs
    // A listener for each connection that has requests under way, which is no leak.
    setMaxListeners(0, this.#overtime.signal)
  }

  get state(): 'open' | 'draining' | 'closed' {
    return this.#state
  }

  /** Sends away who was admitted before and comes in while everybody leaves; false while nobody does. */
  sendAway(connection: LiveConnection): boolean {
    if (this.#state === 'open') return false
    this.#send(connection)
    return true
  }

  close(options: CloseGatewayOptions): Promise<void> {
    const drainMs = whole('drainMs', options.drainMs ?? this.#defaults.drainMs, 0)
    const spreadMs = Math.min(whole('spreadMs', options.spreadMs ?? this.#defaults.spreadMs, 0), drainMs / 2)
    if (options.retryAfterMs !== undefined) this.#retryAfterMs = range('retryAfterMs', options.retryAfterMs)
    this.#isFinal ||= options.final ?? false
    const nowMs = performance.now()
    if (this.#finished === undefined) this.#begin(nowMs)
    this.#deadlineMs = Math.min(this.#deadlineMs, nowMs + drainMs)
    this.#spreadEndMs = Math.min(this.#spreadEndMs, nowMs + spreadMs)
    this.#step()
    return this.#finished ?? Promise.reject(new TypeError('the drain did not begin'))
  }

  #begin(nowMs: number): void {
    this.#state = 'draining'
    this.#startedMs = nowMs
    this.#spreadEndMs = Infinity
    this.#drained.stopAdmitting()
    this.#queue = shuffled([...this.#drained.registry])
    for (const connection of this.#queue) this.#announce(connection)
    this.#finished = new Promise<void>((resolve) => {
      this.#settle = resolve
    }).then(() => this.#end())
    this.#timer = setInterval(() => this.#step(), stepMs)
  }

  #announce(connection: LiveConnection): void {
    if (connection.canNotify && connection.state === 'open') {
      connection.notify('going-away', { retryAfterMs: jitter(this.#retryAfterMs) })
    }
  }

  #goodbye(): Goodbye {
    return {
      code: this.#isFinal ? closeCode.goingAway : closeCode.restart,
      reason: { retryAfterMs: jitter(this.#retryAfterMs) },
      cause: 'drain',
    }
  }

  /** Sends away as many as are due, and cuts the rest when it is time. */
  #step(): void {
    if (this.#state !== 'draining') return
    const nowMs = performance.now()
    const isOver = nowMs >= this.#deadlineMs
    const leftMs = this.#spreadEndMs - nowMs
    const count = isOver || leftMs <= stepMs ? this.#queue.length : Math.ceil((this.#queue.length * stepMs) / leftMs)
    for (const connection of this.#queue.splice(0, count)) this.#send(connection)
    if (isOver && !this.#overtime.signal.aborted) this.#overtime.abort()
    if (nowMs >= this.#deadlineMs + lastWordsMs) this.#cut()
    const remaining = this.#drained.registry.size
    if (count > 0) this.#defaults.observe?.({ type: 'drain.step', closed: this.#closed, remaining })
    // Who is on the way in is sent away too, if that is before the end.
    const isEmpty = nowMs < this.#deadlineMs ? this.#drained.taken() === 0 : remaining === 0
    if (isEmpty) this.#settle?.()
  }

  #send(connection: LiveConnection): void {
    if (connection.state === 'closed') return
    void connection.shut(this.#goodbye(), { wait: this.#overtime.signal }).then(({ wasClean }) => {
      if (wasClean) this.#closed += 1
      else this.#terminated += 1
    })
  }

  #cut(): void {
    for (const connection of this.#drained.registry) connection.terminate()
  }

  async #end(): Promise<void> {
    clearInterval(this.#timer)
    this.#state = 'closed'
    await this.#drained.release()
    const ms = performance.now() - this.#startedMs
    this.#defaults.observe?.({ type: 'drain.finished', closed: this.#closed, terminated: this.#terminated, ms })
  }
}

function shuffled<T>(list: T[]): T[] {
  for (let last = list.length - 1; last > 0; last -= 1) {
    const other = Math.floor(Math.random() * (last + 1))
    const [a, b] = [list[last], list[other]]
    if (a !== undefined && b !== undefined) [list[last], list[other]] = [b, a]
  }
  return list
}
