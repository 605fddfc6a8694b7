// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { canonicalHeaderName } from './nats-proxy.ts'

describe('canonicalHeaderName', () => {
  it.each([
    ['content-type', 'Content-Type'],
    ['ETAG', 'Etag'],
    ['x-b3-traceid', 'X-B3-Traceid'],
    ['X-REQUEST-ID', 'X-Request-Id'],
    ['sec-websocket-key', 'Sec-Websocket-Key'],
    ['-a--b-', '-A--B-'],
    ['a_b.c', 'A_b.c'],
    ['1a-2b', '1a-2b'],
    ["!#$%&'*+.^_`|~", "!#$%&'*+.^_`|~"],
    ['', ''],
  ])('spells %s as %s', (name, canonical) => {
    expect(canonicalHeaderName(name)).toBe(canonical)
    expect(canonicalHeaderName(name), 'from the table').toBe(canonical)
  })

  it.each(['x y', 'x:y', 'caf\xe9', 'x\r\ny', 'x\0', '(x)', 'ﬁ-x'])('leaves the illegal name %j as it is', (name) => {
    expect(canonicalHeaderName(name)).toBe(name)
  })

  it('keeps spelling names after more of them than its table holds', () => {
    for (let index = 0; index < 2500; index++) expect(canonicalHeaderName(`x-n${index}`)).toBe(`X-N${index}`)
    expect(canonicalHeaderName('content-type')).toBe('Content-Type')
    const long = 'a'.repeat(5000)
    expect(canonicalHeaderName(long)).toBe(`A${'a'.repeat(4999)}`)
  })
})
