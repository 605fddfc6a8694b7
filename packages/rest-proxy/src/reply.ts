// SPDX-License-Identifier: Apache-2.0

/** The headers of a reply, as a hook may read and change them: names without case, order kept, values repeatable. */
export class ReplyHeaders {
  readonly #flat: string[]

  /** Takes over name, value, name, value. */
  constructor(flat: readonly string[]) {
    this.#flat = [...flat]
  }

  get(name: string): string | undefined {
    const at = this.#find(name, 0)
    return at === -1 ? undefined : this.#flat[at + 1]
  }

  getAll(name: string): string[] {
    const values: string[] = []
    for (let at = this.#find(name, 0); at !== -1; at = this.#find(name, at + 2)) values.push(this.#flat[at + 1] ?? '')
    return values
  }

  /** Replaces every value of the name. */
  set(name: string, value: string | number): void {
    this.delete(name)
    this.append(name, value)
  }

  append(name: string, value: string | number): void {
    this.#flat.push(name, String(value))
  }

  delete(name: string): void {
    for (let at = this.#find(name, 0); at !== -1; at = this.#find(name, at)) this.#flat.splice(at, 2)
  }

  *entries(): IterableIterator<readonly [name: string, value: string]> {
    for (let at = 0; at < this.#flat.length; at += 2) yield [this.#flat[at] ?? '', this.#flat[at + 1] ?? '']
  }

  /** Name, value, name, value. */
  toFlat(): readonly string[] {
    return this.#flat
  }

  #find(name: string, from: number): number {
    const lower = name.toLowerCase()
    for (let at = from; at < this.#flat.length; at += 2) {
      const candidate = this.#flat[at]
      if (candidate?.length === name.length && candidate.toLowerCase() === lower) return at
    }
    return -1
  }
}

/** What a service answered, decoded and owned by this request. */
export interface Reply {
  status: number
  /** Name, value, name, value; latin1 text as it goes onto the wire. */
  headers: readonly string[]
  body: Uint8Array
  /** nats-proxy's DoUpgrade. */
  upgrade: boolean
}
