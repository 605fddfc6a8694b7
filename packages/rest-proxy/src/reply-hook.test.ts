// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { ReplyHooks } from './reply-hook.ts'
import { ReplyHeaders } from './reply.ts'

describe('ReplyHooks', () => {
  it('finds hooks anywhere in the path, in the order they were added, equal patterns included', () => {
    const hooks = new ReplyHooks()
    const [first, second, third] = [() => {}, () => {}, () => {}]
    hooks.add(/b/, first)
    hooks.add('^/a', second)
    hooks.add(/b/, third)
    hooks.add('nothing', () => {})
    expect(hooks.matching('/a/b')).toEqual([first, second, third])
    expect(hooks.matching('/b')).toEqual([first, third])
  })

  it('keeps no position between two requests', () => {
    const hooks = new ReplyHooks()
    hooks.add(/a/g, () => {})
    hooks.add(/\/a/y, () => {})
    expect([1, 2, 3].map(() => hooks.matching('/a').length)).toEqual([2, 2, 2])
  })

  it.each(['(', '(?i)a', '[', '(a+)+', '(?:a|b*)*', '((x{2,})y)+'])('refuses the pattern %s', (pattern) => {
    expect(() => new ReplyHooks().add(pattern, () => {})).toThrow(TypeError)
  })

  it('refuses what is no function', () => {
    expect(() => new ReplyHooks().add('a', undefined as never)).toThrow('hook must be a function')
    expect(() => new ReplyHooks().add('a', 'b' as never)).toThrow('hook must be a function')
    expect(() => new ReplyHooks().add(1 as never, () => {})).toThrow('pattern must be')
  })
})

describe('ReplyHeaders', () => {
  it('reads and changes headers without case and keeps their order', () => {
    const headers = new ReplyHeaders(['A', '1', 'B', '2', 'a', '3'])
    expect([headers.get('b'), headers.get('A'), headers.get('c')]).toEqual(['2', '1', undefined])
    expect(headers.getAll('a')).toEqual(['1', '3'])
    headers.append('C', '4')
    headers.set('b', '5')
    expect([...headers.entries()]).toEqual([
      ['A', '1'],
      ['a', '3'],
      ['C', '4'],
      ['b', '5'],
    ])
    headers.delete('A')
    expect(headers.toFlat()).toEqual(['C', '4', 'b', '5'])
  })
})
