// SPDX-License-Identifier: Apache-2.0
import { randomFillSync } from 'node:crypto'

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const length = 22
const pool = Buffer.alloc(4096)
let at = pool.length

/** Makes an id of 22 base62 characters: more than 128 random bits. */
export function connectionId(): string {
  let id = ''
  while (id.length < length) {
    if (at === pool.length) {
      randomFillSync(pool)
      at = 0
    }
    const value = (pool[at++] ?? 0) & 63
    // 62 and 63 would favour two digits.
    if (value < 62) id += digits[value] ?? ''
  }
  return id
}
