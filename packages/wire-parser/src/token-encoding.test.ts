// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { isToken } from './subject.ts'
import { encodeToken } from './token-encoding.ts'

const runs = { numRuns: inject('propertyRuns') }

describe('encodeToken', () => {
  // RFC 4648 section 10, without padding.
  it.each([
    ['', ''],
    ['f', 'CO'],
    ['fo', 'CPNG'],
    ['foo', 'CPNMU'],
    ['foob', 'CPNMUOG'],
    ['fooba', 'CPNMUOJ1'],
    ['foobar', 'CPNMUOJ1E8'],
  ])('writes %j in base32hex as %j', (text, expected) => {
    expect(encodeToken(text, 'base32hex')).toBe(expected)
  })

  it('writes base64url as Buffer does, of any well-formed text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(encodeToken(text, 'base64url')).toBe(Buffer.from(text).toString('base64url'))
      }),
      runs,
    )
  })

  it('makes one token of any text that is not empty, and never the same of two', () => {
    const any = fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)) })
    fc.assert(
      fc.property(any, any, fc.constantFrom('base32hex', 'base64url'), (a, b, as) => {
        expect(isToken(encodeToken(a, as))).toBe(a !== '')
        expect(encodeToken(a, as) === encodeToken(b, as)).toBe(a === b)
      }),
      runs,
    )
  })

  it('tells lone surrogates from the replacement character', () => {
    const tokens = ['\ud800', '\udfff', '\ufffd'].map((text) => encodeToken(text, 'base32hex'))
    expect(new Set(tokens).size).toBe(3)
  })
})
