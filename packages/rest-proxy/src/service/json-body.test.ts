// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { parseJson } from './json-body.ts'

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text))
const nested = (levels: number): Uint8Array => bytes('['.repeat(levels) + ']'.repeat(levels))
const bad = expect.objectContaining({ name: 'ServiceError', code: 'bad_request', status: 400 })

function thrownBy(run: () => unknown): unknown {
  try {
    return run()
  } catch (error) {
    return error
  }
}

describe('parseJson', () => {
  it('parses UTF-8', () => {
    expect(parseJson(bytes('{"a":["\u20ac",1,null,{"b":"]}"}]}'))).toEqual({ a: ['\u20ac', 1, null, { b: ']}' }] })
  })

  it.each(['', ' ', '{', '{"a":1,}', 'undefined', '"\n"', '{"a":1}x'])('refuses %j', (text) => {
    expect(thrownBy(() => parseJson(bytes(text)))).toEqual(bad)
  })

  it('takes 64 levels and refuses 65', () => {
    expect(parseJson(nested(64))).toBeInstanceOf(Array)
    expect(thrownBy(() => parseJson(nested(65)))).toEqual(bad)
    expect(thrownBy(() => parseJson(nested(500_000)))).toEqual(bad)
  })

  it('does not count brackets in strings and levels that have ended', () => {
    expect(parseJson(bytes(JSON.stringify('[{'.repeat(100))))).toBe('[{'.repeat(100))
    expect(parseJson(bytes(JSON.stringify('\\"['.repeat(100))))).toBe('\\"['.repeat(100))
    expect(parseJson(bytes(`[${'[],'.repeat(200)}[]]`))).toHaveLength(201)
  })

  it.each([
    '{"__proto__":{"admin":true},"a":{"__proto__":1,"b":2}}',
    '{"\\u005f_proto__":{"admin":true},"a":{"__pr\\u006fto__":1,"b":2}}',
    '{"\\u005F\\u005F\\u0070\\u0072\\u006F\\u0074\\u006F\\u005F\\u005F":{"admin":true},"a":{"b":2}}',
  ])('leaves __proto__ out of %s', (text) => {
    const value = parseJson(bytes(text))
    expect(JSON.stringify(value)).toBe('{"a":{"b":2}}')
    expect(Object.assign({}, value)).not.toHaveProperty('admin')
  })

  it('keeps __proto__ in a string', () => {
    expect(parseJson(bytes('["__proto__"]'))).toEqual(['__proto__'])
  })
})
