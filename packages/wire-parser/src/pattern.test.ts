// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import type { SubjectLimits } from './limits.ts'
import { isReserved, isSubset, matches, overlaps, parsePattern, type Pattern } from './pattern.ts'
import { parseSubject, type Subject } from './subject.ts'

const runs = { numRuns: inject('propertyRuns') }
const embedded: SubjectLimits = { embeddedWildcards: true }

function pattern(text: string, limits?: SubjectLimits): Pattern {
  return parsePattern(text, limits) ?? expect.fail(`${text} is no pattern`)
}

function subject(text: string, limits?: SubjectLimits): Subject {
  return parseSubject(text, limits) ?? expect.fail(`${text} is no subject`)
}

describe('parsePattern', () => {
  it.each(['a', 'a.b', '*', '>', 'a.*', '*.a', 'a.*.b', '*.*', 'a.>', '*.>', 'ß.*', '$SYS.>', '_INBOX.*'])(
    'accepts %j',
    (text) => {
      expect(parsePattern(text)).toBe(text)
    },
  )

  it.each([
    '',
    '.',
    'a.',
    '.a',
    '>.a',
    'a.>.b',
    '>.>',
    '>.',
    '*.',
    'a*',
    '*a',
    '**',
    '>>',
    'a.b>',
    'a.*b',
    '* .a',
    '*\n',
    '\0',
  ])('refuses %j', (text) => {
    expect(parsePattern(text)).toBeUndefined()
  })

  it.each(['a*', '*a.b', 'a.b>', '**', 'a>.*', '>a.>'])('admits %j with embeddedWildcards', (text) => {
    expect(parsePattern(text, embedded)).toBe(text)
  })

  it('holds the limits', () => {
    expect(parsePattern('*.*.>', { maxTokens: 2 })).toBeUndefined()
    expect(parsePattern('abc.>', { maxBytes: 4 })).toBeUndefined()
  })

  it.each(['*', '>', '*.a', '*.>', '$SYS.>', '_INBOX.*'])('refuses %j where reserved subjects are', (text) => {
    expect(parsePattern(text, { reserved: 'refuse' })).toBeUndefined()
  })

  it.each(['a.*', 'a.>', 'a.$SYS'])('accepts %j where reserved subjects are refused', (text) => {
    expect(parsePattern(text, { reserved: 'refuse' })).toBe(text)
  })
})

describe('isReserved', () => {
  it.each(['$SYS', '$', '_', '_INBOX.>', '*', '>', '*.a', '*.>', '$KV.b.k'])('is true of %j', (text) => {
    expect(isReserved(pattern(text))).toBe(true)
  })
  it.each(['a', 'a.$', 'a._b', 'a.*', 'a.>', 'S$', '-$'])('is false of %j', (text) => {
    expect(isReserved(pattern(text))).toBe(false)
  })
  it.each(['*a', '>a', '**.b', '>>'])('is false of the literal %j', (text) => {
    expect(isReserved(pattern(text, embedded))).toBe(false)
  })
})

describe('matches', () => {
  it.each([
    ['a', 'a', true],
    ['a', 'b', false],
    ['a', 'a.b', false],
    ['a.b', 'a', false],
    ['ab', 'a', false],
    ['a', 'ab', false],
    ['a.b', 'a.b', true],
    ['a.b', 'a.c', false],
    ['*', 'a', true],
    ['*', 'a.b', false],
    ['*', 'abc', true],
    ['a.*', 'a', false],
    ['a.*', 'a.b', true],
    ['a.*', 'a.b.c', false],
    ['a.*', 'ab', false],
    ['*.b', 'a.b', true],
    ['*.b', 'a.c', false],
    ['*.*', 'a.b', true],
    ['a.*.c', 'a.b.c', true],
    ['a.*.c', 'a.b.d', false],
    ['>', 'a', true],
    ['>', 'a.b.c', true],
    ['a.>', 'a', false],
    ['a.>', 'a.b', true],
    ['a.>', 'a.b.c', true],
    ['a.>', 'b.a', false],
    ['a.>', 'aa.b', false],
    ['*.>', 'a', false],
    ['*.>', 'a.b', true],
    ['größe.*', 'größe.1', true],
  ])('%s, %s: %s', (outer, text, expected) => {
    expect(matches(pattern(outer), subject(text))).toBe(expected)
  })

  it('takes wildcards within a token literally', () => {
    expect(matches(pattern('a.*b', embedded), subject('a.*b', embedded))).toBe(true)
    expect(matches(pattern('a.*b', embedded), subject('a.xb'))).toBe(false)
    expect(matches(pattern('a.b>', embedded), subject('a.bc'))).toBe(false)
    expect(matches(pattern('a.>b', embedded), subject('a.xb'))).toBe(false)
    expect(overlaps(pattern('a.>b', embedded), pattern('a.x'))).toBe(false)
    expect(overlaps(pattern('*b.x', embedded), pattern('a.x'))).toBe(false)
    expect(matches(pattern('a.*'), subject('a.*b', embedded))).toBe(true)
  })
})

describe('isSubset', () => {
  it.each([
    ['a', 'a', true],
    ['a', '*', true],
    ['*', 'a', false],
    ['*', '*', true],
    ['*', '>', true],
    ['>', '*', false],
    ['>', '>', true],
    ['a.>', 'a.*', false],
    ['a.*', 'a.>', true],
    ['a.*.>', 'a.>', true],
    ['a.>', 'a.*.>', false],
    ['*.>', '>', true],
    ['>', '*.>', false],
    ['a', 'a.>', false],
    ['a.>', 'a', false],
    ['*.b', 'a.*', false],
    ['a.*', '*.*', true],
    ['a.b.c', 'a.*.c', true],
    ['a.*.c', 'a.b.c', false],
    ['a.b', 'a.b.*', false],
    ['a.c', 'abc', false],
    ['abc', 'a.c', false],
  ])('%s within %s: %s', (inner, outer, expected) => {
    expect(isSubset(pattern(inner), pattern(outer))).toBe(expected)
  })
})

describe('overlaps', () => {
  it.each([
    ['a', 'a', true],
    ['a', 'b', false],
    ['a', 'ab', false],
    ['a.c', 'abc', false],
    ['*', 'b', true],
    ['*', 'a.b', false],
    ['*.b', 'a.*', true],
    ['*.b', 'a.c', false],
    ['a.>', '*.b', true],
    ['a.>', '*', false],
    ['a.>', 'b.>', false],
    ['>', 'a', true],
    ['>', '>', true],
    ['*.>', 'a', false],
    ['a.*.c', 'a.b.*', true],
    ['a.*.c', 'a.b.d', false],
    ['a.b.>', 'a.*', false],
  ])('%s and %s: %s', (a, b, expected) => {
    expect(overlaps(pattern(a), pattern(b))).toBe(expected)
    expect(overlaps(pattern(b), pattern(a))).toBe(expected)
  })
})

/** What "matches" means, by splitting. */
function naiveMatches(outer: string, text: string): boolean {
  const tokens = text.split('.')
  const rules = outer.split('.')
  if (rules.at(-1) === '>') {
    return tokens.length >= rules.length && rules.slice(0, -1).every((rule, at) => rule === '*' || rule === tokens[at])
  }
  return tokens.length === rules.length && rules.every((rule, at) => rule === '*' || rule === tokens[at])
}

// Patterns of up to 3 tokens over {a, b}: subjects of up to 4 tokens over {a, b, z}, z being a token no pattern names,
// meet every way in which two such patterns can differ.
const universe = words(['a', 'b', 'z'], 4)
const patterns = [...words(['a', 'b', '*'], 3), '>', ...words(['a', 'b', '*'], 2).map((head) => `${head}.>`)]

function words(letters: readonly string[], most: number): string[] {
  const all: string[] = []
  let longest: string[] = ['']
  for (let length = 1; length <= most; length++) {
    longest = longest.flatMap((word) => letters.map((letter) => (word === '' ? letter : `${word}.${letter}`)))
    all.push(...longest)
  }
  return all
}

describe('reliability T2: wildcard and dot injection', () => {
  it('agrees, for every pair of small patterns, with the sets of subjects they stand for', () => {
    const sets = patterns.map((outer) => universe.map((text) => naiveMatches(outer, text)))
    const wrong: string[] = []
    for (const [i, a] of patterns.entries()) {
      for (const [at, text] of universe.entries()) {
        if (matches(pattern(a), subject(text)) !== sets[i]?.[at]) wrong.push(`matches ${a} ${text}`)
      }
      for (const [j, b] of patterns.entries()) {
        const within = universe.every((_, at) => sets[i]?.[at] !== true || sets[j]?.[at] === true)
        const shared = universe.some((_, at) => sets[i]?.[at] === true && sets[j]?.[at] === true)
        if (isSubset(pattern(a), pattern(b)) !== within) wrong.push(`isSubset ${a} ${b}`)
        if (overlaps(pattern(a), pattern(b)) !== shared) wrong.push(`overlaps ${a} ${b}`)
      }
    }
    expect(wrong).toEqual([])
  })

  const token = fc.constantFrom('a', 'b', 'ab', 'ba', 'aa', 'ß', '🚀')
  const subjects = fc.array(token, { minLength: 1, maxLength: 8 }).map((tokens) => subject(tokens.join('.')))
  const anyPattern = fc
    .tuple(fc.array(fc.oneof(token, fc.constant('*')), { minLength: 1, maxLength: 7 }), fc.boolean())
    .map(([tokens, rest]) => pattern(tokens.join('.') + (rest ? '.>' : '')))

  it('never finds a subset that receives what the outer pattern does not', () => {
    fc.assert(
      fc.property(anyPattern, anyPattern, subjects, (inner, outer, text) => {
        expect(matches(outer, text)).toBe(naiveMatches(outer, text))
        if (isSubset(inner, outer) && matches(inner, text)) expect(matches(outer, text)).toBe(true)
        if (matches(inner, text) && matches(outer, text)) expect(overlaps(inner, outer)).toBe(true)
        if (isSubset(inner, outer)) expect(overlaps(inner, outer)).toBe(true)
      }),
      runs,
    )
  })

  it('finds a pattern within each of its own generalisations', () => {
    const general = fc
      .tuple(subjects, fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }), fc.nat(8))
      .map(([text, stars, cut]) => {
        const tokens = text.split('.').map((each, at) => (stars[at] === true ? '*' : each))
        const outer = cut > 0 && cut < tokens.length ? [...tokens.slice(0, cut), '>'] : tokens
        return [pattern(tokens.join('.')), pattern(outer.join('.')), text] as const
      })
    fc.assert(
      fc.property(general, ([inner, outer, text]) => {
        expect(isSubset(text, inner)).toBe(true)
        expect(isSubset(inner, outer)).toBe(true)
        expect(isSubset(outer, inner)).toBe(inner === outer)
      }),
      runs,
    )
  })
})
