// SPDX-License-Identifier: Apache-2.0

/** What one load did to one side: plain data, sent from the process of the load to the harness. */
export interface LoadResult {
  /** Operations that were answered as they should be. */
  readonly operations: number
  /** From the first operation sent to the last answer. */
  readonly seconds: number
  /** Everything else, counted by what it was, e.g. `{ "status 503": 4 }`. */
  readonly errors: Readonly<Record<string, number>>
  /** `LatencyHistogram.counts()` of the operations, in microseconds. */
  readonly latencyCounts: readonly number[]
  /** Memory that each operation holds, where a row is about that. */
  readonly bytesEach?: number
  /** How late the event loop of the measured process was meanwhile, p99 in ms, where a row is about that. */
  readonly lagMs?: number
}

/** Checks what came over the process border; throws TypeError naming what is wrong with it. */
export function parseLoadResult(value: unknown): LoadResult {
  if (typeof value !== 'object' || value === null) throw new TypeError('a load result is an object')
  const fields = value as Partial<Record<keyof LoadResult, unknown>>
  const { operations, seconds, errors, latencyCounts, bytesEach } = fields
  if (!isCount(operations)) throw new TypeError('operations of a load result must be a count')
  if (!isCount(seconds)) throw new TypeError('seconds of a load result must be a positive number')
  if (typeof errors !== 'object' || errors === null) throw new TypeError('errors of a load result must be an object')
  const counts = new Map<string, number>()
  for (const [what, count] of Object.entries(errors)) {
    if (!isCount(count)) throw new TypeError(`errors of a load result: "${what}" must be a count`)
    counts.set(what, count)
  }
  if (!Array.isArray(latencyCounts) || !latencyCounts.every(isCount)) {
    throw new TypeError('latencyCounts of a load result must be a list of counts')
  }
  if (bytesEach !== undefined && !isCount(bytesEach)) throw new TypeError('bytesEach of a load result must be a count')
  const memory = bytesEach === undefined ? {} : { bytesEach }
  return { operations, seconds, errors: Object.fromEntries(counts), latencyCounts, ...memory }
}

export function errorCount(result: LoadResult): number {
  return Object.values(result.errors).reduce((sum, count) => sum + count, 0)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}
