// SPDX-License-Identifier: Apache-2.0
import { readText } from './utf8.ts'

// Subjects repeat. A short ASCII text that was read before is found again without making a string.
const slots = 1024
const longest = 64
const known: string[] = Array.from({ length: slots }, () => '')

/** Reads bytes as `readText` does, but gives the same string again for short texts that repeat. */
export function readRepeated(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > longest) return readText(bytes, start, end)
  let hash = end - start
  let widest = 0
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number
    hash = (Math.imul(hash, 31) + byte) | 0
    widest |= byte
  }
  if (widest >= 0x80) return readText(bytes, start, end)
  const slot = (hash ^ (hash >>> 10) ^ (hash >>> 20)) & (slots - 1)
  const candidate = known[slot] as string
  if (isAscii(candidate, bytes, start, end)) return candidate
  const text = readAscii(bytes, start, end)
  known[slot] = text
  return text
}

function isAscii(text: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (text.length !== end - start) return false
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) !== bytes[start + i]) return false
  }
  return true
}

function readAscii(bytes: Uint8Array, start: number, end: number): string {
  let text = ''
  for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at] as number)
  return text
}
