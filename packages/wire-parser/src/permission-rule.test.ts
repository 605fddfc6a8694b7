// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { expandEntry } from './permission-rule.ts'
import type { TemplateValues } from './template-values.ts'

const digits = (count: number): string[] => Array.from({ length: count }, (_, index) => `t${index}`)

function patterns(entry: string, values: TemplateValues = {}): string[] | undefined {
  return expandEntry(entry, values, false)?.map((rule) => rule.pattern)
}

describe('expandEntry', () => {
  it.each(['a', 'a.*', 'a.>', '>', '*', '$SYS.>', '_INBOX.>'])('takes %j as it is', (entry) => {
    expect(patterns(entry)).toEqual([entry])
  })

  it('fills in what the principal is', () => {
    const values = { id: 'x:1', name: 'ada', ip: '::1', claims: { tenant: 'acme' } }
    expect(patterns('dev.{{name}}.>', values)).toEqual(['dev.ada.>'])
    expect(patterns('{{id}}.{{ip}}.{{claim.tenant}}-x', values)).toEqual(['x:1.::1.acme-x'])
  })

  it('makes one rule for each value of a list, and each combination of two', () => {
    const values = { claims: { room: ['a', 'b'], level: [1, 2] } }
    expect(patterns('room.{{claim.room}}', values)).toEqual(['room.a', 'room.b'])
    expect(patterns('{{claim.room}}.{{claim.level}}', values)).toEqual(['a.1', 'a.2', 'b.1', 'b.2'])
  })

  it('gives one placeholder the same value wherever it stands', () => {
    expect(patterns('{{claim.r}}.x.{{claim.r}}', { claims: { r: ['a', 'b'] } })).toEqual(['a.x.a', 'b.x.b'])
  })

  it('makes up to 64 combinations', () => {
    expect(patterns('{{claim.a}}', { claims: { a: digits(64) } })).toHaveLength(64)
    expect(patterns('{{claim.a}}', { claims: { a: digits(65) } })).toBeUndefined()
    expect(patterns('{{claim.a}}.{{claim.b}}', { claims: { a: digits(8), b: digits(8) } })).toHaveLength(64)
    expect(patterns('{{claim.a}}.{{claim.b}}', { claims: { a: digits(8), b: digits(9) } })).toBeUndefined()
  })

  it.each([
    ['missing', undefined],
    ['an empty text', ''],
    ['two tokens', 'a.b'],
    ['a wildcard', '*'],
    ['the rest wildcard', '>'],
    ['a blank', 'a b'],
    ['a line end', 'a\r\nb'],
    ['no list entry', []],
    ['one bad list entry', ['a', '*']],
    ['a nested list', [['a']]],
    ['an object', {}],
    ['too long', 'x'.repeat(1024)],
    ['too long in one list entry', ['a', 'x'.repeat(1024)]],
  ])('cannot be filled with a value that is %s', (_, value) => {
    expect(patterns('a.{{claim.x}}', { claims: { x: value } })).toBeUndefined()
  })

  it('reads a queue pattern behind one blank where queues may stand', () => {
    const values = { name: 'ada' }
    expect(expandEntry('jobs.> workers', values, true)).toEqual([{ pattern: 'jobs.>', queue: 'workers' }])
    expect(expandEntry('jobs.{{name}} {{name}}.*', values, true)).toEqual([{ pattern: 'jobs.ada', queue: 'ada.*' }])
    expect(expandEntry('jobs', values, true)).toEqual([{ pattern: 'jobs' }])
  })

  it.each([
    '',
    ' ',
    'a..b',
    '.a',
    'a*',
    'a.b>',
    '>.a',
    'a\tb',
    'a*{{name}}',
    '>{{name}}',
    'a. {{name}}',
    'x'.repeat(1025),
  ])('throws for %j, which could never be a pattern', (entry) => {
    for (const queues of [false, true]) {
      expect(() => expandEntry(entry, { name: 'ada' }, queues)).toThrow(TypeError)
      expect(() => expandEntry(entry, {}, queues)).toThrow(`permission ${JSON.stringify(entry)}`)
    }
  })

  it.each(['a b', 'a  b', 'a b c', ' a', 'a ', 'a b*'])('throws for %j where it is no queue entry', (entry) => {
    expect(() => expandEntry(entry, {}, false)).toThrow(TypeError)
    if (entry !== 'a b') expect(() => expandEntry(entry, {}, true)).toThrow('one blank and a queue pattern')
  })

  it('throws for a placeholder of a request', () => {
    expect(() => expandEntry('a.{id}', {}, false)).toThrow('permission "a.{id}": "{id}" is of a request')
  })
})
