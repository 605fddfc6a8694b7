// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { WsError } from '../ws-error.ts'
import { JsonText, jsonOf, parseJson, resolveJsonLimits } from './json-text.ts'

const limits = resolveJsonLimits({})

function parse(text: string, given: { maxDepth?: number; maxKeys?: number } = {}): unknown {
  return parseJson(Buffer.from(text), resolveJsonLimits(given))
}

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return error instanceof WsError ? error.code : String(error)
  }
  return 'parsed'
}

describe('parseJson()', () => {
  it(
    'reads what JSON.parse reads',
    () => {
      const check = (value: unknown): void => {
        const text = JSON.stringify(value)
        expect(parse(text, { maxDepth: 1000, maxKeys: 100_000 })).toStrictEqual(JSON.parse(text))
      }
      const key = fc.string().filter((name) => !['__proto__', 'constructor', 'prototype'].includes(name))
      const { value } = fc.letrec((tie) => ({
        value: fc.oneof(
          { maxDepth: 5 },
          fc.string({ unit: 'binary' }),
          fc.double(),
          fc.boolean(),
          fc.constant(null),
          tie('list'),
          tie('object'),
        ),
        list: fc.array(tie('value'), { maxLength: 4 }),
        object: fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
      }))
      fc.assert(fc.property(value, check), { numRuns: inject('propertyRuns') })
    },
    60_000 + inject('propertyRuns'),
  )

  it.each(['', '{', '[1,]', '{"a"}', 'nul', '"\\x"', '{"a":1}}', '\u0000'])('refuses %j as no JSON', (text) => {
    expect(codeOf(() => parse(text))).toBe('parse_error')
  })

  it('counts levels outside of strings only', () => {
    expect(codeOf(() => parse(`${'['.repeat(64)}${']'.repeat(64)}`))).toBe('parsed')
    expect(codeOf(() => parse(`${'['.repeat(65)}${']'.repeat(65)}`))).toBe('invalid_request')
    expect(codeOf(() => parse(`"${'['.repeat(500)}"`))).toBe('parsed')
    expect(codeOf(() => parse(`["\\"${'{'.repeat(500)}"]`))).toBe('parsed')
    expect(codeOf(() => parse(`[${'[],'.repeat(500)}[]]`))).toBe('parsed')
  })

  it('counts members outside of strings only', () => {
    expect(codeOf(() => parse('{"a":1,"b":2}', { maxKeys: 2 }))).toBe('parsed')
    expect(codeOf(() => parse('{"a":1,"b":{"c":3}}', { maxKeys: 2 }))).toBe('invalid_request')
    expect(codeOf(() => parse('{"a":"::::","b":"\\":"}', { maxKeys: 2 }))).toBe('parsed')
  })

  it.each([
    '{"__proto__":{"admin":true}}',
    '{"a":[{"constructor":1}]}',
    '{"prototype" : 1}',
    '{"\\u005f\\u005fproto\\u005f\\u005f":1}',
    '{"\\u005F_proto__":1}',
    '{"c\\u006fnstructor"\n:1}',
  ])('refuses %j, whose member would pollute', (text) => {
    expect(codeOf(() => parse(text))).toBe('invalid_request')
  })

  it.each([
    '"__proto__"',
    '{"a":"constructor"}',
    '{"__proto":1}',
    '{"xconstructor":1}',
    '["prototype"]',
    '{"proto__":"__proto__"}',
  ])('takes %j', (text) => {
    expect(parse(text)).toStrictEqual(JSON.parse(text))
  })

  it('never gives an object whose prototype is not that of objects', () => {
    const check = (text: string): void => {
      let value: unknown
      try {
        value = parse(text)
      } catch {
        return
      }
      JSON.stringify(value, (key, inner: unknown) => {
        expect(['__proto__', 'constructor', 'prototype']).not.toContain(key)
        return inner
      })
    }
    const piece = fc.constantFrom(
      '{',
      '}',
      '"',
      '__proto__',
      'constructor',
      ':',
      ',',
      '1',
      '\\u005f',
      '[',
      ']',
      ' ',
      '\\"',
    )
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join('')),
        check,
      ),
      { numRuns: inject('propertyRuns') },
    )
  })

  it('refuses 200,000 levels without walking them', () => {
    const startedMs = performance.now()
    expect(codeOf(() => parse('['.repeat(200_000)))).toBe('invalid_request')
    expect(performance.now() - startedMs).toBeLessThan(5000)
  })

  it.each([[{ maxDepth: 0 }], [{ maxKeys: 1.5 }], [{ maxDepth: Infinity }]])('refuses the limits %j', (given) => {
    expect(() => resolveJsonLimits(given)).toThrow(RangeError)
  })
})

describe('jsonOf()', () => {
  it('puts JSON text in as it is', () => {
    expect(jsonOf(new JsonText('{"a" : 1}'))).toBe('{"a" : 1}')
    expect(jsonOf({ a: 1 })).toBe('{"a":1}')
    expect(jsonOf(null)).toBe('null')
  })

  it('refuses what has no JSON', () => {
    const loop: Record<string, unknown> = {}
    loop['loop'] = loop
    for (const value of [() => 1, Symbol('x'), 1n, loop]) expect(() => jsonOf(value)).toThrow(TypeError)
  })

  it('is read back by parseJson()', () => {
    expect(parseJson(Buffer.from(jsonOf({ a: ['é', null, 1.5] })), limits)).toStrictEqual({ a: ['é', null, 1.5] })
  })
})
