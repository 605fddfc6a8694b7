// SPDX-License-Identifier: Apache-2.0

const maxMemoisedNames = 1000
const maxMemoisedLength = 64
const tokenOnly = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

const memo = new Map<string, string>()

/** Spells a header name as Go does: first letter and each after `-` upper, the rest lower; an illegal name as it is. */
export function canonicalHeaderName(name: string): string {
  const known = memo.get(name)
  if (known !== undefined) return known
  const canonical = spell(name)
  if (name.length <= maxMemoisedLength) {
    // A flood of made-up names costs one refill, never memory.
    if (memo.size >= maxMemoisedNames) memo.clear()
    memo.set(name, canonical)
  }
  return canonical
}

function spell(name: string): string {
  if (!tokenOnly.test(name)) return name
  let canonical = ''
  let upper = true
  for (const char of name) {
    canonical += upper ? char.toUpperCase() : char.toLowerCase()
    upper = char === '-'
  }
  return canonical
}
