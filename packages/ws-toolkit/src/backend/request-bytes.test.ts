// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { requestBytes } from './request-bytes.ts'

const request = (change: object) => ({
  method: 'POST',
  path: '/a?b',
  headers: {},
  body: null,
  headersTimeout: 0,
  bodyTimeout: 0,
  ...change,
})
const text = (change: object): string => requestBytes('host:80', request(change)).toString()

describe('requestBytes', () => {
  it.each([
    [
      { method: 'GET', headers: { a: 'b', c: '' } },
      'GET /a?b HTTP/1.1\r\nhost: host:80\r\nconnection: keep-alive\r\na: b\r\nc: \r\n\r\n',
    ],
    [{}, 'POST /a?b HTTP/1.1\r\nhost: host:80\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n'],
    [{ body: 'ä' }, 'POST /a?b HTTP/1.1\r\nhost: host:80\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nä'],
    [
      { body: Buffer.from('ä') },
      'POST /a?b HTTP/1.1\r\nhost: host:80\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nä',
    ],
  ])('writes %j', (change, expected) => {
    expect(text(change)).toBe(expected)
  })

  it.each([
    [{ method: 'GET / HTTP/1.1\r\nx: y' }, 'method and path'],
    [{ path: '/\n' }, 'method and path'],
    [{ headers: { 'a\r\nb': 'c' } }, 'is one line'],
    [{ headers: { a: 'b\r\nc: d' } }, 'the header "a" is one line'],
  ])('refuses %j', (change, message) => {
    expect(() => text(change)).toThrow(message)
  })
})
