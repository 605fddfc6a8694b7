// SPDX-License-Identifier: Apache-2.0
import { defaultMaxBytes, defaultMaxTokens, type SubjectFault, type SubjectLimits } from './limits.ts'

const space = 0x20
const star = 0x2a
const dot = 0x2e
const greater = 0x3e
const del = 0x7f

const plain = 0
const separator = 1
const wildcard = 2
const refused = 3

const asciiKinds: Uint8Array = Uint8Array.from({ length: 128 }, (_, code) => {
  if (code <= space || code === del) return refused
  if (code === dot) return separator
  return code === star || code === greater ? wildcard : plain
})

/**
 * Reads a text once and says what keeps it from being a subject, or a pattern where `wildcards` is true. ASCII costs one
 * table look-up per character; nothing is allocated.
 */
export function inspect(text: string, limits: SubjectLimits | undefined, wildcards: boolean): SubjectFault | undefined {
  const maxBytes = limits?.maxBytes ?? defaultMaxBytes
  const length = text.length
  if (length === 0) return 'invalid'
  // UTF-8 never takes fewer bytes than UTF-16 takes units, so this bounds the work as well.
  if (length > maxBytes) return 'too_long'
  let tokens = 1
  let start = 0
  let surplus = 0
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at)
    if (code > del) {
      const extra = surplusBytes(text, at, code)
      if (extra < 0) return 'invalid'
      surplus += extra
      if (isHighSurrogate(code)) at++
      continue
    }
    const kind = asciiKinds[code]
    if (kind === plain) continue
    if (kind === separator) {
      if (at === start) return 'invalid'
      start = at + 1
      tokens++
    } else if (kind === refused || !wildcardFits(text, at, start, wildcards, limits)) {
      return 'invalid'
    }
  }
  if (start === length) return 'invalid'
  if (length + surplus > maxBytes || tokens > (limits?.maxTokens ?? defaultMaxTokens)) return 'too_long'
  return limits?.reserved === 'refuse' && touchesReserved(text) ? 'reserved' : undefined
}

/** Whether the first token begins with `$` or `_`, or is a wildcard that stands for such tokens too. */
export function touchesReserved(text: string): boolean {
  const first = text.charCodeAt(0)
  if (first === 0x24 || first === 0x5f) return true
  return (first === star || first === greater) && endsToken(text, 1)
}

/** Whether the token before `at` ends there. */
export function endsToken(text: string, at: number): boolean {
  return at === text.length || text.charCodeAt(at) === dot
}

function wildcardFits(
  text: string,
  at: number,
  start: number,
  wildcards: boolean,
  limits: SubjectLimits | undefined,
): boolean {
  const alone = at === start && endsToken(text, at + 1)
  if (!alone) return limits?.embeddedWildcards === true
  return wildcards && (text.charCodeAt(at) === star || at + 1 === text.length)
}

/** Bytes of UTF-8 beyond one per UTF-16 unit, or -1 for what no token may hold: C1, white space, a lone surrogate. */
function surplusBytes(text: string, at: number, code: number): number {
  if (code < 0x800) return code <= 0xa0 ? -1 : 1
  if (isHighSurrogate(code)) return isLowSurrogate(text.charCodeAt(at + 1)) ? 2 : -1
  return isLowSurrogate(code) || isWideSpace(code) ? -1 : 2
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff
}

/** Unicode's White_Space above U+07FF, and the byte order mark, which JavaScript counts as white space. */
function isWideSpace(code: number): boolean {
  if (code < 0x1680) return false
  if (code >= 0x2000 && code <= 0x200a) return true
  return (
    code === 0x1680 ||
    code === 0x2028 ||
    code === 0x2029 ||
    code === 0x202f ||
    code === 0x205f ||
    code === 0x3000 ||
    code === 0xfeff
  )
}
