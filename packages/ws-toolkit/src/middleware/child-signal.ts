// SPDX-License-Identifier: Apache-2.0

/** A signal that is aborted with its parent, or alone; `release()` lets go of the parent. */
export class ChildSignal {
  readonly #parent: AbortSignal
  readonly #controller = new AbortController()

  constructor(parent: AbortSignal) {
    this.#parent = parent
    if (parent.aborted) this.#controller.abort(parent.reason)
    else parent.addEventListener('abort', this.#follow)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  abort(reason: unknown): void {
    this.release()
    this.#controller.abort(reason)
  }

  release(): void {
    this.#parent.removeEventListener('abort', this.#follow)
  }

  readonly #follow = (): void => this.abort(this.#parent.reason)
}
