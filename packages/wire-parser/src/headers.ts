// SPDX-License-Identifier: Apache-2.0
import { isUtf8, maxUtf8Bytes, readText, writeUtf8 } from './utf8.ts'

const CR = 13
const LF = 10
const TAB = 9
const BLANK = 32
const COLON = 58
const VERSION = 'NATS/1.0'

/**
 * A NATS header block as its bytes, read only when asked. Names are case-sensitive, may repeat and keep their order, as
 * on the wire; values are UTF-8, or one character per byte where they are not.
 */
export class HeaderBlock {
  readonly bytes: Uint8Array

  private constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  /** Takes a block as it came; nothing is checked, reading garbage finds nothing and never throws. */
  static fromBytes(bytes: Uint8Array): HeaderBlock {
    return new HeaderBlock(bytes)
  }

  /** Encodes entries in their order; throws TypeError for a name or a value that no block can carry. */
  static from(entries: Iterable<readonly [name: string, value: string]>): HeaderBlock {
    const writer = new HeaderWriter()
    for (const [name, value] of entries) writer.add(name, value)
    return writer.block()
  }

  /** The three digits of the status line, such as 503 for "no responders"; undefined on ordinary messages. */
  get status(): number | undefined {
    return blockStatus(this.bytes)
  }

  /** The text behind the status, '' without one. */
  get description(): string {
    if (this.status === undefined) return ''
    return readText(this.bytes, VERSION.length + 4, lineEnd(this.bytes, 0)).trim()
  }

  /** The first value under exactly this name. */
  get(name: string): string | undefined {
    const cursor = new Cursor(this.bytes)
    while (cursor.next()) {
      if (cursor.isNamed(name)) return cursor.value()
    }
    return undefined
  }

  /** All values under exactly this name, in their order. */
  getAll(name: string): string[] {
    const values: string[] = []
    const cursor = new Cursor(this.bytes)
    while (cursor.next()) {
      if (cursor.isNamed(name)) values.push(cursor.value())
    }
    return values
  }

  has(name: string): boolean {
    const cursor = new Cursor(this.bytes)
    while (cursor.next()) {
      if (cursor.isNamed(name)) return true
    }
    return false
  }

  *entries(): IterableIterator<readonly [name: string, value: string]> {
    const cursor = new Cursor(this.bytes)
    while (cursor.next()) yield [cursor.name(), cursor.value()]
  }
}

/** Reads the status of an encoded block without building anything; undefined when it has none. */
export function blockStatus(bytes: Uint8Array): number | undefined {
  const at = VERSION.length
  if (bytes[at] !== BLANK) return undefined
  for (let i = 0; i < at; i++) {
    if (bytes[i] !== VERSION.charCodeAt(i)) return undefined
  }
  const after = bytes[at + 4]
  if (after !== undefined && after !== BLANK && after !== CR) return undefined
  const hundreds = digit(bytes[at + 1])
  const tens = digit(bytes[at + 2])
  const ones = digit(bytes[at + 3])
  return hundreds < 0 || tens < 0 || ones < 0 ? undefined : hundreds * 100 + tens * 10 + ones
}

function digit(byte: number | undefined): number {
  return byte !== undefined && byte >= 48 && byte <= 57 ? byte - 48 : -1
}

/** The offset of the next CR LF, or the end of the bytes. A lone CR or LF belongs to the line it is in. */
function lineEnd(bytes: Uint8Array, start: number): number {
  for (let at = bytes.indexOf(CR, start); at >= 0; at = bytes.indexOf(CR, at + 1)) {
    if (bytes[at + 1] === LF) return at
  }
  return bytes.length
}

/** Walks the lines of a block; a line without a name is skipped, an empty one ends it. */
class Cursor {
  readonly #bytes: Uint8Array
  #start = 0
  #colon = 0
  #end: number

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#end = lineEnd(bytes, 0)
  }

  next(): boolean {
    for (;;) {
      this.#start = this.#end + 2
      this.#end = lineEnd(this.#bytes, this.#start)
      if (this.#end <= this.#start) return false
      this.#colon = this.#bytes.indexOf(COLON, this.#start)
      if (this.#colon > this.#start && this.#colon < this.#end) return true
    }
  }

  isNamed(name: string): boolean {
    const size = this.#colon - this.#start
    for (let i = 0; i < name.length; i++) {
      const unit = name.charCodeAt(i)
      if (unit >= 0x80) return this.name() === name
      if (i >= size || this.#bytes[this.#start + i] !== unit) return false
    }
    return size === name.length
  }

  name(): string {
    return readText(this.#bytes, this.#start, this.#colon)
  }

  // Blanks after the colon belong to the notation; those at the end are part of the value, as nats.go reads it.
  value(): string {
    let at = this.#colon + 1
    while (at < this.#end && (this.#bytes[at] === BLANK || this.#bytes[at] === TAB)) at++
    return readText(this.#bytes, at, this.#end)
  }
}

/** Builds header blocks in one growing buffer; `block()` leaves it empty for the next one. */
export class HeaderWriter {
  #buffer: Uint8Array = new Uint8Array(256)
  #end: number

  constructor() {
    this.#end = writeUtf8(this.#buffer, 0, `${VERSION}\r\n`)
  }

  /** Adds one line, written as UTF-8; throws TypeError for a name or value that would not be one line. */
  add(name: string, value: string): this {
    checkName(name)
    checkValue(name, value)
    this.#reserve(maxUtf8Bytes(name) + maxUtf8Bytes(value) + 4)
    this.#writeName(name)
    this.#end = writeUtf8(this.#buffer, this.#end, value)
    this.#writeLineEnd()
    return this
  }

  /**
   * Adds one line whose value holds one character per byte, as Node gives HTTP headers. Bytes that are UTF-8 are written
   * as they are, others as the UTF-8 of their latin1 characters, so that a reader always finds text.
   */
  addLatin1(name: string, value: string): this {
    checkName(name)
    checkValue(name, value)
    this.#reserve(maxUtf8Bytes(name) + maxUtf8Bytes(value) + 4)
    this.#writeName(name)
    const start = this.#end
    let widest = 0
    for (let i = 0; i < value.length; i++) widest |= this.#buffer[start + i] = value.charCodeAt(i)
    const end = start + value.length
    const whole = widest < 0x80 || (widest < 0x100 && isUtf8(this.#buffer, start, end))
    this.#end = whole ? end : writeUtf8(this.#buffer, start, value)
    this.#writeLineEnd()
    return this
  }

  /** Adds lines made by `encodeHeaderLines`, unchecked. */
  addEncoded(lines: Uint8Array): this {
    this.#reserve(lines.length)
    this.#buffer.set(lines, this.#end)
    this.#end += lines.length
    return this
  }

  /** Ends the block and hands it out as bytes of its own; the writer is empty again. */
  block(): HeaderBlock {
    this.#reserve(2)
    this.#writeLineEnd()
    const bytes = this.#buffer.slice(0, this.#end)
    this.#end = VERSION.length + 2
    return HeaderBlock.fromBytes(bytes)
  }

  #writeName(name: string): void {
    this.#end = writeUtf8(this.#buffer, this.#end, name)
    this.#buffer[this.#end++] = COLON
    this.#buffer[this.#end++] = BLANK
  }

  #writeLineEnd(): void {
    this.#buffer[this.#end++] = CR
    this.#buffer[this.#end++] = LF
  }

  #reserve(bytes: number): void {
    const needed = this.#end + bytes
    if (needed <= this.#buffer.length) return
    const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2))
    grown.set(this.#buffer.subarray(0, this.#end))
    this.#buffer = grown
  }
}

/** Encodes lines that never change once, for `HeaderWriter.addEncoded`. */
export function encodeHeaderLines(entries: Iterable<readonly [name: string, value: string]>): Uint8Array {
  const block = HeaderBlock.from(entries).bytes
  return block.slice(VERSION.length + 2, block.length - 2)
}

function checkName(name: string): void {
  if (name === '') throw new TypeError('header name: is empty')
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i)
    if (unit <= BLANK || unit === COLON || (unit >= 0x7f && unit <= 0xa0)) {
      throw new TypeError(
        `header name ${JSON.stringify(name)}: character ${i} is a colon, a blank or a control character`,
      )
    }
  }
}

function checkValue(name: string, value: string): void {
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i)
    if (unit === CR || unit === LF || unit === 0) {
      throw new TypeError(`header ${JSON.stringify(name)}: character ${i} of the value is CR, LF or NUL`)
    }
  }
}
