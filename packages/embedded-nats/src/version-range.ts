// SPDX-License-Identifier: Apache-2.0

/** Says whether a version is wanted. */
export type VersionRange = (version: string) => boolean

interface Version {
  /** major, minor, patch */
  readonly numbers: readonly [number, number, number]
  readonly prerelease: readonly string[]
}

type Comparator = (version: Version) => boolean

// Build metadata ("+meta") takes no part in any comparison.
const versionForm = /^v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$/
const comparatorForm =
  /^(>=|<=|>|<|=|\^|~)?v?(\d{1,9})(?:\.(\d{1,9})(?:\.(\d{1,9})(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?)?)?$/

/**
 * Compiles a range: comparators `>= > < <= = ^ ~` before a full or shortened version, joined by blanks (all must hold) and by
 * `||` (one side must hold); `*` is every version. Pre-releases count by their order alone: 2.15.0-RC.1 is below 2.15.0.
 */
export function parseVersionRange(text: string): VersionRange {
  const alternatives = text.split('||').map((part) => parseAll(part, text))
  return (version) => {
    const parsed = parseVersion(version)
    return parsed !== undefined && alternatives.some((all) => all.every((holds) => holds(parsed)))
  }
}

/** Whether a version lies in a range; throws a TypeError for a range that cannot be read. */
export function satisfiesVersion(version: string, range: string): boolean {
  return parseVersionRange(range)(version)
}

/** Orders two versions, the lower one first; what is no version comes before all that are. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parseVersion(a), parseVersion(b)]
  if (left === undefined || right === undefined) return Number(left !== undefined) - Number(right !== undefined)
  return compare(left, right)
}

function parseAll(part: string, text: string): Comparator[] {
  // A blank between an operator and its version is allowed: ">= 2.9".
  const words = part
    .replaceAll(/(>=|<=|>|<|=|\^|~)\s+/g, '$1')
    .split(/\s+/)
    .filter((word) => word !== '')
  if (words.length === 0) throw new TypeError(`version range "${text}" has an empty part`)
  return words.map((word) => (word === '*' ? () => true : parseComparator(word, text)))
}

function parseComparator(word: string, text: string): Comparator {
  const parts = comparatorForm.exec(word)
  if (parts === null) {
    throw new TypeError(
      `version range "${text}": "${word}" is not a comparator such as >=2.9.10, <2.10, ^2.14 or ~2.12.1`,
    )
  }
  const [, operator = '=', major = '', minor, patch, prerelease] = parts
  const low = versionOf(Number(major), Number(minor ?? 0), Number(patch ?? 0), prerelease)
  // The first version after all those the shortened form stands for: 2.9 stands for 2.9.x. A full version stands for itself.
  const next = minor === undefined ? after(low, 0) : patch === undefined ? after(low, 1) : undefined
  switch (operator) {
    case '>=':
      return (version) => compare(version, low) >= 0
    case '<': {
      // "<2.10" leaves out the pre-releases of 2.10 too, "<2.10.0" does not.
      const limit = next ? versionOf(...low.numbers, '0') : low
      return (version) => compare(version, limit) < 0
    }
    case '>':
      return next ? (version) => compare(version, next) >= 0 : (version) => compare(version, low) > 0
    case '<=':
      return next ? (version) => compare(version, next) < 0 : (version) => compare(version, low) <= 0
    case '^':
      return between(low, after(low, firstNonZero(low, minor, patch)))
    case '~':
      return between(low, after(low, minor === undefined ? 0 : 1))
    default:
      return next ? between(low, next) : (version) => compare(version, low) === 0
  }
}

/** `^` keeps the left-most part that is not zero, as far as parts were written. */
function firstNonZero(low: Version, minor: string | undefined, patch: string | undefined): 0 | 1 | 2 {
  if (low.numbers[0] > 0 || minor === undefined) return 0
  return low.numbers[1] > 0 || patch === undefined ? 1 : 2
}

function between(low: Version, high: Version): Comparator {
  return (version) => compare(version, low) >= 0 && compare(version, high) < 0
}

/** The lowest version whose part at `index` is one higher, its own pre-releases included. */
function after({ numbers: [major, minor, patch] }: Version, index: 0 | 1 | 2): Version {
  if (index === 0) return versionOf(major + 1, 0, 0, '0')
  return index === 1 ? versionOf(major, minor + 1, 0, '0') : versionOf(major, minor, patch + 1, '0')
}

function parseVersion(text: string): Version | undefined {
  const parts = versionForm.exec(text)
  return parts ? versionOf(Number(parts[1]), Number(parts[2]), Number(parts[3]), parts[4]) : undefined
}

function versionOf(major: number, minor: number, patch: number, prerelease: string | undefined): Version {
  return { numbers: [major, minor, patch], prerelease: prerelease?.split('.') ?? [] }
}

function compare(a: Version, b: Version): number {
  for (const index of [0, 1, 2] as const) {
    const difference = a.numbers[index] - b.numbers[index]
    if (difference !== 0) return difference
  }
  if (a.prerelease.length === 0 || b.prerelease.length === 0) return b.prerelease.length - a.prerelease.length
  return comparePrereleases(a.prerelease, b.prerelease)
}

// Semantic Versioning 2.0.0, item 11: numbers numerically and below words, fewer fields below more.
function comparePrereleases(a: readonly string[], b: readonly string[]): number {
  for (const [index, left] of a.entries()) {
    const right = b[index]
    if (right === undefined) return 1
    if (left === right) continue
    const [leftNumber, rightNumber] = [/^\d+$/.test(left), /^\d+$/.test(right)]
    if (leftNumber && rightNumber) return Number(left) - Number(right)
    if (leftNumber !== rightNumber) return leftNumber ? -1 : 1
    return left < right ? -1 : 1
  }
  return a.length - b.length
}
