// SPDX-License-Identifier: Apache-2.0

const durationUnits: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
])

const sizeUnits: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['KiB', 1024],
  ['MiB', 1024 ** 2],
  ['GiB', 1024 ** 3],
])

export const durationPattern: RegExp = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/
export const sizePattern: RegExp = /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB)$/
export const byteRatePattern: RegExp = /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB)\/s$/

/** The longest duration a Node timer can hold. */
export const maxDurationMs: number = 2 ** 31 - 1

/** Reads `250ms`, `5s`, `2m`, `1h` as milliseconds. */
export function parseDuration(text: string): number | undefined {
  return read(text, durationPattern, durationUnits)
}

/** Reads `512B`, `64KiB`, `1MiB`, `1GiB` as bytes. */
export function parseSize(text: string): number | undefined {
  return read(text, sizePattern, sizeUnits)
}

/** Reads `1KiB/s` as bytes per second. */
export function parseByteRate(text: string): number | undefined {
  return read(text, byteRatePattern, sizeUnits)
}

function read(text: string, pattern: RegExp, units: ReadonlyMap<string, number>): number | undefined {
  const match = pattern.exec(text)
  const factor = units.get(match?.[2] ?? '')
  return factor === undefined ? undefined : Math.round(Number(match?.[1]) * factor)
}
