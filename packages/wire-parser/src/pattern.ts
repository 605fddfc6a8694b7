// SPDX-License-Identifier: Apache-2.0
import { endsToken, inspect, touchesReserved } from './gate.ts'
import type { SubjectLimits } from './limits.ts'
import type { Subject } from './subject.ts'

declare const pattern: unique symbol

/** A checked subject that may hold `*` tokens and a last `>`; only `parsePattern()` and `parseSubject()` make one. */
export type Pattern = string & { readonly [pattern]: true }

const star = 0x2a
const dot = 0x2e
const greater = 0x3e

/** The text as a pattern, or undefined where the server or the limits would not take it. */
export function parsePattern(text: string, limits?: SubjectLimits): Pattern | undefined {
  return inspect(text, limits, true) === undefined ? (text as Pattern) : undefined
}

/**
 * Whether the pattern reaches into the server's own subjects (`$SYS`, `$JS`, `_INBOX`, …): its first token begins with
 * `$` or `_`, or is a wildcard, which stands for such tokens as well.
 */
export function isReserved(pattern: Pattern): boolean {
  return touchesReserved(pattern)
}

/** Whether the server would deliver a message on `subject` to a subscription on `pattern`. */
export function matches(pattern: Pattern, subject: Subject): boolean {
  return isSubset(subject, pattern)
}

/** Whether every subject that `inner` matches is matched by `outer` too. */
export function isSubset(inner: Pattern, outer: Pattern): boolean {
  if (inner === outer) return true
  const innerLength = inner.length
  const outerLength = outer.length
  let i = 0
  let o = 0
  // Both stand at the start of a token; a position beyond the length means that no token is left.
  while (o < outerLength && i < innerLength) {
    const code = outer.charCodeAt(o)
    if (code === greater && o + 1 === outerLength) return true
    if (code === star && endsToken(outer, o + 1)) {
      if (inner.charCodeAt(i) === greater && i + 1 === innerLength) return false
      i = nextToken(inner, i)
      o += 2
      continue
    }
    const length = equalToken(inner, i, outer, o)
    if (length < 0) return false
    i += length + 1
    o += length + 1
  }
  return i > innerLength && o > outerLength
}

/** Whether some subject is matched by both patterns. */
export function overlaps(a: Pattern, b: Pattern): boolean {
  if (a === b) return true
  let i = 0
  let j = 0
  while (i < a.length && j < b.length) {
    if (isRest(a, i) || isRest(b, j)) return true
    if (isStar(a, i) || isStar(b, j)) {
      i = nextToken(a, i)
      j = nextToken(b, j)
      continue
    }
    const length = equalToken(a, i, b, j)
    if (length < 0) return false
    i += length + 1
    j += length + 1
  }
  return i > a.length && j > b.length
}

function isRest(text: string, at: number): boolean {
  return text.charCodeAt(at) === greater && at + 1 === text.length
}

function isStar(text: string, at: number): boolean {
  return text.charCodeAt(at) === star && endsToken(text, at + 1)
}

function nextToken(text: string, from: number): number {
  let at = from
  while (at < text.length && text.charCodeAt(at) !== dot) at++
  return at + 1
}

/** The length of the token that stands at both places, or -1 if they differ. */
function equalToken(a: string, i: number, b: string, j: number): number {
  let length = 0
  for (;;) {
    const ended = endsToken(a, i + length)
    if (ended !== endsToken(b, j + length)) return -1
    if (ended) return length
    if (a.charCodeAt(i + length) !== b.charCodeAt(j + length)) return -1
    length++
  }
}
