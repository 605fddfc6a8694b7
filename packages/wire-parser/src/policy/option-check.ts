// SPDX-License-Identifier: Apache-2.0

/** Throws TypeError where `value` is no plain object or has a key that is not an option. */
export function checkKeys(where: string, value: unknown, known: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`${where} must be an object, not ${show(value)}`)
  }
  const unknown = Object.keys(value).find((key) => !known.includes(key))
  if (unknown !== undefined) throw new TypeError(`${where} has no option "${unknown}"; it takes ${known.join(', ')}`)
}

/** A whole number from `least` to `most`, or the default. */
export function checkWhole(
  where: string,
  value: number | undefined,
  fallback: number,
  { least = 1, most = Number.MAX_SAFE_INTEGER }: { readonly least?: number; readonly most?: number } = {},
): number {
  if (value === undefined) return fallback
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`
  throw new RangeError(`${where} must be a whole number ${range}, not ${show(value)}`)
}

/** A finite number above 0, or undefined where nothing was given. */
export function checkRate(where: string, value: number | undefined): number | undefined {
  if (value === undefined || (typeof value === 'number' && value > 0 && value < Infinity)) return value
  throw new RangeError(`${where} must be a finite number above 0, not ${show(value)}`)
}

export function checkBoolean(where: string, value: boolean | undefined, fallback: boolean): boolean {
  if (value === undefined) return fallback
  if (typeof value === 'boolean') return value
  throw new TypeError(`${where} must be true or false, not ${show(value)}`)
}

/** One of a closed set of words, or the default. */
export function checkWord<Word extends string>(
  where: string,
  value: Word | undefined,
  words: readonly Word[],
  fallback: Word,
): Word {
  if (value === undefined) return fallback
  if (words.includes(value)) return value
  throw new TypeError(`${where} must be one of ${words.join(', ')}, not ${show(value)}`)
}

export function checkFunction<F>(where: string, value: F | undefined): F | undefined {
  if (value === undefined || typeof value === 'function') return value
  throw new TypeError(`${where} must be a function, not ${show(value)}`)
}

/** A list of texts, frozen, or the default. */
export function checkTexts(
  where: string,
  value: readonly string[] | undefined,
  fallback: readonly string[],
): readonly string[] {
  if (value === undefined) return fallback
  if (Array.isArray(value) && value.every((entry) => typeof entry === 'string')) return Object.freeze([...value])
  throw new TypeError(`${where} must be a list of texts, not ${show(value)}`)
}

/** A list of words of a closed set, frozen, or the default. */
export function checkWords<Word extends string>(
  where: string,
  value: readonly Word[] | undefined,
  words: readonly Word[],
  fallback: readonly Word[],
): readonly Word[] {
  const list = checkTexts(where, value, fallback)
  const unknown = list.find((entry) => !words.includes(entry as Word))
  if (unknown === undefined) return list as readonly Word[]
  throw new TypeError(`${where} must name ${words.join(', ')}, not ${show(unknown)}`)
}

export function show(value: unknown): string {
  return typeof value === 'function' ? 'a function' : (JSON.stringify(value) ?? String(value))
}
