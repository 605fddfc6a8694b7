// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { ProxyError } from './proxy-error.ts'
import { decodePath, parseRequestTarget, pathSegments } from './request-target.ts'

// The long job runs a hundred times as many cases.
const patience = 20_000 + inject('propertyRuns')

function codeOf(raw: string, skip = 0): string | undefined {
  try {
    parseRequestTarget(raw, skip)
    return undefined
  } catch (error) {
    if (error instanceof ProxyError) return error.code
    throw error
  }
}

describe('parseRequestTarget', () => {
  it.each([
    ['/', 0, '/', '', '/'],
    ['/a/b', 0, '/a/b', '', '/a/b'],
    ['/a/b?c=/d?e', 0, '/a/b', 'c=/d?e', '/a/b?c=/d?e'],
    ['/a?', 0, '/a', '', '/a?'],
    ['/api/a/b?c', 1, '/a/b', 'c', '/a/b?c'],
    ['/api', 1, '/', '', '/'],
    ['/api/', 1, '/', '', '/'],
    ['/api?x', 1, '/', 'x', '/?x'],
    ['/v1/t%2Fx/a', 2, '/a', '', '/a'],
    ['/api//a', 1, '//a', '', '//a'],
    ['/a%2Fb', 0, '/a%2Fb', '', '/a%2Fb'],
  ])('cuts %s after %i segments', (raw, skip, path, query, url) => {
    expect(parseRequestTarget(raw, skip)).toMatchObject({ path, query, url })
  })

  it.each([
    ['http://h/a', 'bad_request'],
    ['*', 'bad_request'],
    ['', 'bad_request'],
    ['a', 'bad_request'],
    ['/a#b', 'bad_request'],
    ['/a?b#c', 'bad_request'],
    ['/a\\b', 'bad_request'],
    ['/a b', 'bad_request'],
    ['/a\0', 'bad_request'],
    ['/a\x7f', 'bad_request'],
    ['/.', 'not_found'],
    ['/..', 'not_found'],
    ['/a/../b', 'not_found'],
    ['/a/./b', 'not_found'],
    ['/a/%2e', 'not_found'],
    ['/%2E%2e/a', 'not_found'],
    ['/.%2e?x', 'not_found'],
    ['/%2e./a', 'not_found'],
  ])('refuses %j as %s', (raw, code) => {
    expect(codeOf(raw)).toBe(code)
  })

  it.each(['/...', '/.a', '/a.', '/..a', '/%2e%2e%2e', '/%2ea', '/a..', '/%252e'])('lets %s pass', (raw) => {
    expect(codeOf(raw)).toBeUndefined()
  })

  it('finds a dot segment in the mount path too', () => {
    expect(codeOf('/api/%2e%2e/admin', 1)).toBe('not_found')
    expect(codeOf('/%2e/api/a', 1)).toBe('not_found')
  })

  it(
    'resolves nothing that the URL parser would resolve',
    () => {
      const piece = fc.constantFrom('a', '.', '..', '%2e', '%2E', '/', '//', '%2f', '?', 'b', '%')
      fc.assert(
        fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
          const raw = `/${pieces.join('')}`
          const resolved = new URL(`http://host${raw}`)
          const asSent = raw.split('?')[0]?.split('/').length ?? 0
          expect(codeOf(raw) === undefined ? resolved.pathname.split('/').length : asSent).toBe(asSent)
        }),
        { numRuns: inject('propertyRuns') },
      )
    },
    patience,
  )
})

describe('pathSegments', () => {
  it.each([
    ['/', []],
    ['/a', ['a']],
    ['/a/', ['a', '']],
    ['//a', ['', 'a']],
    ['/a%2Fb/c', ['a%2Fb', 'c']],
  ])('splits %s', (path, segments) => {
    expect(pathSegments(path)).toEqual(segments)
  })
})

function escaped(byte: number): string {
  return `%${byte.toString(16).padStart(2, '0')}`
}

describe('decodePath', () => {
  it.each([
    ['a%20b', 'a b'],
    ['%2F', '/'],
    ['%252F', '%2F'],
    ['%E2%82%AC', '€'],
    ['\xe2\x82\xac', '€'],
    ['%E2\x82%AC', '€'],
    ['%f0%9f%98%80', '😀'],
  ])('decodes %j once', (raw, decoded) => {
    expect(decodePath(raw)).toBe(decoded)
  })

  it.each(['%', '%1', '%zz', '%E0%A4%A', '%ff', '\xff', '%c0%af', '%C1%81', '%ed%a0%80', '%f5%80%80%80', '\xe9'])(
    'refuses %j, which is no UTF-8',
    (raw) => {
      expect(decodePath(raw)).toBeUndefined()
    },
  )

  it(
    'agrees with a strict UTF-8 decoder on any bytes',
    () => {
      const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 12 }), fc.boolean(), (bytes, all) => {
          const raw = Array.from(bytes, (byte) =>
            all || byte === 0x25 ? escaped(byte) : String.fromCharCode(byte),
          ).join('')
          let expected: string | undefined
          try {
            expected = strict.decode(bytes)
          } catch {}
          expect(decodePath(raw)).toBe(expected)
        }),
        { numRuns: inject('propertyRuns') },
      )
    },
    patience,
  )
})
