// SPDX-License-Identifier: Apache-2.0

/** A number, or bounds between which it is drawn by the seed. */
export type Drawn = number | readonly [least: number, most: number]

/** What befalls the bytes of one direction; nothing of it changes their order. */
export interface Chaos {
  /** How late each chunk is. */
  readonly delayMs?: Drawn
  /** Sizes of the chunks that what is written is split into. */
  readonly chunkBytes?: Drawn
  /** How fast bytes are taken: a slow reader. */
  readonly bytesPerSecond?: number
  /** Cuts the connection, for both ends, after so many bytes. */
  readonly cutAfterBytes?: Drawn
  /** Loses all that follows so many bytes, an end of the connection too: half-open. */
  readonly loseAfterBytes?: Drawn
}

/** Chaos of both directions. */
export interface LinkChaos {
  readonly toServer?: Chaos
  readonly toClient?: Chaos
}

/** Numbers of 0 and more, below 1; the same for the same seed. */
export type Random = () => number

/** Makes a generator (mulberry32): small, and good enough to draw sizes and delays. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Draws a whole number. */
export function draw(drawn: Drawn, random: Random): number {
  if (typeof drawn === 'number') return drawn
  const [least, most] = drawn
  return least + Math.floor(random() * (most - least + 1))
}

/** Checks the chaos of a link: throws RangeError naming the number. */
export function checkChaos({ toServer, toClient }: LinkChaos): void {
  for (const [side, chaos] of Object.entries({ toServer, toClient })) {
    for (const [name, drawn] of Object.entries(chaos ?? {})) checkDrawn(`${side}.${name}`, drawn, leastOf(name))
  }
}

function leastOf(name: string): number {
  return name === 'chunkBytes' || name === 'bytesPerSecond' ? 1 : 0
}

function checkDrawn(name: string, drawn: Drawn, least: number): void {
  const [low, high] = typeof drawn === 'number' ? [drawn, drawn] : drawn
  if (Number.isFinite(low) && Number.isFinite(high) && low >= least && high >= low) return
  throw new RangeError(`chaos.${name}: ${String(drawn)} is neither a number from ${least} nor bounds of such numbers`)
}
