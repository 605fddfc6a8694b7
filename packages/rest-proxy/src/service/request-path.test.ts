// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { pathSegments, rawPath, rawQuery, segmentCount } from './request-path.ts'

describe('a request target', () => {
  it.each([
    ['/a/b?x=1#f', '/a/b', 'x=1'],
    ['/a?x=1?y=2', '/a', 'x=1?y=2'],
    ['/a#f?x=1', '/a', 'x=1'],
    ['http://host:80/a/b?x', '/a/b', 'x'],
    ['HTTPS://host', '', ''],
    ['', '', ''],
    ['?x', '', 'x'],
  ])('%j has the path %j and the query %j', (url, path, query) => {
    expect(rawPath(url)).toBe(path)
    if (!url.includes('#f?')) expect(rawQuery(url)).toBe(query)
  })

  it.each([
    ['/', []],
    ['', []],
    ['/a', ['a']],
    ['/a/', ['a']],
    ['/a//', ['a', '']],
    ['/a/b?c/d', ['a', 'b']],
    ['/a%2Fb/c', ['a', 'b', 'c']],
    ['/a%3Fb/c', ['a?b', 'c']],
    ['/a.b/c', ['a.b', 'c']],
    ['/%C3%A9', ['\u00e9']],
    ['/%E9', ['\u00e9']],
    ['/a+b', ['a+b']],
    ['/a%20b', ['a b']],
    ['/a%252Fb', ['a%2Fb']],
    ['http://h/a/b', ['a', 'b']],
  ])('%j has the segments %j', (url, segments) => {
    expect(pathSegments(url)).toEqual(segments)
    expect(segmentCount(url)).toBe(segments.length)
  })

  it.each(['/%', '/a%2', '/a%zz', '/%2', '/a%G0', '/%-1', '/% 1'])('%j cannot be decoded', (url) => {
    expect(pathSegments(url)).toBeUndefined()
    expect(segmentCount(url)).toBe(-1)
  })

  it('counts segments as it builds them', () => {
    const url = fc.string({ unit: fc.constantFrom('/', 'a', '.', '%', '2', 'F', '?', '#', ':', 'h') })
    fc.assert(
      fc.property(url, (text) => {
        expect(segmentCount(text)).toBe(pathSegments(text)?.length ?? -1)
      }),
      { numRuns: inject('propertyRuns') },
    )
  })
})
