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
  const innerLength = inner.length
  const outerLength = outer.length
  let i = 0
  let o = 0
  // Once round per token: both places are at the start of one.
  for (;;) {
    const code = outer.charCodeAt(o)
    if (code === greater && o + 1 === outerLength) return true
    if (code === star && endsToken(outer, o + 1)) {
      if (isRest(inner, i)) return false
      i = tokenEnd(inner, i)
      o++
    } else {
      while (i < innerLength && o < outerLength && inner.charCodeAt(i) !== dot) {
        if (inner.charCodeAt(i) !== outer.charCodeAt(o)) return false
        i++
        o++
      }
    }
    if (i === innerLength || o === outerLength) return i === innerLength && o === outerLength
    if (outer.charCodeAt(o) !== dot) return false
    i++
    o++
  }
}

/** Whether some subject is matched by both patterns. */
export function overlaps(a: Pattern, b: Pattern): boolean {
  let i = 0
  let j = 0
  for (;;) {
    if (isRest(a, i) || isRest(b, j)) return true
    if (isStar(a, i) || isStar(b, j)) {
      i = tokenEnd(a, i)
      j = tokenEnd(b, j)
    } else {
      while (i < a.length && j < b.length && a.charCodeAt(i) !== dot) {
        if (a.charCodeAt(i) !== b.charCodeAt(j)) return false
        i++
        j++
      }
    }
    if (i === a.length || j === b.length) return i === a.length && j === b.length
    if (b.charCodeAt(j) !== dot) return false
    i++
    j++
  }
}

function isRest(text: string, at: number): boolean {
  return text.charCodeAt(at) === greater && at + 1 === text.length
}

function isStar(text: string, at: number): boolean {
  return text.charCodeAt(at) === star && endsToken(text, at + 1)
}

function tokenEnd(text: string, from: number): number {
  let at = from
  while (at < text.length && text.charCodeAt(at) !== dot) at++
  return at
}
