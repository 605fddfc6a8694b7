// SPDX-License-Identifier: Apache-2.0
import { show } from './option-check.ts'

/**
 * Compiles an operator's expression for texts of strangers. Throws TypeError for one that does not compile or could take
 * exponential time.
 */
export function safePattern(where: string, pattern: RegExp | string): RegExp {
  const source = typeof pattern === 'string' ? pattern : pattern.source
  if (typeof source !== 'string') throw new TypeError(`${where} must be a RegExp or a string, not ${show(pattern)}`)
  if (hasNestedQuantifier(source)) {
    throw new TypeError(`${where} ${show(source)} repeats a group that repeats inside, which can take exponential time`)
  }
  // A global or sticky pattern keeps a position between calls.
  const flags = typeof pattern === 'string' ? '' : pattern.flags.replaceAll(/[gy]/g, '')
  try {
    return new RegExp(source, flags)
  } catch (error) {
    throw new TypeError(`${where} ${show(source)} is no regular expression`, { cause: error })
  }
}

/** The expression where it must match the whole text. */
export function wholePattern({ source, flags }: RegExp): RegExp {
  // Not by ^ and $: with the flag m these stand at every line end.
  return new RegExp(`(?<![^])(?:${source})(?![^])`, flags)
}

/** Finds an unbounded quantifier on a group that holds one: `(a+)+`, `(?:b*c)*`, `(x{2,})+`. */
export function hasNestedQuantifier(source: string): boolean {
  const groups: boolean[] = [false]
  for (let at = 0; at < source.length; at++) {
    const char = source[at]
    if (char === '\\') at++
    else if (char === '[') at = classEnd(source, at)
    else if (char === '(') groups.push(false)
    else if (char === ')') {
      const inner = groups.pop() ?? false
      const repeated = isUnbounded(source, at + 1)
      if (inner && repeated) return true
      if (inner || repeated) groups[groups.length - 1] = true
    } else if (isUnbounded(source, at)) groups[groups.length - 1] = true
  }
  return false
}

function isUnbounded(source: string, at: number): boolean {
  const char = source[at]
  return char === '*' || char === '+' || (char === '{' && /^\{\d+,\}/.test(source.slice(at, at + 16)))
}

function classEnd(source: string, from: number): number {
  for (let at = from + 1; at < source.length; at++) {
    if (source[at] === '\\') at++
    else if (source[at] === ']') return at
  }
  return source.length
}
