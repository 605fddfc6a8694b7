// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { decodeConnect, decodeInfo } from './connect-json.ts'
import { type JsonChange, patchJson } from './json-patch.ts'

const utf8 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text))

function patched(json: string, changes: Record<string, JsonChange>): string | undefined {
  const bytes = patchJson(utf8(json), changes)
  return bytes === undefined ? undefined : Buffer.from(bytes).toString()
}

describe('patchJson', () => {
  it.each([
    ['{"a":1}', { b: 2 }, '{"a":1,"b":2}'],
    ['{}', { a: 1 }, '{"a":1}'],
    [' { } ', { a: 1 }, ' {"a":1 } '],
    ['null', { a: 1 }, '{"a":1}'],
    ['{"a":1}', { a: 2 }, '{"a":2}'],
    ['{"a":1,"b":2,"c":3}', { b: 'x' }, '{"a":1,"b":"x","c":3}'],
    ['{"a":1,"b":2,"c":3}', { a: undefined }, '{"b":2,"c":3}'],
    ['{"a":1,"b":2,"c":3}', { b: undefined }, '{"a":1,"c":3}'],
    ['{"a":1,"b":2,"c":3}', { c: undefined }, '{"a":1,"b":2}'],
    ['{"a":1}', { a: undefined }, '{}'],
    ['{"a":1}', { a: undefined, b: 2 }, '{"b":2}'],
    ['{"a":1,"b":2}', { a: undefined, b: undefined }, '{}'],
    ['{"a":1}', { b: undefined }, '{"a":1}'],
    ['{"a":1}', {}, '{"a":1}'],
    ['{ "a" : 1 ,\t"b" : [ 1 , 2 ] }', { b: true }, '{ "a" : 1 ,\t"b":true }'],
    ['{ "a" : 1 , "b" : 2 , "c" : 3 }', { b: undefined }, '{ "a" : 1 , "c" : 3 }'],
    [
      '{"n":12345678901234567890,"x":1.50,"e":"\\u0041","d":{"a":1}}',
      { a: 0 },
      '{"n":12345678901234567890,"x":1.50,"e":"\\u0041","d":{"a":1},"a":0}',
    ],
  ])('makes of %s with %o', (json, changes, result) => {
    expect(patched(json, changes)).toBe(result)
  })

  it.each([
    ['text', '"text"'],
    ['"\\\n\u2028é😀', '"\\"\\\\\\n\u2028é😀"'],
    ['\uD83D', '"\\ud83d"'],
    [true, 'true'],
    [null, 'null'],
    [1.5, '1.5'],
    [18_446_744_073_709_551_615n, '18446744073709551615'],
    [['a:1', 'b:2'], '["a:1","b:2"]'],
    [[], '[]'],
  ])('writes %o as %s', (value, text) => {
    expect(patched('{"x":0}', { x: value })).toBe(`{"x":${text}}`)
  })

  it('leaves one member of all that a server takes for the same field', () => {
    const json = '{"user":"a","USER":"b","x":1,"u\u017fer":"c","\\u0075SER":"d"}'
    expect(patched(json, { user: 'e' })).toBe('{"user":"e","x":1}')
    expect(patched(json, { user: undefined })).toBe('{"x":1}')
    expect(patched('{"USER":"b"}', { user: 'e' })).toBe('{"user":"e"}')
  })

  it.each(['', '[]', '{', '"a"', '{"a":1,}', '{}x'])('gives nothing for %j', (json) => {
    expect(patched(json, { a: 1 })).toBeUndefined()
  })

  it('keeps bytes that are no UTF-8', () => {
    const json = Buffer.from('{"name":"\u00ff\u00fe","pass":"x"}', 'latin1')
    const bytes = patchJson(json, { pass: 'y' }) ?? expect.fail('no JSON')
    expect(Buffer.from(bytes).toString('latin1')).toBe('{"name":"\u00ff\u00fe","pass":"y"}')
  })

  it('says to the server what was asked for, and nothing else new', () => {
    const key = fc.constantFrom('user', 'USER', 'u\u017fer', 'pass', 'name', 'nKey', 'other', '__proto__')
    const members = fc.array(fc.tuple(key, fc.oneof(fc.string(), fc.constant(null))), { maxLength: 6 })
    const changes = fc.dictionary(fc.constantFrom('user', 'pass', 'sig'), fc.option(fc.string(), { nil: undefined }))
    fc.assert(
      fc.property(members, changes, fc.constantFrom('', ' ', '\t '), (list, changed, space) => {
        const text = list.map(([name, value]) => `${space}${JSON.stringify(name)}${space}:${JSON.stringify(value)}`)
        const json = utf8(`{${text.join(`,${space}`)}${space}}`)
        const before: Record<string, unknown> = { ...decodeConnect(json) }
        const after = decodeConnect(patchJson(json, changed) ?? expect.fail('no JSON'))
        for (const [name, value] of Object.entries(changed)) {
          if (value === undefined) delete before[name]
          else before[name] = value
        }
        expect(after).toEqual(before)
      }),
      { numRuns: inject('propertyRuns') },
    )
  })

  it('rewrites an INFO without touching what it does not name', () => {
    const info =
      '{"server_id":"NA","client_id":18446744073709551615,"connect_urls":["10.0.0.1:4222"],"future":{"a":[1]},"host":"0.0.0.0"}'
    const changes = { connect_urls: ['edge:4223'], host: 'edge', port: 4223, ws_connect_urls: undefined }
    const result = patched(info, changes) ?? ''
    expect(result).toBe(
      '{"server_id":"NA","client_id":18446744073709551615,"connect_urls":["edge:4223"],"future":{"a":[1]},"host":"edge","port":4223}',
    )
    expect(decodeInfo(utf8(result))?.client_id).toBe(18_446_744_073_709_551_615n)
  })
})
