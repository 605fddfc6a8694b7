// SPDX-License-Identifier: Apache-2.0
import type { Outgoing } from './frame.ts'

type SendBatch<R> = (answers: readonly Outgoing[], last: R | undefined) => void

/** The answers to the requests of one message: they leave as one, when the last of them is there. */
export class Batch<R> {
  readonly #answers: Outgoing[] = []
  readonly #send: SendBatch<R>
  #open: number

  constructor(requests: number, send: SendBatch<R>) {
    this.#open = requests
    this.#send = send
  }

  add(answer: Outgoing): void {
    this.#answers.push(answer)
  }

  /** One request, `last`, has had its last answer, or gets none. */
  finished(last: R | undefined): void {
    this.#open -= 1
    // Only notifications: silence (JSON-RPC 2.0, section 6).
    if (this.#open === 0 && this.#answers.length > 0) this.#send(this.#answers, last)
  }
}
