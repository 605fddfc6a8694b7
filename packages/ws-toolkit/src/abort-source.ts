// SPDX-License-Identifier: Apache-2.0
import type { WsRequest } from './request.ts'

/** Is told once, and at once, that a request is to be ended. */
export interface AbortListener {
  aborted(reason: unknown): void
}

/** What ends a request, without the AbortController a signal needs: that is made only for those who ask for `signal`. */
export interface AbortSource {
  readonly isAborted: boolean
  readonly abortReason: unknown
  addAbortListener(listener: AbortListener): void
  removeAbortListener(listener: AbortListener): void
}

/** Gives the source of a request; of a stranger's its signal. */
export function abortSourceOf<U>(request: WsRequest<U>): AbortSource {
  if (!('abortSource' in request)) return new SignalSource(request.signal)
  // Not part of WsRequest: only the requests of this package have it.
  return request.abortSource as AbortSource
}

/** Those who listen to one source. */
export class AbortListeners {
  // Never changed in place: somebody may be going through it.
  #listeners: readonly AbortListener[] = []

  get isEmpty(): boolean {
    return this.#listeners.length === 0
  }

  add(listener: AbortListener): void {
    this.#listeners = [...this.#listeners, listener]
  }

  delete(listener: AbortListener): void {
    this.#listeners = this.#listeners.filter((other) => other !== listener)
  }

  /** Tells all of them; what they add or delete meanwhile changes nothing about that. */
  tell(reason: unknown): void {
    for (const listener of this.#listeners) listener.aborted(reason)
  }
}

/** A signal as a source, for one listener. */
export class SignalSource implements AbortSource {
  readonly #signal: AbortSignal
  #listener: AbortListener | undefined

  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  get isAborted(): boolean {
    return this.#signal.aborted
  }

  get abortReason(): unknown {
    return this.#signal.reason
  }

  addAbortListener(listener: AbortListener): void {
    this.#listener = listener
    this.#signal.addEventListener('abort', this.#tell)
  }

  removeAbortListener(): void {
    this.#signal.removeEventListener('abort', this.#tell)
  }

  readonly #tell = (): void => this.#listener?.aborted(this.#signal.reason)
}
