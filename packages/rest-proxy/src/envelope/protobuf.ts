// SPDX-License-Identifier: Apache-2.0
import { EnvelopeError } from './envelope-error.ts'

// The wire format of Protocol Buffers, as far as the envelope needs it. Strings are bytes, one char each: the programs
// at the other end do not check for UTF-8, so neither side may change what it cannot read.

const varintType = 0
const fixed64Type = 1
/** Wire type of strings, bytes and nested messages. */
const lengthDelimited = 2
const fixed32Type = 5

const maxTag = 0xffffffff
const shortText = 32
const windowBytes = 1024

/** The number of bytes `writeVarint` takes for a length or tag. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x200000) return 3
  return value < 0x10000000 ? 4 : 5
}

/** Writes an unsigned number below 2^32 and returns the position behind it. */
export function writeVarint(target: Buffer, at: number, value: number): number {
  let rest = value
  let position = at
  while (rest > 0x7f) {
    target[position++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  target[position++] = rest
  return position
}

/** An int32 on the wire is a 64-bit varint, so a negative one takes ten bytes. */
export function int32Size(value: number): number {
  return value < 0 ? 10 : varintSize(value)
}

/** Writes an int32 and returns the position behind it. */
export function writeInt32(target: Buffer, at: number, value: number): number {
  if (value >= 0) return writeVarint(target, at, value)
  let position = at
  let rest = value
  for (let index = 0; index < 5; index++) {
    target[position++] = (rest & 0x7f) | 0x80
    rest >>= 7
  }
  for (let index = 0; index < 4; index++) target[position++] = 0xff
  target[position++] = 1
  return position
}

/** The size of a length-delimited field whose tag takes one byte. */
export function fieldSize(length: number): number {
  return 1 + varintSize(length) + length
}

/** Writes a string field, one byte per char, and returns the position behind it. */
export function writeText(target: Buffer, at: number, tag: number, text: string): number {
  target[at] = tag
  const start = writeVarint(target, at + 1, text.length)
  if (text.length > shortText) return start + target.write(text, start, 'latin1')
  // Below some thirty chars the call into the runtime costs more than the loop.
  for (let index = 0; index < text.length; index++) target[start + index] = text.charCodeAt(index)
  return start + text.length
}

/** Writes a bytes field and returns the position behind it. */
export function writeBytes(target: Buffer, at: number, tag: number, bytes: Uint8Array): number {
  target[at] = tag
  const start = writeVarint(target, at + 1, bytes.length)
  target.set(bytes, start)
  return start + bytes.length
}

/** Walks over the fields of a message in place. Every method throws EnvelopeError when the bytes end too early. */
export class ProtobufReader {
  readonly #bytes: Buffer
  #position = 0
  // Where the message being read ends: the whole, or the nested one that `enter()` began.
  #end: number
  // A stretch of the message as text: one call into the runtime serves many short fields.
  #window = ''
  #windowStart = 0
  #windowEnd = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#end = bytes.length
  }

  get atEnd(): boolean {
    return this.#position >= this.#end
  }

  /** Goes back to the first field of the whole message. */
  rewind(): void {
    this.#position = 0
    this.#end = this.#bytes.length
  }

  /** Reads the tag of the next field: `fieldNumber * 8 + wireType`. */
  tag(): number {
    const first = this.#bytes[this.#position] ?? 0
    if (first < 0x80 && first > 7 && this.#position < this.#end) {
      this.#position++
      return first
    }
    const tag = this.varint()
    if (tag > maxTag || tag < 8) throw new EnvelopeError('a field number is out of range')
    return tag
  }

  /** Reads an unsigned varint; above 2^53 only its magnitude is right. */
  varint(): number {
    let value = 0
    let factor = 1
    for (let length = 1; length <= 10; length++) {
      const byte = this.#byte()
      value += (byte & 0x7f) * factor
      if (byte < 0x80) {
        if (length === 10 && byte > 1) break
        return value
      }
      factor *= 128
    }
    throw new EnvelopeError('a varint is longer than 64 bits')
  }

  /** Reads a signed 32-bit number: the low half of a 64-bit varint. */
  int32(): number {
    let value = 0
    for (let length = 1; length <= 10; length++) {
      const byte = this.#byte()
      if (length <= 5) value |= (byte & 0x7f) << ((length - 1) * 7)
      if (byte < 0x80) {
        if (length === 10 && byte > 1) break
        return value
      }
    }
    throw new EnvelopeError('a varint is longer than 64 bits')
  }

  /** Reads a boolean: any varint but zero is true. */
  boolean(): boolean {
    return this.varint() !== 0
  }

  /** Reads a string field, one char per byte. */
  text(): string {
    const end = this.#delimited()
    const start = this.#position
    this.#position = end
    if (start === end) return ''
    if (start < this.#windowStart || end > this.#windowEnd) {
      if (end - start > windowBytes) return this.#bytes.toString('latin1', start, end)
      this.#openWindow(start)
    }
    return this.#window.substring(start - this.#windowStart, end - this.#windowStart)
  }

  /** Reads a bytes field as a view. */
  view(): Uint8Array {
    const end = this.#delimited()
    const start = this.#position
    this.#position = end
    return this.#bytes.subarray(start, end)
  }

  /** Begins a nested message and returns the end of the one around it, for `leave()`. */
  enter(): number {
    const outer = this.#end
    this.#end = this.#delimited()
    return outer
  }

  leave(outer: number): void {
    this.#position = this.#end
    this.#end = outer
  }

  /** Passes over a field nobody knows. Groups are refused, so nothing nests deeper than the messages themselves. */
  skip(tag: number): void {
    switch (tag & 7) {
      case varintType:
        this.varint()
        return
      case fixed64Type:
        this.#advance(8)
        return
      case lengthDelimited:
        this.#position = this.#delimited()
        return
      case fixed32Type:
        this.#advance(4)
        return
      default:
        throw new EnvelopeError('groups and unknown wire types are not accepted')
    }
  }

  /** Reads a length and returns where the field ends, which is inside the current message. */
  #delimited(): number {
    const first = this.#bytes[this.#position] ?? 0x80
    const end = first < 0x80 && this.#position < this.#end ? this.#position++ + 1 + first : this.#longDelimited()
    if (end > this.#end) throw new EnvelopeError('a length points behind the end')
    return end
  }

  #longDelimited(): number {
    const length = this.varint()
    return this.#position + length
  }

  #openWindow(start: number): void {
    this.#windowStart = start
    this.#windowEnd = Math.min(start + windowBytes, this.#bytes.length)
    this.#window = this.#bytes.toString('latin1', start, this.#windowEnd)
  }

  #byte(): number {
    if (this.#position >= this.#end) throw new EnvelopeError('the message ends inside a field')
    return this.#bytes[this.#position++] ?? 0
  }

  #advance(count: number): void {
    if (count > this.#end - this.#position) throw new EnvelopeError('the message ends inside a field')
    this.#position += count
  }
}
