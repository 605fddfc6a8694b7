// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { matches, parsePattern, parseSubject } from '@nats-edge/wire-parser'
import { Router } from './router.ts'

function routerOf(...patterns: string[]): Router<string> {
  const router = new Router<string>()
  for (const pattern of patterns) router.add([pattern], pattern)
  return router
}

describe('a router', () => {
  it.each([
    ['a', 'a', []],
    ['a.b', 'a.b', []],
    ['a.c', 'a.*', ['c']],
    ['a.c.d', 'a.>', ['c.d']],
    ['x.b.y', '*.b.*', ['x', 'y']],
    ['q', '>', ['q']],
    ['q.r.s', '>', ['q.r.s']],
    ['', undefined, []],
    ['a.', undefined, []],
    ['.b', undefined, []],
    ['with spaces and: anything', '>', ['with spaces and: anything']],
    ['*', '>', ['*']],
  ])('finds for %j the most specific pattern, %j', (key, pattern, params) => {
    const match = routerOf('a', 'a.b', 'a.*', 'a.>', '*.b.*', '>').match(key)
    expect(match?.pattern).toBe(pattern)
    expect(match?.params ?? []).toStrictEqual(params)
  })

  it('goes back to a wildcard where a literal leads nowhere', () => {
    const router = routerOf('a.b.c', 'a.*.d')
    expect(router.match('a.b.d')).toStrictEqual({ value: 'a.*.d', pattern: 'a.*.d', params: ['b'] })
    expect(routerOf('a.b.c', 'a.>').match('a.b.d')?.params).toStrictEqual(['b.d'])
  })

  it('takes keys without dots, and with empty tokens, as they are', () => {
    expect(routerOf('say hello', 'a..b').match('a..b')?.value).toBe('a..b')
    expect(routerOf('toString').match('__proto__')).toBeUndefined()
    expect(routerOf('>').match('__proto__')?.params).toStrictEqual(['__proto__'])
  })

  it.each([[''], ['a..*'], ['a.>.b'], ['>.a'], [7]])('refuses the pattern %j', (pattern) => {
    expect(() => routerOf(pattern as string)).toThrow(TypeError)
  })

  it('refuses a pattern that is there, and adds none of those beside it (D27)', () => {
    const router = routerOf('a')
    expect(() => router.add(['b', 'a'], 'x')).toThrow(TypeError)
    expect(router.match('b')).toBeUndefined()
    expect(() => router.add(['c', 'c'], 'x')).toThrow(TypeError)
    expect(router.match('c')).toBeUndefined()
    expect(() => router.add(['d', 'a..>'], 'x')).toThrow(TypeError)
    expect(router.match('d')).toBeUndefined()
    expect(() => router.add([], 'x')).toThrow(TypeError)
  })

  it('agrees with the subjects of NATS on what a pattern matches', () => {
    const token = fc.constantFrom('a', 'b', 'c')
    const pattern = fc
      .tuple(fc.array(fc.oneof(token, fc.constant('*')), { minLength: 1, maxLength: 4 }), fc.boolean())
      .map(([tokens, rest]) => [...tokens, ...(rest ? ['>'] : [])].join('.'))
    const key = fc.array(token, { minLength: 1, maxLength: 5 }).map((tokens) => tokens.join('.'))
    const check = (patterns: string[], text: string): void => {
      const router = routerOf(...new Set(patterns))
      const subject = parseSubject(text)
      const found = patterns.filter((each) => {
        const parsed = parsePattern(each)
        return parsed !== undefined && subject !== undefined && matches(parsed, subject)
      })
      const match = router.match(text)
      expect(match === undefined).toBe(found.length === 0)
      if (match !== undefined) expect(found).toContain(match.pattern)
    }
    fc.assert(fc.property(fc.array(pattern, { minLength: 1, maxLength: 6 }), key, check), {
      numRuns: inject('propertyRuns'),
    })
  })

  it('takes no longer for a key that was made to take long', () => {
    const router = routerOf('a.a.a.a.a.a.a.a.b', '*.*.*.*.*.*.*.*.c', 'a.*.a.*.a.*.a.*.d', '*.a.*.a.*.a.*.a.e')
    const key = 'a.'.repeat(500_000)
    const startedMs = performance.now()
    expect(router.match(key)).toBeUndefined()
    expect(performance.now() - startedMs).toBeLessThan(5000)
  })
})
