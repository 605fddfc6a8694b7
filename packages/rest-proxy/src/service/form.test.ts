// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { mergeForms, parseUrlEncoded } from './form.ts'

describe('parseUrlEncoded', () => {
  it.each([
    ['', []],
    [
      'a=1&b=2&a=3',
      [
        ['a', ['1', '3']],
        ['b', ['2']],
      ],
    ],
    ['a', [['a', ['']]]],
    ['a=', [['a', ['']]]],
    ['=1', [['', ['1']]]],
    ['a=b=c', [['a', ['b=c']]]],
    ['&&a=1&', [['a', ['1']]]],
    ['a+b=c+d%2B', [['a b', ['c d+']]]],
    ['a%3Db=%26', [['a=b', ['&']]]],
    ['n=%C3%A9', [['n', ['\u00e9']]]],
    ['n=%E9', [['n', ['\u00e9']]]],
    ['n=%zz&ok=1', [['ok', ['1']]]],
    [
      '__proto__=x&constructor=y',
      [
        ['__proto__', ['x']],
        ['constructor', ['y']],
      ],
    ],
  ])('reads %j', (text, form) => {
    expect([...parseUrlEncoded(text)]).toEqual(form)
  })
})

describe('mergeForms', () => {
  it('puts the values of the first before those of the second and changes neither', () => {
    const [first, second] = [parseUrlEncoded('a=1&b=2'), parseUrlEncoded('a=3&c=4')]
    expect([...mergeForms(first, second)]).toEqual([
      ['a', ['1', '3']],
      ['b', ['2']],
      ['c', ['4']],
    ])
    expect(first.get('a')).toEqual(['1'])
  })
})
