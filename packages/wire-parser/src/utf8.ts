// SPDX-License-Identifier: Apache-2.0

// The root has neither Buffer nor TextEncoder, so text becomes bytes, and bytes text, here.

const REPLACEMENT = 0xfffd

/** Most bytes `writeUtf8` may need for `text`. */
export function maxUtf8Bytes(text: string): number {
  return text.length * 3
}

/** Writes `text` as UTF-8 from `offset` on, a lone surrogate as U+FFFD; returns the offset behind it. */
export function writeUtf8(into: Uint8Array, offset: number, text: string): number {
  let at = offset
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) {
      into[at++] = unit
      continue
    }
    const point = text.codePointAt(i) ?? unit
    if (point > 0xffff) i++
    at = writePoint(into, at, point >= 0xd800 && point <= 0xdfff ? REPLACEMENT : point)
  }
  return at
}

function writePoint(into: Uint8Array, offset: number, point: number): number {
  let at = offset
  if (point < 0x800) {
    into[at++] = 0xc0 | (point >> 6)
  } else if (point < 0x10000) {
    into[at++] = 0xe0 | (point >> 12)
    into[at++] = 0x80 | ((point >> 6) & 0x3f)
  } else {
    into[at++] = 0xf0 | (point >> 18)
    into[at++] = 0x80 | ((point >> 12) & 0x3f)
    into[at++] = 0x80 | ((point >> 6) & 0x3f)
  }
  into[at++] = 0x80 | (point & 0x3f)
  return at
}

/** Reads bytes as UTF-8 where all of them are, else one character per byte. */
export function readText(bytes: Uint8Array, start: number, end: number): string {
  for (let i = start; i < end; i++) {
    if ((bytes[i] ?? 0) >= 0x80) return readUtf8(bytes, start, end) ?? readLatin1(bytes, start, end)
  }
  return readLatin1(bytes, start, end)
}

function readLatin1(bytes: Uint8Array, start: number, end: number): string {
  let text = ''
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i] ?? 0)
  return text
}

function readUtf8(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = ''
  for (let at = start; at < end;) {
    const size = sequenceBytes(bytes, at, end)
    if (size === 0) return undefined
    text += String.fromCodePoint(pointAt(bytes, at, size))
    at += size
  }
  return text
}

/** Tells whether every byte belongs to a well-formed UTF-8 sequence. */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end;) {
    const size = sequenceBytes(bytes, at, end)
    if (size === 0) return false
    at += size
  }
  return true
}

// RFC 3629, section 4: 0 for anything that is not one of its sequences, so no overlong form and no surrogate passes.
export function sequenceBytes(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at] ?? 0
  if (lead < 0x80) return 1
  const size = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0
  if (size === 0 || at + size > end) return 0
  const second = bytes[at + 1] ?? 0
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
  if (second < low || second > high) return 0
  for (let i = at + 2; i < at + size; i++) {
    if (((bytes[i] ?? 0) & 0xc0) !== 0x80) return 0
  }
  return size
}

export function pointAt(bytes: Uint8Array, at: number, size: number): number {
  const lead = bytes[at] ?? 0
  if (size === 1) return lead
  let point = lead & (0x7f >> size)
  for (let i = at + 1; i < at + size; i++) point = (point << 6) | ((bytes[i] ?? 0) & 0x3f)
  return point
}
