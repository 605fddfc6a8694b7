// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { isToken } from './subject.ts'
import { parseTemplate } from './template.ts'
import type { TemplateValues } from './template-values.ts'

const runs = { numRuns: inject('propertyRuns') }

function request(values: Record<string, string | readonly string[]>): TemplateValues {
  return { request: new Map(Object.entries(values)) }
}

describe('parseTemplate', () => {
  it('names its placeholders in order, each once', () => {
    const template = parseTemplate('{b}.{{id}}.{a}.{b}.{{claim.x.y}}.{{id}}.{rest*}')
    expect(template.names).toEqual(['b', 'a', 'rest'])
    expect(template.principalNames).toEqual(['id', 'claim.x.y'])
    expect(template.source).toBe('{b}.{{id}}.{a}.{b}.{{claim.x.y}}.{{id}}.{rest*}')
  })

  it('is frozen', () => {
    const template = parseTemplate('{a}')
    expect([template, template.names, template.principalNames].every(Object.isFrozen)).toBe(true)
  })

  it.each([
    '',
    'a.b',
    '{a}',
    '{a}{b}',
    'a-{a}.x',
    '{a-b_C9}',
    '{_}',
    '{a*}',
    'a.{a*}',
    '{{id}}',
    '{{name}}',
    '{{ip}}',
    '{{claim.x}}',
  ])('accepts %j', (text) => {
    expect(parseTemplate(text).source).toBe(text)
  })

  it('accepts claims named by URLs', () => {
    expect(parseTemplate('{{claim.https://example.com/tenant}}').principalNames).toEqual([
      'claim.https://example.com/tenant',
    ])
  })

  it.each([
    ['a.{b', 3, '"{" without its "}"'],
    ['a.{{id}', 3, '"{" without its "}}"'],
    ['a}.b', 2, '"}" without "{"'],
    ['{a}}', 4, '"}" without "{"'],
    ['a.{}', 3, '"{}" is not a name'],
    ['a.{*}', 3, '"{*}" is not a name'],
    ['{1a}', 1, '"{1a}" is not a name'],
    ['{a b}', 1, '"{a b}" is not a name'],
    ['{a{b}', 1, '"{a{b}" is not a name'],
    ['{{}}', 1, '"{{}}" is not one of'],
    ['{{user}}', 1, '"{{user}}" is not one of'],
    ['{{claim.}}', 1, '"{{claim.}}" is not one of'],
    ['{{claim.a b}}', 1, '"{{claim.a b}}" is not one of'],
    ['{{ id }}', 1, '"{{ id }}" is not one of'],
    ['{{{id}}}', 1, '"{{{id}}" is not one of'],
    ['x.{a*}.b', 3, '"{a*}" takes all that is left and must come last'],
    ['x-{a*}', 3, '"{a*}" gives whole tokens and must begin one'],
  ])('refuses %j at position %i', (text, position, what) => {
    expect(() => parseTemplate(text)).toThrow(TypeError)
    expect(() => parseTemplate(text)).toThrow(`template ${JSON.stringify(text)}, position ${position}: ${what}`)
  })
})

describe('fill', () => {
  it('puts values of the request into their tokens', () => {
    expect(parseTemplate('orders.{id}.get').fill(request({ id: '42' }))).toBe('orders.42.get')
    expect(parseTemplate('{a}-{b}.x{a}').fill(request({ a: '1', b: '2' }))).toBe('1-2.x1')
    expect(parseTemplate('a.b').fill({})).toBe('a.b')
  })

  it.each(['', 'a.b', '.', '*', '>', 'a b', 'a\r\n', '\0', '\ud83d', '\u2028', 'a*'])(
    'refuses the value %j',
    (value) => {
      for (const text of ['x.{v}.y', '{v}', 'x{v}', '{v}x', 'x.{v*}']) {
        expect(parseTemplate(text).fill(request({ v: value })), text).toBeUndefined()
        expect(parseTemplate(text).fill(request({ v: value }), { embeddedWildcards: true }), text).toBeUndefined()
      }
    },
  )

  it('refuses halves of a surrogate pair that would meet', () => {
    expect(parseTemplate('{a}{b}').fill(request({ a: '\ud83d', b: '\ude80' }))).toBeUndefined()
  })

  it('refuses a missing value, and a list where one token stands', () => {
    expect(parseTemplate('{a}.{b}').fill(request({ a: '1' }))).toBeUndefined()
    expect(parseTemplate('{a}').fill({})).toBeUndefined()
    expect(parseTemplate('{a}').fill(request({ a: ['1'] }))).toBeUndefined()
  })

  it('gives a last {name*} as many tokens as its list has, at least one', () => {
    const template = parseTemplate('files.{path*}')
    expect(template.fill(request({ path: ['a', 'b', 'c'] }))).toBe('files.a.b.c')
    expect(template.fill(request({ path: 'a' }))).toBe('files.a')
    expect(template.fill(request({ path: [] }))).toBeUndefined()
    expect(template.fill(request({ path: ['a', ''] }))).toBeUndefined()
    expect(template.fill(request({ path: ['a', 'b.c'] }))).toBeUndefined()
  })

  it('holds the limits for the whole subject', () => {
    const template = parseTemplate('{a}.x')
    expect(template.fill(request({ a: '$SYS' }))).toBe('$SYS.x')
    expect(template.fill(request({ a: '$SYS' }), { reserved: 'refuse' })).toBeUndefined()
    expect(template.fill(request({ a: 'abc' }), { maxBytes: 4 })).toBeUndefined()
    expect(template.fill(request({ a: 'abc' }), { maxTokens: 1 })).toBeUndefined()
    expect(template.fill(request({ a: 'x'.repeat(1023) }))).toBeUndefined()
  })

  it('checks its fixed text too', () => {
    expect(parseTemplate('orders.>').fill({})).toBeUndefined()
    expect(parseTemplate('orders..{id}').fill(request({ id: '1' }))).toBeUndefined()
    expect(parseTemplate('').fill({})).toBeUndefined()
  })

  it('takes names of object members as any other', () => {
    expect(parseTemplate('{constructor}.{__proto__}').fill({})).toBeUndefined()
    expect(parseTemplate('{{claim.constructor}}').fill({ claims: {} })).toBeUndefined()
    expect(parseTemplate('{{claim.__proto__.x}}').fill({ claims: {} })).toBeUndefined()
    const inherited = Object.create({ tenant: 'acme', org: { unit: 'x' } }) as Record<string, unknown>
    expect(parseTemplate('{{claim.tenant}}').fill({ claims: inherited })).toBeUndefined()
    expect(parseTemplate('{{claim.org.unit}}').fill({ claims: inherited })).toBeUndefined()
  })
})

describe('values of the principal', () => {
  const claims = {
    tenant: 'acme',
    number: 42,
    fraction: 1.5,
    large: 2 ** 60,
    flag: true,
    nothing: null,
    list: ['a', 'b'],
    org: { unit: { name: 'research' }, 'a.b': 'inner' },
    'org.unit.name': 'whole name first',
    'https://example.com/tenant': 'by-url',
    dotted: 'a.b',
  }
  const values: TemplateValues = { id: 'jwt:ada', name: 'ada', ip: '10.0.0.1', claims }

  it.each([
    ['{{id}}', 'jwt:ada'],
    ['{{name}}.x', 'ada.x'],
    ['{{claim.tenant}}', 'acme'],
    ['{{claim.number}}', '42'],
    ['{{claim.https://example.com/tenant}}', 'by-url'],
    ['{{claim.org.unit}}', undefined],
    ['{{claim.fraction}}', undefined],
    ['{{claim.large}}', undefined],
    ['{{claim.flag}}', undefined],
    ['{{claim.nothing}}', undefined],
    ['{{claim.nothing.x}}', undefined],
    ['{{claim.list}}', undefined],
    ['{{claim.list.0}}', undefined],
    ['{{claim.list.length}}', undefined],
    ['{{claim.tenant.length}}', undefined],
    ['{{claim.missing}}', undefined],
    ['{{claim.dotted}}', undefined],
    ['{{claim.org.a.b}}', undefined],
  ])('%s is %j', (text, expected) => {
    expect(parseTemplate(text).fill(values)).toBe(expected)
  })

  it('follows dots into nested claims unless a claim has the whole name', () => {
    const template = parseTemplate('{{claim.org.unit.name}}')
    expect(template.fillText(values)).toBe('whole name first')
    expect(template.fill({ claims: { org: { unit: { name: 'research' } } } })).toBe('research')
  })

  it('writes the dots of an IPv4 address as - in a subject, and as they are in a text', () => {
    expect(parseTemplate('by.{{ip}}').fill(values)).toBe('by.10-0-0-1')
    expect(parseTemplate('by.{{ip}}').fill({ ip: '2001:db8::1' })).toBe('by.2001:db8::1')
    expect(parseTemplate('by {{ip}}').fillText(values)).toBe('by 10.0.0.1')
    expect(parseTemplate('by.{{ip}}').fill({})).toBeUndefined()
    expect(parseTemplate('by.{{ip}}').fill({ ip: '' })).toBeUndefined()
  })
})

describe('fillText', () => {
  it('gives text as it is', () => {
    expect(parseTemplate('Bearer {{id}}, {x}').fillText({ id: 'a b', ...request({ x: '*' }) })).toBe('Bearer a b, *')
    expect(parseTemplate('{a}.{b*}').fillText(request({ a: '', b: ['c', 'd e'] }))).toBe('.c.d e')
    expect(parseTemplate('').fillText({})).toBe('')
  })

  it('is undefined where a value is missing or a list cannot stand', () => {
    expect(parseTemplate('a {b}').fillText({})).toBeUndefined()
    expect(parseTemplate('{{name}}').fillText({ id: 'a' })).toBeUndefined()
    expect(parseTemplate('{{claim.x}}').fillText({ claims: { x: ['a'] } })).toBeUndefined()
    expect(parseTemplate('{b*}').fillText(request({ b: [] }))).toBeUndefined()
  })
})

describe('reliability T1: injection through a template', () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom('a', '.', '*', '>', ' ', '\r', '\n', '{', '}', '🚀', '\ud83d'), maxLength: 6 }),
  )

  it('gives each value exactly its own token, or no subject at all', () => {
    const template = parseTemplate('svc.{a}.{{name}}.{rest*}')
    fc.assert(
      fc.property(hostile, hostile, fc.array(hostile, { maxLength: 5 }), (a, name, rest) => {
        const subject = template.fill({ name, ...request({ a, rest }) })
        const tokens = ['svc', a, name, ...rest]
        const fits = rest.length > 0 && tokens.every(isToken)
        expect(subject).toBe(fits ? tokens.join('.') : undefined)
        if (subject !== undefined) expect(subject.split('.')).toEqual(tokens)
      }),
      runs,
    )
  })

  it('never fails on any source but with a TypeError', () => {
    const source = fc.string({ unit: fc.constantFrom('{', '}', 'a', '*', '.', 'id', 'claim.', ' '), maxLength: 12 })
    fc.assert(
      fc.property(source, (text) => {
        try {
          const template = parseTemplate(text)
          expect(template.fillText({ id: '1', claims: {} })).not.toBe(null)
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError)
        }
      }),
      runs,
    )
  })
})
