// SPDX-License-Identifier: Apache-2.0
import { createHook, type AsyncHook } from 'node:async_hooks'
import { fileURLToPath } from 'node:url'

const toolkit = fileURLToPath(new URL('..', import.meta.url))
// Deadlines are counted one by one: the timer that drives them all may tick once more.
const wheel = /slot-wheel\.[jt]s/
const own = /[\\/]testing[\\/]|\.test[.-]/
const framesToSee = 30

/** The timers of Node's that code of this package, or of ws for it, has set and that still wait; by where they were set. */
export class TimerWatch {
  readonly #waiting = new Map<number, string>()
  readonly #hook: AsyncHook

  constructor() {
    this.#hook = createHook({
      init: (id, type) => {
        const place = type === 'Timeout' ? placeOf() : undefined
        if (place !== undefined) this.#waiting.set(id, place)
      },
      destroy: (id) => this.#waiting.delete(id),
    }).enable()
  }

  /** How many wait, by place. */
  count(): Map<string, number> {
    const counts = new Map<string, number>()
    for (const place of this.#waiting.values()) counts.set(place, (counts.get(place) ?? 0) + 1)
    return counts
  }

  stop(): void {
    this.#hook.disable()
  }
}

function placeOf(): string | undefined {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = framesToSee
  const lines = new Error('here').stack?.split('\n') ?? []
  Error.stackTraceLimit = stackTraceLimit
  const place = lines.find((line) => line.includes(toolkit) && !own.test(line))
  if (place === undefined || lines.some((line) => wheel.test(line))) return undefined
  return place.slice(place.indexOf(toolkit) + toolkit.length).replace(/:\d+\)?$/, '')
}
