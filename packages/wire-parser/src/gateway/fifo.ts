// SPDX-License-Identifier: Apache-2.0

// Fewer gaps than this are not worth closing.
const fewGaps = 1024

/** First in, first out, however many wait: `shift()` of a long array moves all that stays. */
export class Fifo<Item> {
  #items: (Item | undefined)[] = []
  #start = 0

  get length(): number {
    return this.#items.length - this.#start
  }

  get first(): Item | undefined {
    return this.#items[this.#start]
  }

  push(item: Item): void {
    this.#items.push(item)
  }

  shift(): Item | undefined {
    const item = this.#items[this.#start]
    if (this.length === 0) return undefined
    this.#items[this.#start++] = undefined
    if (this.length === 0) this.clear()
    else if (this.#start > fewGaps && this.#start > this.length) {
      this.#items = this.#items.slice(this.#start)
      this.#start = 0
    }
    return item
  }

  clear(): void {
    this.#items = []
    this.#start = 0
  }
}
