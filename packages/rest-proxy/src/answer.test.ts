// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { problemAnswer, replyToAnswer } from './answer.ts'
import { toResponse } from './outlet.ts'
import { ProxyError } from './proxy-error.ts'

const reply = { status: 200, headers: [], body: Buffer.from('hi'), upgrade: false }

describe('replyToAnswer', () => {
  it('does not invent a length where a service answers HEAD with an empty body', () => {
    const answer = replyToAnswer({ ...reply, body: Buffer.alloc(0) }, 'HEAD', 599)
    expect(answer).toMatchObject({ body: undefined, length: undefined })
  })

  it('types nothing where there is no body', () => {
    expect(replyToAnswer({ ...reply, body: Buffer.alloc(0) }, 'GET', 599).headers).toEqual([])
    expect(replyToAnswer({ ...reply, status: 205 }, 'GET', 599)).toMatchObject({ headers: [], body: undefined })
  })

  it.each([1.5, Number.NaN, 0, 600])('refuses the status %d on a host that ends at 599', (status) => {
    expect(() => replyToAnswer({ ...reply, status }, 'GET', 599)).toThrow(ProxyError)
  })

  it('makes values that a hook set fit for the wire', () => {
    const answer = replyToAnswer({ ...reply, headers: ['X-A', '€\r\n', 'bad name', 'x'] }, 'GET', 599)
    expect(answer.headers.slice(0, 2)).toEqual(['X-A', '\xe2\x82\xac  '])
    expect(answer.headers).not.toContain('bad name')
  })
})

describe('toResponse', () => {
  it('keeps a repeated name as two fields, in any case', async () => {
    const answer = replyToAnswer(
      { ...reply, headers: ['Set-Cookie', 'a=1', 'set-cookie', 'b=2', 'X-A', '1'] },
      'GET',
      599,
    )
    const response = toResponse(answer, true)
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
    expect(response.headers.get('x-a')).toBe('1')
    expect(response.headers.get('connection')).toBe('close')
    expect(await response.text()).toBe('hi')
  })
})

describe('problemAnswer', () => {
  it('has a length and no body for HEAD', () => {
    const answer = problemAnswer(new ProxyError('timeout'), 'r', 'HEAD')
    expect(answer.body).toBeUndefined()
    expect(answer.length).toBeGreaterThan(50)
  })
})
