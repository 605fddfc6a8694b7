// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { hasNestedQuantifier, safePattern, wholePattern } from './safe-pattern.ts'

describe('safePattern', () => {
  it('keeps the flags but those that keep a position', () => {
    expect(safePattern('p', /a/gimsuy)).toEqual(/a/imsu)
    expect(safePattern('p', 'a')).toEqual(/a/)
  })

  it('names what it refuses', () => {
    expect(() => safePattern('p', '(')).toThrow(new TypeError('p "(" is no regular expression'))
    expect(() => safePattern('p', /(a+)+/)).toThrow('p "(a+)+" repeats a group that repeats inside')
    expect(() => safePattern('p', 7 as never)).toThrow(new TypeError('p must be a RegExp or a string, not 7'))
  })
})

describe('wholePattern', () => {
  it.each([
    [/a|b/, 'ab', false],
    [/a|b/, 'b', true],
    [/^a$/m, 'a\nb', false],
    [/^a$/m, 'b\na', false],
    [/a.b/s, 'a\nb', true],
    [/\u{1f600}/u, '\u{1f600}', true],
    [/(?:)/, '', true],
    [/(?:)/, 'a', false],
  ])('of %s says of %j that it matches: %s', (pattern, text, matches) => {
    expect(wholePattern(pattern).test(text)).toBe(matches)
  })
})

describe('hasNestedQuantifier (reliability T17)', () => {
  it.each(['(a+)+', '(a*)*', '(?:a+b)*', '((a)+)+', '(a{2,})*', '(a+){3,}', '((ab?)*c)+', '(?<n>x*)+'])(
    'finds it in %s',
    (source) => {
      expect(hasNestedQuantifier(source)).toBe(true)
    },
  )

  it.each([
    'a+',
    '(a)+',
    '(a+)',
    '(a+)?',
    '(ab)*c+',
    '[(a+)+]',
    '\\(a+\\)+',
    '(a{2,3})+',
    '(a+){3}',
    '^/orders/[0-9]+$',
    '[\\]+]+(a)+',
  ])('finds none in %s', (source) => {
    expect(hasNestedQuantifier(source)).toBe(false)
  })
})
