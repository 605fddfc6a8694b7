// SPDX-License-Identifier: Apache-2.0
import type { LifeTimes } from './connection-life.ts'

/** What the heartbeat visits. */
export interface Visited {
  /** `nowMs` is of the monotonic clock, `wallMs` of the other one. */
  visit(nowMs: number, wallMs: number): void
}

const longestMs = 1000
const shortestMs = 10

/** One timer for all connections of a gateway: visits each of them once a second, or oftener where a time is short. */
export class Heartbeat {
  readonly #visited: Iterable<Visited>
  #periodMs = longestMs
  #timer: NodeJS.Timeout | undefined

  constructor(visited: Iterable<Visited>) {
    this.#visited = visited
  }

  /** Whether the timer runs. */
  get isRunning(): boolean {
    return this.#timer !== undefined
  }

  /** Visits often enough for these times too. */
  heed(times: LifeTimes): void {
    const all = [times.heartbeatMs, times.heartbeatTimeoutMs, times.idleMs, times.maxLifetimeMs, times.sendTimeoutMs]
    const shortest = Math.min(...all.filter((ms) => ms > 0))
    this.#periodMs = Math.max(shortestMs, Math.min(this.#periodMs, shortest / 4))
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#visitAll(), this.#periodMs).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #visitAll(): void {
    const nowMs = performance.now()
    const wallMs = Date.now()
    for (const visited of this.#visited) visited.visit(nowMs, wallMs)
  }
}
