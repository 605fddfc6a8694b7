// SPDX-License-Identifier: Apache-2.0

/** Throws TypeError for a key that is no option, so that a misspelt one does not go unnoticed. */
export function checkKeys(where: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) throw new TypeError(`${where}: ${show(options)} is no object`)
  for (const key of Object.keys(options)) {
    if (!known.includes(key))
      throw new TypeError(`${where}: there is no option ${show(key)}; it takes ${known.join(', ')}`)
  }
}

/** A whole number from `least` to `most`. */
export function whole(name: string, value: number, least = 1, most: number = 2 ** 31 - 1): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new RangeError(`${name}: ${show(value)} is not a whole number from ${least} to ${most}`)
}

/** A number above 0; Infinity stands for no limit. */
export function rate(name: string, value: number): number {
  if (typeof value === 'number' && value > 0) return value
  throw new RangeError(`${name}: ${show(value)} is not a number above 0; Infinity means no limit`)
}

/** One of a closed set of words. */
export function word<T extends string>(name: string, value: T, words: readonly T[]): T {
  if (words.includes(value)) return value
  throw new TypeError(`${name}: ${show(value)} is not one of ${words.join(', ')}`)
}

export function flag(name: string, value: boolean): boolean {
  if (typeof value === 'boolean') return value
  throw new TypeError(`${name}: ${show(value)} is neither true nor false`)
}

/** A function, or undefined. */
export function hook<T>(name: string, value: T): T {
  if (value === undefined || typeof value === 'function') return value
  throw new TypeError(`${name}: ${show(value)} is not a function`)
}

/** A value as a message names it. */
export function show(value: unknown): string {
  return typeof value === 'number' ? String(value) : jsonOf(value).slice(0, 100)
}

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    // It leads back to itself.
    return String(value)
  }
}
