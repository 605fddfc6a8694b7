// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { closeClass, closeCode, closeReason, isCloseCode, parseCloseHint, relayedCloseCode } from './close-code.ts'

describe('close codes', () => {
  it.each([
    [1000, 'stop'],
    [1002, 'stop'],
    [1003, 'stop'],
    [1007, 'stop'],
    [1009, 'stop'],
    [4000, 'stop'],
    [4001, 'stop'],
    [4002, 'stop'],
    [4003, 'stop'],
    [4099, 'stop'],
    [1001, 'back-off'],
    [1006, 'back-off'],
    [1008, 'back-off'],
    [1011, 'back-off'],
    [1013, 'back-off'],
    [1005, 'back-off'],
    [3000, 'back-off'],
    [4100, 'back-off'],
    [4108, 'back-off'],
    [4199, 'back-off'],
    [4300, 'back-off'],
    [4999, 'back-off'],
    [1012, 'reconnect'],
    [4200, 'reconnect'],
    [4201, 'reconnect'],
    [4299, 'reconnect'],
  ])('%i makes a client %s', (code, expected) => {
    expect(closeClass(code)).toBe(expected)
  })

  it('all can be sent', () => {
    for (const code of Object.values(closeCode)) expect(isCloseCode(code)).toBe(true)
  })

  it.each([1004, 1005, 1006, 1015, 1016, 999, 2999, 5000, 1000.5, Number.NaN, -1])(
    '%d cannot be sent, and is passed on as 1011',
    (code) => {
      expect(isCloseCode(code)).toBe(false)
      expect(relayedCloseCode(code)).toBe(1011)
    },
  )

  it('that can be sent are passed on as they are', () => {
    expect([1000, 1001, 3000, 4999].map(relayedCloseCode)).toStrictEqual([1000, 1001, 3000, 4999])
  })
})

describe('a close reason', () => {
  it('is cut to 123 bytes between characters', () => {
    expect(closeReason('x'.repeat(200))).toBe('x'.repeat(123))
    expect(closeReason('é'.repeat(100))).toBe('é'.repeat(61))
    expect(closeReason('😀'.repeat(40))).toBe('😀'.repeat(30))
    expect(closeReason(`${'x'.repeat(122)}€`)).toBe('x'.repeat(122))
  })

  it('always fits, and is the beginning of what was meant', () => {
    const check = (text: string): void => {
      const reason = closeReason(text)
      expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(123)
      expect(text.startsWith(reason)).toBe(true)
      if (Buffer.byteLength(text) <= 123) expect(reason).toBe(text)
    }
    fc.assert(fc.property(fc.string({ unit: 'grapheme', maxLength: 80 }), check), { numRuns: inject('propertyRuns') })
  })

  it('carries a hint there and back', () => {
    expect(closeReason({ retryAfterMs: 1234 })).toBe('{"retryAfterMs":1234}')
    expect(parseCloseHint('{"retryAfterMs":1234}')).toStrictEqual({ retryAfterMs: 1234 })
  })

  it.each([
    '',
    'restart',
    '{',
    '{}',
    '{"retryAfterMs":"1"}',
    '{"retryAfterMs":-1}',
    '{"retryAfterMs":1e999}',
    '[]',
    'null',
  ])('%j is no hint', (text) => {
    expect(parseCloseHint(text)).toBeUndefined()
  })
})
