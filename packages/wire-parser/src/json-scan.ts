// SPDX-License-Identifier: Apache-2.0
import { pointAt, sequenceBytes } from './utf8.ts'

// RFC 8259 over bytes, as Go's encoding/json reads it: strict syntax, nesting up to 10,000, but bytes in strings need not
// be UTF-8, and escapes need not be pairs. Scanning gives offsets, so that the bytes nobody asks about can stay.

const QUOTE = 34
const COMMA = 44
const MINUS = 45
const DOT = 46
const ZERO = 48
const NINE = 57
const COLON = 58
const OPEN_ARRAY = 91
const BACKSLASH = 92
const LOWER_U = 117
const OPEN_OBJECT = 123
// Both brackets are two code points in front of the one that closes them.
const toClosing = 2
const deepest = 10_000
const REPLACEMENT = '\uFFFD'

/** One member of an object, as offsets into its JSON. */
export interface JsonMember {
  /** The key with its escapes resolved. */
  readonly key: string
  /** Where the quote before the key is. */
  readonly start: number
  readonly valueStart: number
  readonly valueEnd: number
}

/** Lists the members of the object at `from`, undefined if the JSON from there to its end is no whole object. */
export function scanObject(json: Uint8Array, from = 0): JsonMember[] | undefined {
  const members: JsonMember[] = []
  let at = skipSpace(json, from)
  if (json[at] !== OPEN_OBJECT) return undefined
  at = skipSpace(json, at + 1)
  if (json[at] === OPEN_OBJECT + toClosing) return isRest(json, at + 1) ? members : undefined
  for (;;) {
    const start = at
    const valueStart = skipKey(json, at)
    const valueEnd = valueStart < 0 ? -1 : skipValue(json, valueStart)
    if (valueEnd < 0) return undefined
    members.push({ key: readString(json, start), start, valueStart, valueEnd })
    at = skipSpace(json, valueEnd)
    if (json[at] === OPEN_OBJECT + toClosing) return isRest(json, at + 1) ? members : undefined
    if (json[at] !== COMMA) return undefined
    at = skipSpace(json, at + 1)
  }
}

/** Lists where each element of the array at `from` begins; the JSON was scanned before, so it is well-formed. */
export function scanElements(json: Uint8Array, from: number): number[] {
  const starts: number[] = []
  let at = skipSpace(json, from + 1)
  while (json[at] !== OPEN_ARRAY + toClosing) {
    starts.push(at)
    at = skipSpace(json, skipValue(json, at))
    if (json[at] === COMMA) at = skipSpace(json, at + 1)
  }
  return starts
}

/** Whether nothing but white space is left. */
function isRest(json: Uint8Array, at: number): boolean {
  return skipSpace(json, at) === json.length
}

/** Whether the whole JSON is `null`. */
export function isNull(json: Uint8Array): boolean {
  const at = skipSpace(json, 0)
  return json[at] === 110 && skipWord(json, at, 'null') > 0 && isRest(json, at + 4)
}

function skipSpace(json: Uint8Array, from: number): number {
  let at = from
  for (;;) {
    const byte = json[at]
    if (byte !== 32 && byte !== 9 && byte !== 10 && byte !== 13) return at
    at++
  }
}

/** From the quote of a key to the first byte of its value; -1 if that is no key. */
function skipKey(json: Uint8Array, from: number): number {
  const end = skipString(json, from)
  if (end < 0) return -1
  const colon = skipSpace(json, end)
  return json[colon] === COLON ? skipSpace(json, colon + 1) : -1
}

/** The offset behind the value that begins at `from`; -1 if none does. Works without recursion, whatever the nesting. */
function skipValue(json: Uint8Array, from: number): number {
  const closing: number[] = []
  let at = from
  for (;;) {
    const byte = json[at]
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      if (closing.push(byte + toClosing) >= deepest) return -1
      at = skipSpace(json, at + 1)
      if (json[at] !== byte + toClosing) {
        if (byte === OPEN_OBJECT) at = skipKey(json, at)
        if (at < 0) return -1
        continue
      }
    } else {
      at = skipScalar(json, at)
      if (at < 0) return -1
    }
    at = skipToNext(json, at, closing)
    if (at < 0 || closing.length === 0) return at
  }
}

/** Behind a value: closes what ends here and goes on to the next value in what is still open. */
function skipToNext(json: Uint8Array, from: number, closing: number[]): number {
  let at = from
  for (;;) {
    const close = closing.at(-1)
    if (close === undefined) return at
    at = skipSpace(json, at)
    if (json[at] === COMMA) {
      at = skipSpace(json, at + 1)
      return close === OPEN_OBJECT + toClosing ? skipKey(json, at) : at
    }
    if (json[at] !== close) return -1
    closing.pop()
    at++
  }
}

function skipScalar(json: Uint8Array, at: number): number {
  switch (json[at]) {
    case QUOTE:
      return skipString(json, at)
    case 116:
      return skipWord(json, at, 'true')
    case 102:
      return skipWord(json, at, 'false')
    case 110:
      return skipWord(json, at, 'null')
    default:
      return skipNumber(json, at)
  }
}

function skipWord(json: Uint8Array, at: number, word: string): number {
  for (let i = 0; i < word.length; i++) {
    if (json[at + i] !== word.charCodeAt(i)) return -1
  }
  return at + word.length
}

function skipString(json: Uint8Array, from: number): number {
  if (json[from] !== QUOTE) return -1
  for (let at = from + 1; at < json.length; at++) {
    const byte = json[at] as number
    if (byte === QUOTE) return at + 1
    if (byte < 32) return -1
    if (byte === BACKSLASH) {
      at++
      if (json[at] === LOWER_U) {
        if (hexAt(json, at + 1) < 0) return -1
        at += 4
      } else if (!escapes.has(json[at] ?? 0)) return -1
    }
  }
  return -1
}

function skipNumber(json: Uint8Array, from: number): number {
  let at = json[from] === MINUS ? from + 1 : from
  if (json[at] === ZERO) at++
  else at = skipDigits(json, at)
  if (at >= 0 && json[at] === DOT) at = skipDigits(json, at + 1)
  if (at >= 0 && (json[at] === 101 || json[at] === 69)) {
    const sign = json[at + 1]
    at = skipDigits(json, sign === 43 || sign === MINUS ? at + 2 : at + 1)
  }
  return at
}

function skipDigits(json: Uint8Array, from: number): number {
  let at = from
  while ((json[at] ?? 0) >= ZERO && (json[at] ?? 0) <= NINE) at++
  return at > from ? at : -1
}

const escapes: ReadonlyMap<number, string> = new Map(
  Object.entries({ '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }).map(
    ([letter, meaning]) => [letter.charCodeAt(0), meaning],
  ),
)

/** Four hexadecimal digits as a number; -1 if they are not. */
function hexAt(json: Uint8Array, at: number): number {
  let value = 0
  for (let i = at; i < at + 4; i++) {
    const byte = json[i] ?? 0
    const letter = byte | 0x20
    const digit = byte >= ZERO && byte <= NINE ? byte - ZERO : letter >= 97 && letter <= 102 ? letter - 87 : -1
    if (digit < 0) return -1
    value = value * 16 + digit
  }
  return value
}

/** Reads the string at `from`, which was scanned before. What is no character becomes U+FFFD, as it does in Go. */
export function readString(json: Uint8Array, from: number): string {
  let text = ''
  for (let at = from + 1; json[at] !== QUOTE;) {
    const byte = json[at] as number
    if (byte === BACKSLASH) {
      const isUnit = json[at + 1] === LOWER_U
      text += isUnit ? String.fromCharCode(hexAt(json, at + 2)) : (escapes.get(json[at + 1] as number) ?? '')
      at += isUnit ? 6 : 2
    } else {
      const size = sequenceBytes(json, at, json.length)
      text += size === 0 ? REPLACEMENT : String.fromCodePoint(pointAt(json, at, size))
      at += Math.max(1, size)
    }
  }
  return text.replaceAll(/[\uD800-\uDFFF]/gu, REPLACEMENT)
}
