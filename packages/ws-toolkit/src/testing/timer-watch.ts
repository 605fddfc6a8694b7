// SPDX-License-Identifier: Apache-2.0
import { createHook, type AsyncHook } from 'node:async_hooks'
import { fileURLToPath } from 'node:url'

const toolkit = fileURLToPath(new URL('..', import.meta.url))
const ws = /[\\/]ws[\\/]lib[\\/]/
const own = /[\\/]testing[\\/]|\.test[.-]/
const framesToSee = 30

/** The timers of Node's that this package or ws has set and that still wait, by where they were set. */
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
  const lines = new Error('here').stack?.split('\n').slice(1) ?? []
  Error.stackTraceLimit = stackTraceLimit
  const setter = lines.find((line) => !line.includes('node:') && !line.includes('timer-watch')) ?? ''
  if (own.test(setter) || !(setter.includes(toolkit) || ws.test(setter))) return undefined
  const place = lines.find((line) => line.includes(toolkit) && !own.test(line))
  return place?.slice(place.indexOf(toolkit) + toolkit.length).replace(/:\d+\)?$/, '') ?? 'ws'
}
