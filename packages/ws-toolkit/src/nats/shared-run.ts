// SPDX-License-Identifier: Apache-2.0

/** Runs one at a time; whoever asks while one runs shares the next, so that it always began after they asked. */
export class SharedRun<T> {
  readonly #run: () => Promise<T>
  #current: Promise<T> | undefined
  #next: Promise<T> | undefined

  constructor(run: () => Promise<T>) {
    this.#run = run
  }

  /** Whether nothing runs. */
  get isIdle(): boolean {
    return this.#current === undefined
  }

  ask(): Promise<T> {
    if (this.#current === undefined) return this.#begin()
    this.#next ??= this.#current.then(ignore, ignore).then(() => {
      this.#next = undefined
      return this.#begin()
    })
    return this.#next
  }

  #begin(): Promise<T> {
    const current = this.#run().finally(() => {
      if (this.#current === current) this.#current = undefined
    })
    this.#current = current
    return current
  }
}

function ignore(): void {}
