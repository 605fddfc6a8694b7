// SPDX-License-Identifier: Apache-2.0
import { isSubset, parsePattern } from '@nats-edge/wire-parser'
import { anything, assert, constantFrom, oneof, property, string } from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { requestOf } from '../middleware/request.test-support.ts'
import type { WsRequest } from '../request.ts'
import { WsError } from '../ws-error.ts'
import { requestSubject } from './request-subject.ts'

function withData(data: unknown, params: Record<string, string> = {}): WsRequest {
  const request = requestOf({ data })
  Object.assign(request.connection, { params })
  return request
}

describe('requestSubject', () => {
  const outer = parsePattern('orders.*.get')
  const tried = oneof(
    string({ unit: 'binary', maxLength: 20 }),
    string({ maxLength: 20 }),
    constantFrom('*', '>', '.', 'a.b', '', ' ', '\r\n', '\0', '\ud800', '$SYS', '_INBOX', '__proto__', '\u{ff0e}'),
    anything(),
  )

  it('reliability T1: makes one token of one value, or refuses', () => {
    const subjectOf = requestSubject('x', 'orders.{value}.get', {})
    assert(
      property(tried, (value) => {
        try {
          const subject = subjectOf(withData({ value }))
          expect(outer !== undefined && isSubset(subject, outer)).toBe(true)
          expect(subject).toBe(`orders.${String(value)}.get`)
        } catch (error) {
          expect(error).toBeInstanceOf(WsError)
          expect(error).toMatchObject({ code: 'invalid_params' })
        }
      }),
      { numRuns: inject('propertyRuns') },
    )
  })

  it('makes a token of any text with encode, and never the same of two', () => {
    const subjectOf = requestSubject('x', 'orders.{value}.get', { encode: 'base64url' })
    const text = string({ unit: 'binary', minLength: 1, maxLength: 20 })
    assert(
      property(text, text, (one, other) => {
        const [a, b] = [subjectOf(withData({ value: one })), subjectOf(withData({ value: other }))]
        expect(outer !== undefined && isSubset(a, outer)).toBe(true)
        expect(a === b).toBe(one === other)
      }),
      { numRuns: inject('propertyRuns') },
    )
  })

  it('takes a parameter of the path before a member of the message', () => {
    const subjectOf = requestSubject('x', 'rooms.{room}', {})
    expect(subjectOf(withData({ room: 'other' }, { room: 'own' }))).toBe('rooms.own')
    expect(() => subjectOf(withData({ room: 'other' }, { room: 'a/b.c' }))).toThrow(/"room" is not one token/)
  })

  it.each([
    ['constructor', 'orders.{constructor}'],
    ['toString', 'orders.{toString}'],
  ])('finds no %s that the message does not have itself', (_name, template) => {
    expect(() => requestSubject('x', template, {})(withData({}))).toThrow(WsError)
  })

  it('refuses a first token that the client makes reserved', () => {
    const subjectOf = requestSubject('x', '{area}.get', {})
    expect(subjectOf(withData({ area: 'orders' }))).toBe('orders.get')
    for (const area of ['$SYS', '_INBOX', '_gw']) {
      expect(() => subjectOf(withData({ area }))).toThrow(expect.objectContaining({ code: 'reserved_subject' }))
    }
    const chosen = requestSubject('x', '$SRV.{area}', { dangerouslyAllowReserved: true })
    expect(chosen(withData({ area: 'PING' }))).toBe('$SRV.PING')
  })

  it('refuses a subject that is too long', () => {
    const subjectOf = requestSubject('x', 'a.{value}', {})
    expect(() => subjectOf(withData({ value: 'x'.repeat(2000) }))).toThrow(/too long|not one token/)
  })

  it.each(['', 'a..b', 'a b', 'a.*', 'a.>', '$SYS.x', '_x', 'a.{', 'a.{b', 'a.{b*}.c', 7, undefined])(
    'refuses %j when it is made',
    (source) => {
      expect(() => requestSubject('natsRequest', source as string, {})).toThrow(TypeError)
    },
  )

  it('names the option that is wrong', () => {
    expect(() => requestSubject('natsRequest', '$SYS.x', {})).toThrow(/dangerouslyAllowReserved/)
    expect(() => requestSubject('natsRequest', 'a', { encode: 'hex' as 'base32hex' })).toThrow(/natsRequest.encode/)
  })
})
