// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { encodeHttpRequest } from './http-request.ts'

describe('encodeHttpRequest', () => {
  it('writes a request without a body', () => {
    expect(Buffer.from(encodeHttpRequest({ method: 'GET', path: '/a', host: 'h:1' })).toString()).toBe(
      'GET /a HTTP/1.1\r\nHost: h:1\r\nAccept: application/json\r\nUser-Agent: nats-edge-bench\r\n\r\n',
    )
  })

  it('counts the bytes of a body, not its characters', () => {
    const text = Buffer.from(encodeHttpRequest({ method: 'POST', path: '/a', host: 'h', body: '"é"' })).toString()
    expect(text).toContain('\r\nContent-Length: 4\r\n')
    expect(text.endsWith('\r\n\r\n"é"')).toBe(true)
  })
})
