// SPDX-License-Identifier: Apache-2.0
import { randomFillSync } from 'node:crypto'

const digits = Buffer.from('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz')
const pool = Buffer.alloc(4096)
const id = Buffer.alloc(22)
let at = pool.length

/** Makes an id of 22 base62 characters: more than 128 random bits. */
export function connectionId(): string {
  let length = 0
  while (length < id.length) {
    if (at === pool.length) {
      randomFillSync(pool)
      at = 0
    }
    const value = (pool[at++] ?? 0) & 63
    // 62 and 63 would favour two digits.
    if (value < digits.length) id[length++] = digits[value] ?? 0
  }
  // At once: character by character it would be made of as many strings.
  return id.toString('latin1')
}
