// SPDX-License-Identifier: Apache-2.0
import { bytesToText } from './byte-text.ts'

const percent = 0x25
const plus = 0x2b
const blank = 0x20

/** Decodes percent-escapes once, and `+` as a blank in forms; undefined if an escape is malformed. */
export function decodeEscapes(text: string, form: boolean): string | undefined {
  if (!text.includes('%') && !(form && text.includes('+'))) return bytesToText(text)
  const bytes = Buffer.allocUnsafe(text.length)
  let length = 0
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (char !== percent) {
      bytes[length++] = form && char === plus ? blank : char
      continue
    }
    const value = hexDigit(text.charCodeAt(at + 1)) * 16 + hexDigit(text.charCodeAt(at + 2))
    if (!(value >= 0)) return undefined
    bytes[length++] = value
    at += 2
  }
  return bytesToText(bytes.toString('latin1', 0, length))
}

/** NaN for anything but a hexadecimal digit, the end of the text included. */
function hexDigit(char: number): number {
  if (char >= 0x30 && char <= 0x39) return char - 0x30
  const lower = char | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : Number.NaN
}
