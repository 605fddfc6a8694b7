// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import type { SubjectLimits } from './limits.ts'
import { isToken, parseSubject, subjectFault, subjectFromTokens } from './subject.ts'

const runs = { numRuns: inject('propertyRuns') }
const allowed: SubjectLimits = { embeddedWildcards: true }

/** Unicode's White_Space, as the Unicode data lists it, and the byte order mark. */
const whiteSpace = [
  0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20, 0x85, 0xa0, 0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006,
  0x2007, 0x2008, 0x2009, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0xfeff,
]
const controls = [...range(0x00, 0x1f), 0x7f, ...range(0x80, 0x9f)]
const hex = (code: number): string => `U+${code.toString(16).padStart(4, '0').toUpperCase()}`

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}

describe('parseSubject', () => {
  it.each([
    'a',
    'a.b',
    'orders.42.get',
    '-',
    '=',
    'a-b_c=d.E',
    '"quoted"',
    '{a}',
    '%2A',
    '\\',
    '/a/b',
    'größe.straße',
    '東京.大阪',
    '🚀.😀',
    '１.２',
    '＊',
    '＞',
    '．',
    '\u{10ffff}',
    '\u200b',
    '\ufffd',
    '\uffff',
    '\ud7ff',
    '\ue000',
    '$SYS.a',
    '_INBOX.x',
    '__proto__',
  ])('accepts %j as it is', (text) => {
    expect(parseSubject(text)).toBe(text)
    expect(subjectFault(text)).toBeUndefined()
  })

  it.each([
    '',
    '.',
    '..',
    '.a',
    'a.',
    'a..b',
    'a.b.',
    '*',
    '>',
    'a.*',
    'a.>',
    '*.a',
    '>.a',
    'a.*.b',
    'a*',
    '*a',
    'a*b',
    'a>',
    '>a',
    'a>b',
    'a.b*c.d',
    'a b',
    ' a',
    'a ',
    'a.\t',
    'a\r\nPUB b 0\r\n\r\n',
    'a\0',
  ])('refuses %j', (text) => {
    expect(parseSubject(text)).toBeUndefined()
    expect(subjectFault(text)).toBe('invalid')
  })

  it.each([...new Set([...controls, ...whiteSpace])].map((code) => [hex(code), code] as const))(
    'refuses %s at the start, within and at the end of a token',
    (_, code) => {
      const character = String.fromCharCode(code)
      for (const text of [character, `${character}a`, `a${character}b`, `a${character}`, `x.${character}.y`]) {
        expect(subjectFault(text), JSON.stringify(text)).toBe('invalid')
      }
    },
  )

  it('accepts every other character of the basic plane', () => {
    const others = new Set([...controls, ...whiteSpace, 0x2a, 0x2e, 0x3e, ...range(0xd800, 0xdfff)])
    const wrong = range(0, 0xffff).filter((code) => {
      return (subjectFault(`a${String.fromCharCode(code)}`) !== undefined) !== others.has(code)
    })
    expect(wrong.map(hex)).toEqual([])
  })

  it.each([
    ['a high one at the end', 'a\ud83d'],
    ['a high one before a letter', '\ud83da'],
    ['a high one before a dot', '\ud83d.a'],
    ['a low one alone', '\ude00'],
    ['a low one first', '\ude00\ud83d'],
    ['two high ones', '\ud83d\ud83d\ude00'],
    ['a low one after a pair', '\ud83d\ude00\ude00'],
  ])('refuses lone surrogates: %s', (_, text) => {
    expect(subjectFault(text)).toBe('invalid')
  })

  it('takes full-width forms of wildcards literally; overlong ones never get past percent-decoding', () => {
    expect(() => decodeURIComponent('%C0%AE')).toThrow(URIError)
    expect(parseSubject(`a.${decodeURIComponent('%EF%BC%8A')}`)).toBe('a.＊')
    expect(parseSubject(`a.${decodeURIComponent('%2A')}`)).toBeUndefined()
  })
})

describe('limits', () => {
  it.each(['a', 'ß', '東', '🚀'])('counts bytes of UTF-8: 1,024 fit and one more does not (%s)', (character) => {
    const most = character.repeat(Math.floor(1024 / Buffer.byteLength(character)))
    const full = most.padEnd(most.length + 1024 - Buffer.byteLength(most), 'a')
    expect(Buffer.byteLength(full)).toBe(1024)
    expect(subjectFault(full)).toBeUndefined()
    expect(subjectFault(`${full}a`)).toBe('too_long')
    expect(subjectFault(full, { maxBytes: 1023 })).toBe('too_long')
  })

  it('takes 32 tokens and not 33', () => {
    const tokens = Array.from({ length: 32 }, () => 'a')
    expect(subjectFault(tokens.join('.'))).toBeUndefined()
    expect(subjectFault(`${tokens.join('.')}.a`)).toBe('too_long')
    expect(subjectFault('a.b.c', { maxTokens: 2 })).toBe('too_long')
    expect(subjectFault('a.b.c', { maxTokens: 3 })).toBeUndefined()
  })

  it('says invalid before too_long where both are true of a text within its bytes', () => {
    expect(subjectFault('a.b c', { maxTokens: 1 })).toBe('invalid')
    expect(subjectFault(`${'ß'.repeat(600)} `)).toBe('invalid')
  })

  it('says too_long without reading a text that cannot fit', () => {
    expect(subjectFault(`a b${'c'.repeat(1024)}`)).toBe('too_long')
  })

  it('can be lifted', () => {
    const long = Array.from({ length: 40 }, () => 'x'.repeat(100)).join('.')
    expect(parseSubject(long, { maxBytes: Infinity, maxTokens: Infinity })).toBe(long)
  })

  it.each([
    '$SYS.a',
    '$',
    '$JS.API.INFO',
    '_INBOX.a',
    '_',
    '_R_.a',
    '__proto__',
    '$KV.b.k',
    '$O.b',
    '$SRV.PING',
    '_GR_.x',
  ])('says reserved of %j where that is refused', (text) => {
    expect(subjectFault(text, { reserved: 'refuse' })).toBe('reserved')
    expect(parseSubject(text, { reserved: 'refuse' })).toBeUndefined()
    expect(parseSubject(text, { reserved: 'allow' })).toBe(text)
  })

  it('says reserved of the first token only', () => {
    expect(parseSubject('a.$SYS._b', { reserved: 'refuse' })).toBe('a.$SYS._b')
  })

  it.each(['a*b', 'a>b', '*a', '>a', 'a*', 'a>', '**', '>>', '*>', 'x.a*b.y'])(
    'admits %j with embeddedWildcards',
    (text) => {
      expect(parseSubject(text, allowed)).toBe(text)
      expect(parseSubject(text, {})).toBeUndefined()
    },
  )

  it.each(['*', '>', 'a.*', 'a.>', '*.a', '>.a', 'a.*.b'])('refuses %j even with embeddedWildcards', (text) => {
    expect(subjectFault(text, allowed)).toBe('invalid')
  })
})

describe('isToken', () => {
  it.each(['a', 'ß', '🚀', '$SYS', '_x', '%2E', 'a'.repeat(5000)])('accepts %j', (text) => {
    expect(isToken(text)).toBe(true)
  })
  it.each(['', '.', 'a.', '.a', 'a.b', '*', '>', 'a*', 'a b', 'a\n', '\0', '\ud800', '\u2028'])(
    'refuses %j',
    (text) => {
      expect(isToken(text)).toBe(false)
    },
  )
})

describe('subjectFromTokens', () => {
  it('joins tokens with dots', () => {
    expect(subjectFromTokens(['orders', '42', 'get'])).toBe('orders.42.get')
    expect(subjectFromTokens(['a'])).toBe('a')
  })

  it.each([
    [[]],
    [['']],
    [['a', '']],
    [['', 'a']],
    [['a.b']],
    [['a', 'b.']],
    [['a', '.']],
    [['a', '*']],
    [['>']],
    [['a b']],
  ])('refuses %j', (tokens) => {
    expect(subjectFromTokens(tokens)).toBeUndefined()
    expect(subjectFromTokens(tokens, allowed)).toBeUndefined()
  })

  it('holds the limits for the whole', () => {
    expect(subjectFromTokens(['a', 'b'], { maxTokens: 1 })).toBeUndefined()
    expect(subjectFromTokens(['ab', 'cd'], { maxBytes: 4 })).toBeUndefined()
    expect(subjectFromTokens(['$JS', 'b'], { reserved: 'refuse' })).toBeUndefined()
  })
})

/** The rules of the gate in another form: slow, and plain to read. */
function reference(text: string, wildcards: boolean): boolean {
  if (Buffer.byteLength(text) > 1024 || /[\p{Cc}\p{White_Space}\ufeff]|\p{Cs}/u.test(text)) return false
  const tokens = text.split('.')
  if (tokens.length > 32 || tokens.includes('')) return false
  return tokens.every((token, index) => {
    if (wildcards && (token === '*' || (token === '>' && index === tokens.length - 1))) return true
    return !/[*>]/.test(token)
  })
}

const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({
    unit: fc.constantFrom(
      'a',
      'B',
      '.',
      '.',
      '*',
      '>',
      ' ',
      '\r',
      '\n',
      '\0',
      'ß',
      '🚀',
      '\ud83d',
      '\ude00',
      '\u00a0',
      '\u2028',
    ),
  }),
  fc.array(fc.constantFrom('a', 'bc', '*', '>', ''), { maxLength: 40 }).map((tokens) => tokens.join('.')),
  fc.string({ unit: 'grapheme', minLength: 200, maxLength: 600 }),
)

describe('reliability T1: protocol injection', () => {
  it('accepts exactly what the rules say, of any text', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        expect(parseSubject(text) !== undefined).toBe(reference(text, false))
      }),
      runs,
    )
  })

  it('lets nothing through that a server reads as anything but one argument', () => {
    fc.assert(
      fc.property(hostile, hostile, (head, tail) => {
        const subject = parseSubject(`${head}.x.${tail}`)
        if (subject === undefined) return
        const line = Buffer.from(`PUB ${subject} 0\r\n\r\n`)
        const control = line.subarray(0, line.indexOf('\r\n'))
        expect(line.length).toBe(control.length + 4)
        expect(control.toString().split(/[ \t]+/)).toEqual(['PUB', subject, '0'])
      }),
      runs,
    )
  })

  it('keeps each value within its own token', () => {
    fc.assert(
      fc.property(fc.array(hostile, { minLength: 1, maxLength: 6 }), (values) => {
        const subject = subjectFromTokens(['svc', ...values])
        const fits = values.every(isToken) && reference(['svc', ...values].join('.'), false)
        expect(subject?.split('.')).toEqual(fits ? ['svc', ...values] : undefined)
      }),
      runs,
    )
  })
})

describe('reliability T3: reserved subjects', () => {
  it('refuses whatever begins with $ or _, and nothing else that was a subject', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('', '$', '_', '$SYS', '$JS', '$KV', '$O', '$SRV', '_INBOX', '_R_', '.'),
        hostile,
        (head, tail) => {
          const text = head + tail
          const subject = parseSubject(text)
          const open = parseSubject(text, { reserved: 'refuse' })
          expect(open).toBe(subject !== undefined && /^[$_]/.test(text) ? undefined : subject)
        },
      ),
      runs,
    )
  })
})
