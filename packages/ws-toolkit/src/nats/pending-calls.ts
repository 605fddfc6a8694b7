// SPDX-License-Identifier: Apache-2.0
import { abortError } from '../middleware/pause.ts'
import type { Reply } from '../chain.ts'
import { WsError } from '../ws-error.ts'

/** How one call ends. */
export interface Call {
  resolve(reply: Reply): void
  reject(error: WsError): void
}

/** Calls that wait for an answer, so many at most; each ends once. */
export class PendingCalls {
  readonly #most: number
  readonly #calls = new Set<Call>()

  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#calls.size
  }

  /** Waits for what `begin` starts; what it gives is called when the client waits no more. */
  wait(signal: AbortSignal, begin: (call: Call) => () => void): Promise<Reply> {
    if (signal.aborted) throw abortError(signal)
    if (this.#calls.size >= this.#most) throw new WsError('overloaded')
    return new Promise((resolve, reject) => {
      let giveUp: (() => void) | undefined
      const end = (): boolean => {
        signal.removeEventListener('abort', leave)
        return this.#calls.delete(call)
      }
      const leave = (): void => {
        if (!end()) return
        giveUp?.()
        reject(abortError(signal))
      }
      const call: Call = {
        resolve: (reply) => {
          if (end()) resolve(reply)
        },
        reject: (error) => {
          if (!end()) return
          giveUp?.()
          reject(error)
        },
      }
      this.#calls.add(call)
      signal.addEventListener('abort', leave, { once: true })
      try {
        giveUp = begin(call)
      } catch (error) {
        end()
        reject(error)
      }
    })
  }

  /** Fails every call that waits. */
  fail(error: WsError): void {
    for (const call of this.#calls) call.reject(error)
  }
}
