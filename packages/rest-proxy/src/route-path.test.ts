// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { parseRoutePath } from './route-path.ts'

describe('parseRoutePath', () => {
  it('reads literal text, names in both spellings and the rest', () => {
    expect(parseRoutePath('/orders/{id}/:line/{rest*}')).toEqual([
      { kind: 'literal', text: 'orders' },
      { kind: 'name', name: 'id' },
      { kind: 'name', name: 'line' },
      { kind: 'rest', name: 'rest' },
    ])
  })

  it('reads the root as no segment at all', () => {
    expect(parseRoutePath('/')).toEqual([])
  })

  it('decodes literal text, so that it is compared with decoded segments', () => {
    expect(parseRoutePath('/caf%C3%A9')).toEqual([{ kind: 'literal', text: 'café' }])
  })

  it.each([
    ['orders', 'must begin with "/"'],
    ['/a//b', 'empty segment'],
    ['/a/', 'empty segment'],
    ['/{a}/{a}', 'twice'],
    ['/{a*}/b', 'before its end'],
    ['/a{b}', 'neither literal text nor one whole {name}'],
    ['/{}', 'neither literal text nor one whole {name}'],
    ['/:', 'neither literal text nor one whole {name}'],
    ['/a b', 'neither literal text nor one whole {name}'],
    ['/a?b', 'neither literal text nor one whole {name}'],
    ['/..', 'no request can reach'],
    ['/%zz', 'no request can reach'],
  ])('refuses %s', (path, message) => {
    expect(() => parseRoutePath(path)).toThrow(message)
  })
})
