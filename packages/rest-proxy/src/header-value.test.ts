// SPDX-License-Identifier: Apache-2.0
import { validateHeaderValue } from 'node:http'
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { headerValue, isHeaderName, utf8AsLatin1 } from './header-value.ts'

// The long job runs a hundred times as many cases.
const patience = 20_000 + inject('propertyRuns')

describe('headerValue (reliability T5)', () => {
  it.each([
    ['plain; a="b"', 'plain; a="b"'],
    ['\ttab', '\ttab'],
    ['a\r\nb\0c\x01d\x7f', 'a  b c d '],
    ['caf\xe9', 'caf\xe9'],
    ['1 €', '1 \xe2\x82\xac'],
    ['é €', '\xc3\xa9 \xe2\x82\xac'],
    ['😀', '\xf0\x9f\x98\x80'],
    ['\ud800', '\xef\xbf\xbd'],
    ['', ''],
  ])('makes %j to %j', (text, value) => {
    expect(headerValue(text)).toBe(value)
  })

  it(
    'makes of any text what node and Headers accept',
    () => {
      fc.assert(
        fc.property(fc.string({ unit: 'binary' }), (text) => {
          const value = headerValue(text)
          validateHeaderValue('x', value)
          expect(new Headers({ x: value }).get('x')).toBe(value.replaceAll(/^[\t ]+|[\t ]+$/g, ''))
        }),
        { numRuns: inject('propertyRuns') },
      )
    },
    patience,
  )
})

describe('utf8AsLatin1', () => {
  it('gives one character per byte', () => {
    expect(utf8AsLatin1('é')).toBe('\xc3\xa9')
    expect(utf8AsLatin1('plain')).toBe('plain')
  })
})

describe('isHeaderName', () => {
  it.each(['X-A', 'a', "!#$%&'*+-.^_`|~", '__proto__'])('accepts %s', (name) => {
    expect(isHeaderName(name)).toBe(true)
  })

  it.each(['', 'a b', 'a:', 'a\r', 'é', 'a(b)', '"'])('refuses %j', (name) => {
    expect(isHeaderName(name)).toBe(false)
  })
})
