// SPDX-License-Identifier: Apache-2.0
import { isUtf8 } from 'node:buffer'

// Text of the envelope holds one char per byte; people want characters.

const beyondAscii = /[^\0-\x7f]/

/** The characters of bytes given one per char: UTF-8 if they are, else latin1, which is the text itself. */
export function bytesToText(latin1: string): string {
  if (!beyondAscii.test(latin1)) return latin1
  const bytes = Buffer.from(latin1, 'latin1')
  return isUtf8(bytes) ? bytes.toString('utf8') : latin1
}

/** The UTF-8 bytes of a text, one per char. */
export function textToBytes(text: string): string {
  return beyondAscii.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text
}
