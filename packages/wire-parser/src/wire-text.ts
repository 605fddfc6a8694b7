// SPDX-License-Identifier: Apache-2.0
import { readText } from './utf8.ts'

// Subjects repeat. A short ASCII text that was read before is found again without making a string.
const slots = 1024
const longest = 64
const known: string[] = Array.from({ length: slots }, () => '')

/** Reads bytes as `readText` does, but gives the same string again for short texts that repeat. */
export function readRepeated(bytes: Uint8Array, start: number, end: number): string {
  let hash = end - start
  let widest = 0
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number
    hash = (Math.imul(hash, 31) + byte) | 0
    widest |= byte
  }
  if (widest >= 0x80) return readText(bytes, start, end)
  if (end - start > longest) return readAscii(bytes, start, end)
  const slot = (hash ^ (hash >>> 10) ^ (hash >>> 20)) & (slots - 1)
  const candidate = known[slot] as string
  if (isText(candidate, bytes, start, end)) return candidate
  const text = readAscii(bytes, start, end)
  known[slot] = text
  return text
}

function isText(text: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (text.length !== end - start) return false
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) !== bytes[start + i]) return false
  }
  return true
}

// Every string on the way to the last one costs, so they are few.
function readAscii(bytes: Uint8Array, start: number, end: number): string {
  const at = (offset: number): number => bytes[offset] as number
  let text = ''
  let i = start
  for (; i + 8 <= end; i += 8) {
    text += String.fromCharCode(at(i), at(i + 1), at(i + 2), at(i + 3), at(i + 4), at(i + 5), at(i + 6), at(i + 7))
  }
  if (i + 4 <= end) {
    text += String.fromCharCode(at(i), at(i + 1), at(i + 2), at(i + 3))
    i += 4
  }
  for (; i < end; i++) text += String.fromCharCode(at(i))
  return text
}
