// SPDX-License-Identifier: Apache-2.0
import { canonicalHeaderName } from '../envelope/nats-proxy.ts'
import { bytesToText, textToBytes } from './byte-text.ts'

/** Headers to start from: another set, or names with one value or several. */
export type HeadersInput = ServiceHeaders | Readonly<Record<string, string | readonly string[]>>

const tokenOnly = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const splitsLines = /[\r\n\0]/

/**
 * The headers of a request or an answer: names in any case, values in order. Values are UTF-8 where they can be and
 * latin1 elsewhere; `getBytes()` gives what was really sent.
 */
export class ServiceHeaders {
  // Name, value, name, value: one char per byte, as in the envelope. The given list is copied at the first change.
  #flat: readonly string[]
  #own: string[] | undefined

  constructor(flat: readonly string[] = []) {
    this.#flat = flat
  }

  static from(input: HeadersInput): ServiceHeaders {
    if (input instanceof ServiceHeaders) return new ServiceHeaders(input.toLatin1())
    const headers = new ServiceHeaders()
    for (const [name, value] of Object.entries(input)) {
      for (const each of typeof value === 'string' ? [value] : value) headers.append(name, each)
    }
    return headers
  }

  /** The first value, or undefined. */
  get(name: string): string | undefined {
    const at = this.#find(name, 0)
    return at < 0 ? undefined : bytesToText(this.#flat[at + 1] ?? '')
  }

  /** The bytes of the first value, or undefined. */
  getBytes(name: string): Uint8Array | undefined {
    const at = this.#find(name, 0)
    return at < 0 ? undefined : Buffer.from(this.#flat[at + 1] ?? '', 'latin1')
  }

  getAll(name: string): string[] {
    const values: string[] = []
    for (let at = this.#find(name, 0); at >= 0; at = this.#find(name, at + 2)) {
      values.push(bytesToText(this.#flat[at + 1] ?? ''))
    }
    return values
  }

  has(name: string): boolean {
    return this.#find(name, 0) >= 0
  }

  /** Replaces all values of a name. Throws TypeError for an illegal name and for CR, LF or NUL in the value. */
  set(name: string, value: string | Uint8Array): this {
    const bytes = headerBytes(name, value)
    this.delete(name)
    this.#owned().push(canonicalHeaderName(name), bytes)
    return this
  }

  /** Adds a value behind those there are. Throws as `set()` does. */
  append(name: string, value: string | Uint8Array): this {
    const bytes = headerBytes(name, value)
    this.#owned().push(canonicalHeaderName(name), bytes)
    return this
  }

  delete(name: string): this {
    let at = this.#find(name, 0)
    while (at >= 0) {
      this.#owned().splice(at, 2)
      at = this.#find(name, at)
    }
    return this
  }

  *[Symbol.iterator](): IterableIterator<[name: string, value: string]> {
    for (let at = 0; at < this.#flat.length; at += 2) {
      yield [this.#flat[at] ?? '', bytesToText(this.#flat[at + 1] ?? '')]
    }
  }

  /** Name, value, name, value, with one char per byte. */
  toLatin1(): readonly string[] {
    this.#own = undefined
    return this.#flat
  }

  #owned(): string[] {
    this.#own ??= [...this.#flat]
    this.#flat = this.#own
    return this.#own
  }

  #find(name: string, from: number): number {
    const flat = this.#flat
    if (flat.length === 0) return -1
    const canonical = canonicalHeaderName(name)
    for (let at = from; at < flat.length; at += 2) {
      const other = flat[at] ?? ''
      if (other === canonical) return at
      if (other.length === name.length && canonicalHeaderName(other) === canonical) return at
    }
    return -1
  }
}

function headerBytes(name: string, value: string | Uint8Array): string {
  if (!tokenOnly.test(name)) throw new TypeError(`header name ${JSON.stringify(name)}: not a token`)
  const bytes = typeof value === 'string' ? textToBytes(value) : Buffer.from(value).toString('latin1')
  if (splitsLines.test(bytes)) throw new TypeError(`header ${name}: CR, LF or NUL in the value`)
  return bytes
}
