// SPDX-License-Identifier: Apache-2.0

/** A number from 0 up to, and without, 1. */
export type Random = () => number

/** The same numbers for the same seed (mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A whole number between both, both included. */
export function whole([least, most]: readonly [number, number], random: Random): number {
  return least + Math.floor(random() * (most - least + 1))
}
