// SPDX-License-Identifier: Apache-2.0

/** Throws TypeError where `value` is no plain object or has a key that is not an option. */
export function checkKeys(where: string, value: unknown, known: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`${where} must be an object, not ${show(value)}`)
  }
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) throw new TypeError(`${where} has no option "${key}"; it takes ${known.join(', ')}`)
  }
}

/** A whole number of at least `least`, or the default. */
export function checkWhole(where: string, value: number | undefined, fallback: number, least = 1): number {
  if (value === undefined) return fallback
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`${where} must be a whole number of at least ${least}, not ${show(value)}`)
  }
  return value
}

export function checkBoolean(where: string, value: boolean | undefined, fallback: boolean): boolean {
  if (value === undefined) return fallback
  if (typeof value !== 'boolean') throw new TypeError(`${where} must be true or false, not ${show(value)}`)
  return value
}

/** One of a closed set of words, or the default. */
export function checkWord<Word extends string>(
  where: string,
  value: Word | undefined,
  words: readonly Word[],
  fallback: Word,
): Word {
  if (value === undefined) return fallback
  if (!words.includes(value)) throw new TypeError(`${where} must be one of ${words.join(', ')}, not ${show(value)}`)
  return value
}

export function checkFunction<F>(where: string, value: F | undefined): F | undefined {
  if (value !== undefined && typeof value !== 'function') {
    throw new TypeError(`${where} must be a function, not ${show(value)}`)
  }
  return value
}

export function show(value: unknown): string {
  return typeof value === 'function' ? 'a function' : (JSON.stringify(value) ?? String(value))
}
