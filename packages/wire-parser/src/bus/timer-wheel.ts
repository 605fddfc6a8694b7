// SPDX-License-Identifier: Apache-2.0
import { SlotWheel } from './slot-wheel.ts'

declare const timerHandle: unique symbol

/** What `TimerWheel.schedule()` gave; harmless once the timer ran or was cancelled. */
export type TimerHandle = number & { readonly [timerHandle]: true }

const FIRST_SLOTS = 64
const MAX_SLOTS = 2 ** 21

/**
 * Many coarse timers behind one unref'ed Node timer, which only ticks while something is scheduled. A timer runs never
 * early and at most `tickMs` late.
 */
export class TimerWheel {
  readonly #wheel: SlotWheel
  readonly #runs: ((() => void) | undefined)[] = []
  readonly #generations: number[] = []
  readonly #free: number[] = []
  #capacity = FIRST_SLOTS
  #closed = false

  /** `tickMs` defaults to 20, fine enough for deadlines of requests and coarse enough to cost nothing. */
  constructor(options: { readonly tickMs?: number } = {}) {
    const tickMs = options.tickMs ?? 20
    if (!(tickMs >= 1 && tickMs <= 60_000)) throw new RangeError(`tickMs: ${tickMs} is not between 1 and 60000`)
    this.#wheel = new SlotWheel(FIRST_SLOTS, tickMs, (slot) => this.#expire(slot))
  }

  /** Timers scheduled and neither run nor cancelled. */
  get size(): number {
    return this.#wheel.armed
  }

  /** Runs `run` once, `afterMs` from now. */
  schedule(afterMs: number, run: () => void): TimerHandle {
    if (!(afterMs >= 0 && afterMs < Infinity)) throw new RangeError(`afterMs: ${afterMs} is not a time to wait`)
    if (this.#closed) throw new TypeError('the timer wheel is closed')
    const slot = this.#free.pop() ?? this.#newSlot()
    this.#runs[slot] = run
    this.#wheel.arm(slot, afterMs)
    return ((this.#generations[slot] ?? 0) * MAX_SLOTS + slot) as TimerHandle
  }

  cancel(handle: TimerHandle): void {
    const slot = handle % MAX_SLOTS
    if (this.#runs[slot] === undefined || this.#generations[slot] !== Math.floor(handle / MAX_SLOTS)) return
    this.#wheel.disarm(slot)
    this.#release(slot)
  }

  /** Drops every timer; scheduling afterwards throws. */
  close(): void {
    this.#closed = true
    this.#wheel.stop()
    for (const slot of this.#runs.keys()) this.#wheel.disarm(slot)
    this.#runs.length = 0
  }

  #newSlot(): number {
    const slot = this.#generations.length
    if (slot === MAX_SLOTS) throw new RangeError(`more than ${MAX_SLOTS} timers`)
    if (slot === this.#capacity) {
      this.#capacity *= 2
      this.#wheel.grow(this.#capacity)
    }
    this.#generations.push(0)
    return slot
  }

  #release(slot: number): void {
    this.#runs[slot] = undefined
    this.#generations[slot] = (this.#generations[slot] ?? 0) + 1
    this.#free.push(slot)
  }

  #expire(slot: number): void {
    const run = this.#runs[slot]
    this.#release(slot)
    try {
      run?.()
    } catch (error) {
      // As an exception of the process, like any throw in a timer, but without holding up the timers behind this one.
      queueMicrotask(() => {
        throw error
      })
    }
  }
}
