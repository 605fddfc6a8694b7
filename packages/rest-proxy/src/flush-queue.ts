// SPDX-License-Identifier: Apache-2.0
import type { Bus } from '@nats-edge/wire-parser'

/** Told when the server has what was published before, or why it may not have it. */
export type Flushed = (error: unknown) => void

/** Lets everything published in one turn of the loop share one flush. */
export class FlushQueue {
  readonly #waiting = new Map<Bus, Flushed[]>()

  /** Call it after publishing. `flushed` is called with undefined on success. */
  join(bus: Bus, flushed: Flushed): void {
    const waiting = this.#waiting.get(bus)
    if (waiting !== undefined) {
      waiting.push(flushed)
      return
    }
    const joined = [flushed]
    this.#waiting.set(bus, joined)
    queueMicrotask(() => {
      this.#waiting.delete(bus)
      bus.flush().then(
        () => tell(joined, undefined),
        (error: unknown) => tell(joined, error),
      )
    })
  }
}

function tell(waiting: readonly Flushed[], error: unknown): void {
  for (const flushed of waiting) flushed(error)
}
