// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { parseMethod, parseRoutePattern, routeSubject } from './route-pattern.ts'

const subjectOf = (pattern: string): string => routeSubject('GET', parseRoutePattern(pattern))

describe('the subject of a pattern', () => {
  // The left ones are those that work with the original library, which maps them to the same subjects.
  it.each([
    ['/u/:id', 'GET:.u.*'],
    ['/test/:a/:b', 'GET:.test.*.*'],
    ['/files/>', 'GET:.files.>'],
    ['/files/*', 'GET:.files.*'],
    ['/f/:name.json', 'GET:.f.*'],
    ['/a.b/c', 'GET:.a.b.c'],
    ['/v1.0/x', 'GET:.v1.0.x'],
    ['/a*b/c', 'GET:.a*b.c'],
    ['/>', 'GET:.>'],
    ['/:id', 'GET:.*'],
    ['/caf\u00e9', 'GET:.caf\u00e9'],
  ])('is the original one: %s is %s', (pattern, subject) => {
    expect(subjectOf(pattern)).toBe(subject)
  })

  it.each([
    ['/u/:user-id/x', 'GET:.u.*.x'],
    ['/:\u010dau/x', 'GET:.*.x'],
    ['/', 'GET:'],
    ['/t/', 'GET:.t'],
    ['/u/:id/', 'GET:.u.*'],
  ])('reaches what the original cannot: %s is %s', (pattern, subject) => {
    expect(subjectOf(pattern)).toBe(subject)
  })

  it.each([
    ['', '"/"'],
    ['a/b', '"/"'],
    ['/a:b/c', ':'],
    ['/:a:b/c', ':'],
    ['/:', 'name'],
    ['/:/x', 'name'],
    ['/:id/x/:id', 'twice'],
    ['/*/x', 'last'],
    ['/>/x', 'last'],
    ['/a.>/x', 'subject'],
    ['/a.*', 'subject'],
    ['//a', 'empty'],
    ['/a//b', 'empty'],
    ['/a//', 'empty'],
    ['/a b', 'subject'],
    ['/a\r\nPUB x', 'subject'],
    ['/a\0', 'subject'],
    ['/.', 'subject'],
    ['/..', 'subject'],
    ['/a./b', 'subject'],
    ['/.a', 'subject'],
    ['/a?x=1', '?'],
    ['/a#b', '#'],
    [`/${Array.from({ length: 32 }, () => 'x').join('/')}`, '32 tokens'],
    [`/${'x'.repeat(1024)}`, '1,024 bytes'],
  ])('is refused for %j', (pattern, reason) => {
    expect(() => subjectOf(pattern)).toThrow(TypeError)
    expect(() => subjectOf(pattern)).toThrow(reason)
  })

  it('takes 32 tokens and 1,024 bytes', () => {
    expect(subjectOf(`/${Array.from({ length: 31 }, () => 'x').join('/')}`).split('.')).toHaveLength(32)
    expect(subjectOf(`/${'x'.repeat(1019)}`)).toHaveLength(1024)
  })
})

describe('parseRoutePattern', () => {
  it('knows the segment of each name', () => {
    const { names, segments } = parseRoutePattern('/a/:x/b/:y.json/')
    expect([...names]).toEqual([
      ['x', 1],
      ['y.json', 3],
    ])
    expect(segments).toBe(4)
  })

  it('takes any number of segments under a last >', () => {
    expect(parseRoutePattern('/a/>').segments).toBe(-1)
    expect(parseRoutePattern('/a/*').segments).toBe(2)
    expect(parseRoutePattern('/').segments).toBe(0)
  })
})

describe('parseMethod', () => {
  it('spells methods in upper case', () => {
    expect(parseMethod('get')).toBe('GET')
    expect(parseMethod('M-SEARCH')).toBe('M-SEARCH')
  })

  it.each(['', '*', '>', 'GET.x', 'GE T', 'G*', '$SYS', '_INBOX', 'GET:', 'GET\r\n'])('refuses %j', (method) => {
    expect(() => parseMethod(method)).toThrow(TypeError)
  })
})
