// SPDX-License-Identifier: Apache-2.0
import { foldKey } from './json-fields.ts'
import { isNull, type JsonMember, scanObject } from './json-scan.ts'
import { maxUtf8Bytes, writeUtf8 } from './utf8.ts'

/** What a field can be set to; undefined takes it out. */
export type JsonChange = string | number | bigint | boolean | null | readonly string[] | undefined

const emptyObject = Uint8Array.of(123, 125)

/**
 * Sets and removes top-level fields of a JSON object in its bytes: everything else stays as it is, byte for byte. Every
 * key that folds to a changed one is the same field, so afterwards there is one such member, or none. Undefined if the
 * JSON is no object; null is taken for an empty one.
 */
export function patchJson(json: Uint8Array, changes: Readonly<Record<string, JsonChange>>): Uint8Array | undefined {
  const source = isNull(json) ? emptyObject : json
  const members = scanObject(source)
  if (members === undefined) return undefined
  const pending = new Map(Object.entries(changes).map(([name, value]) => [foldKey(name), memberText(name, value)]))
  const output = new Output(source, members)
  for (const [at, { key }] of members.entries()) {
    const name = foldKey(key)
    const text = pending.get(name)
    if (!pending.has(name)) output.keep(at)
    else if (text !== undefined) output.replace(at, text)
    // A field that comes again is the one that was set already.
    if (text !== undefined) pending.set(name, undefined)
  }
  for (const text of pending.values()) if (text !== undefined) output.add(text)
  return output.bytes()
}

function memberText(name: string, value: JsonChange): string | undefined {
  if (value === undefined) return undefined
  return `${JSON.stringify(name)}:${typeof value === 'bigint' ? value : JSON.stringify(value)}`
}

/** Puts the members together again with what stood between them. */
class Output {
  readonly #source: Uint8Array
  readonly #members: readonly JsonMember[]
  readonly #pieces: Uint8Array[] = []
  #count = 0

  constructor(source: Uint8Array, members: readonly JsonMember[]) {
    this.#source = source
    this.#members = members
    this.#pieces.push(source.subarray(0, members[0]?.start ?? source.indexOf(123) + 1))
  }

  keep(at: number): void {
    this.#separate(at)
    this.#pieces.push(this.#source.subarray(this.#members[at]?.start, this.#members[at]?.valueEnd))
  }

  replace(at: number, text: string): void {
    this.#separate(at)
    this.#pieces.push(utf8(text))
  }

  add(text: string): void {
    this.#pieces.push(utf8(this.#count++ === 0 ? text : `,${text}`))
  }

  bytes(): Uint8Array {
    const last = this.#members.at(-1)
    this.#pieces.push(this.#source.subarray(last?.valueEnd ?? this.#source.indexOf(123) + 1))
    const whole = new Uint8Array(this.#pieces.reduce((sum, { length }) => sum + length, 0))
    let at = 0
    for (const piece of this.#pieces) {
      whole.set(piece, at)
      at += piece.length
    }
    return whole
  }

  #separate(at: number): void {
    if (this.#count++ > 0) {
      this.#pieces.push(this.#source.subarray(this.#members[at - 1]?.valueEnd, this.#members[at]?.start))
    }
  }
}

function utf8(text: string): Uint8Array {
  const bytes = new Uint8Array(maxUtf8Bytes(text))
  return bytes.subarray(0, writeUtf8(bytes, 0, text))
}
