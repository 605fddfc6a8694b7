// SPDX-License-Identifier: Apache-2.0

const maxGenerationSize = 128
const maxKeyLength = 256

/**
 * Remembers at most 256 short texts and what was decided on them. Two generations instead of a list by age: a full young
 * one becomes the old one, and what is asked again moves back.
 */
export class VerdictTable {
  #young = new Map<string, boolean>()
  #old = new Map<string, boolean>()

  get(text: string): boolean | undefined {
    const verdict = this.#young.get(text)
    if (verdict !== undefined) return verdict
    const aged = this.#old.get(text)
    if (aged !== undefined) this.set(text, aged)
    return aged
  }

  set(text: string, verdict: boolean): void {
    if (text.length > maxKeyLength) return
    if (this.#young.size >= maxGenerationSize) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(text, verdict)
  }

  /** Texts remembered, some of them perhaps twice. */
  get size(): number {
    return this.#young.size + this.#old.size
  }
}
