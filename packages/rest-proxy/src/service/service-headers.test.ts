// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { ServiceHeaders } from './service-headers.ts'

const wire = (): ServiceHeaders =>
  new ServiceHeaders(['X-Name', 'caf\xe9', 'Set-Cookie', 'a', 'Set-Cookie', 'b', 'odd name', 'c'])

describe('ServiceHeaders', () => {
  it('finds a name in any case, however it was sent', () => {
    const headers = new ServiceHeaders(['x-LOWER', '1', 'Content-Type', 'text/plain'])
    expect(headers.get('X-Lower')).toBe('1')
    expect(headers.get('content-TYPE')).toBe('text/plain')
    expect(headers.has('x-lower')).toBe(true)
    expect(headers.get('x-lowe')).toBeUndefined()
    expect(headers.has('absent')).toBe(false)
  })

  it('gives the first value, all values, and pairs in order', () => {
    expect(wire().get('set-cookie')).toBe('a')
    expect(wire().getAll('set-cookie')).toEqual(['a', 'b'])
    expect(wire().getAll('absent')).toEqual([])
    expect([...wire()]).toEqual([
      ['X-Name', 'caf\u00e9'],
      ['Set-Cookie', 'a'],
      ['Set-Cookie', 'b'],
      ['odd name', 'c'],
    ])
  })

  it('reads UTF-8 where it is and latin1 elsewhere, and gives the bytes of both', () => {
    const headers = new ServiceHeaders(['A', 'caf\xc3\xa9', 'B', 'caf\xe9'])
    expect([headers.get('a'), headers.get('b')]).toEqual(['caf\u00e9', 'caf\u00e9'])
    expect(Buffer.from(headers.getBytes('a') ?? []).toString('hex')).toBe('636166c3a9')
    expect(Buffer.from(headers.getBytes('b') ?? []).toString('hex')).toBe('636166e9')
    expect(headers.getBytes('c')).toBeUndefined()
  })

  it('sets, appends and deletes', () => {
    const headers = new ServiceHeaders()
    headers.append('set-cookie', 'a').append('SET-COOKIE', 'b').set('x-y', '1').set('X-Y', '2')
    expect(headers.toLatin1()).toEqual(['Set-Cookie', 'a', 'Set-Cookie', 'b', 'X-Y', '2'])
    headers.delete('Set-cookie')
    expect(headers.toLatin1()).toEqual(['X-Y', '2'])
    headers.delete('absent').delete('x-y')
    expect(headers.toLatin1()).toEqual([])
  })

  it('writes text as UTF-8 and bytes as they are', () => {
    const headers = new ServiceHeaders().set('A', '\u20ac').set('B', Uint8Array.of(0xe9))
    expect(headers.toLatin1()).toEqual(['A', '\xe2\x82\xac', 'B', '\xe9'])
  })

  it('never changes the list it was made from, nor one it has handed out', () => {
    const list = Object.freeze(['A', '1'])
    const headers = new ServiceHeaders(list)
    headers.append('B', '2')
    const before = headers.toLatin1()
    headers.set('A', '3')
    expect(list).toEqual(['A', '1'])
    expect(before).toEqual(['A', '1', 'B', '2'])
    expect(headers.toLatin1()).toEqual(['B', '2', 'A', '3'])
  })

  it.each(['', 'a b', 'a:b', 'a\r\nb', 'caf\u00e9', '(a)'])('refuses the name %j', (name) => {
    expect(() => new ServiceHeaders().set(name, 'v')).toThrow(TypeError)
    expect(() => new ServiceHeaders().append(name, 'v')).toThrow(TypeError)
  })

  it.each(['a\rb', 'a\nb', 'a\r\nSet-Cookie: x=1', 'a\0'])('refuses the value %j and keeps what was there', (value) => {
    const headers = new ServiceHeaders().set('A', '1')
    expect(() => headers.set('A', value)).toThrow(TypeError)
    expect(() => headers.append('A', Buffer.from(value))).toThrow(TypeError)
    expect(headers.toLatin1()).toEqual(['A', '1'])
  })

  it('does not turn a wide character into CR or LF', () => {
    expect(new ServiceHeaders().set('A', '\u010d\u010a').toLatin1()).toEqual(['A', '\xc4\x8d\xc4\x8a'])
  })

  it('is made from an object or another set', () => {
    const headers = ServiceHeaders.from({ accept: '*/*', 'x-list': ['1', '2'] })
    expect(headers.toLatin1()).toEqual(['Accept', '*/*', 'X-List', '1', 'X-List', '2'])
    const copy = ServiceHeaders.from(headers).append('X', 'y')
    expect(copy.has('x')).toBe(true)
    expect(headers.has('x')).toBe(false)
  })
})
