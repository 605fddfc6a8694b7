// SPDX-License-Identifier: Apache-2.0

/** What a series of equal rounds says: the middle one, and how far apart the outermost lie. */
export interface Spread {
  readonly median: number
  readonly lowest: number
  readonly highest: number
}

/** The middle value, or the mean of the two in the middle; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const upper = sorted[Math.floor(middle)] ?? Number.NaN
  if (!Number.isInteger(middle)) return upper
  return (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
}

export function spread(values: readonly number[]): Spread {
  if (values.length === 0) return { median: Number.NaN, lowest: Number.NaN, highest: Number.NaN }
  return { median: median(values), lowest: Math.min(...values), highest: Math.max(...values) }
}

/** Each numerator over the denominator of the same round, so that a change of the machine during the run hits both. */
export function ratios(numerators: readonly number[], denominators: readonly number[]): number[] {
  if (numerators.length !== denominators.length) throw new RangeError('both sides need the same number of rounds')
  return numerators.map((value, round) => value / (denominators[round] ?? Number.NaN))
}

/** Adds records of numbers up, key by key. */
export function sumByKey(records: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums = new Map<string, number>()
  for (const record of records) {
    for (const [key, value] of Object.entries(record)) sums.set(key, (sums.get(key) ?? 0) + value)
  }
  return Object.fromEntries(sums)
}
