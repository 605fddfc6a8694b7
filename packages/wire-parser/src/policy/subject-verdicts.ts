// SPDX-License-Identifier: Apache-2.0
import type { OperationView } from '../operation.ts'
import { isUtf8 } from '../utf8.ts'

const nothing = new Uint8Array(0)

/**
 * What was decided about the subject that came last, found again by its bytes: connections repeat subjects, so most
 * messages cost one comparison. Whoever decides keeps a table of its own for those that alternate.
 */
export class SubjectVerdicts {
  readonly #decide: (subject: string) => boolean
  #last: Uint8Array = nothing
  #length = -1
  #verdict = false

  constructor(decide: (subject: string) => boolean) {
    this.#decide = decide
  }

  /** The verdict on the subject of an operation; one that is not UTF-8 is never compared, and never allowed. */
  of(view: OperationView): boolean {
    const { bytes, subjectStart, subjectEnd } = view
    if (this.#isLast(bytes, subjectStart, subjectEnd)) return this.#verdict
    this.#verdict = isUtf8(bytes, subjectStart, subjectEnd) && this.#decide(view.subject)
    this.#remember(bytes, subjectStart, subjectEnd)
    return this.#verdict
  }

  /** The verdict on a subject that is text already. */
  ofText(subject: string): boolean {
    return this.#decide(subject)
  }

  #isLast(bytes: Uint8Array, start: number, end: number): boolean {
    const length = end - start
    if (length !== this.#length) return false
    const last = this.#last
    for (let i = 0; i < length; i++) {
      if (last[i] !== bytes[start + i]) return false
    }
    return true
  }

  #remember(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start
    if (length > this.#last.length) this.#last = new Uint8Array(Math.max(64, length))
    for (let i = 0; i < length; i++) this.#last[i] = bytes[start + i] as number
    this.#length = length
  }
}
