// SPDX-License-Identifier: Apache-2.0

/** What waits for a handler, bounded by count, bytes and time; the oldest leaves first. */
export class WorkQueue<Item> {
  readonly #maxItems: number
  readonly #maxBytes: number
  readonly #entries: { readonly item: Item; readonly bytes: number; readonly since: number }[] = []
  #bytes = 0

  constructor(limits: { readonly maxItems: number; readonly maxBytes: number }) {
    this.#maxItems = limits.maxItems
    this.#maxBytes = limits.maxBytes
  }

  get size(): number {
    return this.#entries.length
  }

  /** Whether another item of this many bytes may wait. */
  hasRoom(bytes: number): boolean {
    return this.#entries.length < this.#maxItems && this.#bytes + bytes <= this.#maxBytes
  }

  push(item: Item, bytes: number, nowMs: number): void {
    this.#entries.push({ item, bytes, since: nowMs })
    this.#bytes += bytes
  }

  /** The oldest item and how long it has waited. */
  shift(nowMs: number): { readonly item: Item; readonly waitedMs: number } | undefined {
    const entry = this.#entries.shift()
    if (entry === undefined) return undefined
    this.#bytes -= entry.bytes
    return { item: entry.item, waitedMs: nowMs - entry.since }
  }
}
