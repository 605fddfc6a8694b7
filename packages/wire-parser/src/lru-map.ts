// SPDX-License-Identifier: Apache-2.0

interface Entry<Key, Value> {
  readonly key: Key
  value: Value
  older: Entry<Key, Value> | undefined
  younger: Entry<Key, Value> | undefined
}

/**
 * A map that knows which key was used least recently, and drops it for a new one above `maxEntries`. Using one takes the same time however many there are, which
 * deleting it from a `Map` and putting it back does not.
 */
export class LruMap<Key, Value> {
  readonly #maxEntries: number
  readonly #entries = new Map<Key, Entry<Key, Value>>()
  #oldest: Entry<Key, Value> | undefined
  #youngest: Entry<Key, Value> | undefined

  constructor(maxEntries: number = Infinity) {
    this.#maxEntries = maxEntries
  }

  get size(): number {
    return this.#entries.size
  }

  /** The key that was used least recently. */
  get oldest(): Key | undefined {
    return this.#oldest?.key
  }

  /** The value of a key, which is the one used last from now on. */
  get(key: Key): Value | undefined {
    const entry = this.#entries.get(key)
    if (entry !== undefined) this.#use(entry)
    return entry?.value
  }

  /** Sets the value of a key, which is the one used last from now on. */
  set(key: Key, value: Value): void {
    const known = this.#entries.get(key)
    if (known !== undefined) {
      known.value = value
      this.#use(known)
      return
    }
    if (this.#oldest !== undefined && this.size >= this.#maxEntries) this.delete(this.#oldest.key)
    const entry: Entry<Key, Value> = { key, value, older: undefined, younger: undefined }
    this.#entries.set(key, entry)
    this.#append(entry)
  }

  /** Takes a key out and gives its value. */
  delete(key: Key): Value | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    this.#unlink(entry)
    return entry.value
  }

  clear(): void {
    this.#entries.clear()
    this.#oldest = undefined
    this.#youngest = undefined
  }

  /** Keys and values, the one used least recently first. */
  *[Symbol.iterator](): Generator<[Key, Value], undefined> {
    for (let entry = this.#oldest; entry !== undefined; entry = entry.younger) yield [entry.key, entry.value]
  }

  #use(entry: Entry<Key, Value>): void {
    if (entry === this.#youngest) return
    this.#unlink(entry)
    this.#append(entry)
  }

  #append(entry: Entry<Key, Value>): void {
    entry.older = this.#youngest
    entry.younger = undefined
    if (this.#youngest === undefined) this.#oldest = entry
    else this.#youngest.younger = entry
    this.#youngest = entry
  }

  #unlink({ older, younger }: Entry<Key, Value>): void {
    if (older === undefined) this.#oldest = younger
    else older.younger = younger
    if (younger === undefined) this.#youngest = older
    else younger.older = older
  }
}
