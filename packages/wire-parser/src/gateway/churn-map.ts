// SPDX-License-Identifier: Apache-2.0

// Fewer gaps than this are not worth closing.
const fewGaps = 1024

/**
 * A map whose keys may come and go as often as anybody likes. V8 leaves a deleted entry where it was until it builds the
 * table anew: a key that is set and deleted over and over among thousands of others makes each look at it longer.
 */
export class ChurnMap<Key, Value extends object> {
  /** A deleted key is undefined, until there are more of these than of others. */
  #entries = new Map<Key, Value | undefined>()
  #gaps = 0

  get size(): number {
    return this.#entries.size - this.#gaps
  }

  get(key: Key): Value | undefined {
    return this.#entries.get(key)
  }

  set(key: Key, value: Value): void {
    if (this.#gaps > 0 && this.#entries.get(key) === undefined && this.#entries.has(key)) this.#gaps -= 1
    this.#entries.set(key, value)
  }

  delete(key: Key): void {
    if (this.#entries.get(key) === undefined) return
    this.#entries.set(key, undefined)
    this.#gaps += 1
    if (this.#gaps > fewGaps && this.#gaps > this.size) this.#closeGaps()
  }

  *values(): Generator<Value, undefined> {
    for (const value of this.#entries.values()) if (value !== undefined) yield value
  }

  #closeGaps(): void {
    const entries = new Map<Key, Value | undefined>()
    for (const [key, value] of this.#entries) if (value !== undefined) entries.set(key, value)
    this.#entries = entries
    this.#gaps = 0
  }
}
