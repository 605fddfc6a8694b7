// SPDX-License-Identifier: Apache-2.0

/** The side items come from. */
export interface ItemSource {
  /** Enough is waiting. */
  pause(): void
  resume(): void
  /** Nobody reads any more. */
  cancel(): void
}

interface Waiter {
  resolve(result: IteratorResult<unknown>): void
  reject(error: unknown): void
}

const highWaterItems = 64

/** Items that are pushed on one side and read on the other; the source is paused while enough of them wait. */
export class ItemStream implements AsyncIterableIterator<unknown> {
  readonly #source: ItemSource
  readonly #items: unknown[] = []
  readonly #waiting: Waiter[] = []
  #isPaused = false
  #isOver = false
  #failure: { readonly error: unknown } | undefined

  constructor(source: ItemSource) {
    this.#source = source
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  push(value: unknown): void {
    if (this.#isOver) return
    const waiter = this.#waiting.shift()
    if (waiter !== undefined) {
      waiter.resolve({ done: false, value })
      return
    }
    this.#items.push(value)
    if (this.#isPaused || this.#items.length < highWaterItems) return
    this.#isPaused = true
    this.#source.pause()
  }

  end(error?: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    if (error !== undefined) this.#failure = { error }
    for (const waiter of this.#waiting.splice(0)) this.#settle(waiter)
  }

  next(): Promise<IteratorResult<unknown>> {
    if (this.#items.length > 0) {
      const value = this.#items.shift()
      if (this.#isPaused && this.#items.length === 0) {
        this.#isPaused = false
        this.#source.resume()
      }
      return Promise.resolve({ done: false, value })
    }
    return new Promise((resolve, reject) => {
      if (this.#isOver) this.#settle({ resolve, reject })
      else this.#waiting.push({ resolve, reject })
    })
  }

  return(): Promise<IteratorResult<unknown>> {
    const wasOver = this.#isOver
    this.#items.length = 0
    this.#failure = undefined
    this.end()
    if (!wasOver) this.#source.cancel()
    return Promise.resolve({ done: true, value: undefined })
  }

  /** Tells one reader of the failure, and all others of the end. */
  #settle(waiter: Waiter): void {
    const failure = this.#failure
    this.#failure = undefined
    if (failure === undefined) waiter.resolve({ done: true, value: undefined })
    else waiter.reject(failure.error)
  }
}
