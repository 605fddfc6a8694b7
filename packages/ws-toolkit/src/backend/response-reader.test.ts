// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { parseResponseHead } from './response-head.ts'
import { ResponseReader } from './response-reader.ts'

interface Heard {
  readonly responses: string[]
  readonly fault: string | undefined
  readonly isEnded: boolean
}

/** What one connection says, read in these pieces; a request waits for each response. */
function heard(text: string, { cuts = [] as readonly number[], method = 'GET' } = {}): Heard {
  const responses: string[] = []
  let body = ''
  const reader = new ResponseReader({
    head: ({ status, headers }) => (body = `${status} ${String(headers['x'] ?? '')} `),
    data: (bytes) => (body += bytes.toString('latin1')),
    end: () => {
      responses.push(body)
      body = ''
      reader.expect(method)
    },
  })
  reader.expect(method)
  const stream = Buffer.from(text, 'latin1')
  let at = 0
  try {
    for (const cut of [...cuts, stream.length]) {
      reader.push(stream.subarray(at, at + cut))
      at += cut
    }
    return { responses, fault: undefined, isEnded: reader.close() }
  } catch (error) {
    return { responses, fault: error instanceof Error ? error.message : String(error), isEnded: false }
  }
}

const lengthOf = (body: string): string => `HTTP/1.1 200 OK\r\nX: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`
const chunked = (...chunks: string[]): string =>
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n${chunks
    .map((chunk) => `${chunk.length.toString(16)};ext=1\r\n${chunk}\r\n`)
    .join('')}0\r\nTrailer: x\r\n\r\n`

describe('ResponseReader', () => {
  it('reads the same responses however they are cut', () => {
    const responses = fc.array(
      fc.constantFrom(
        { text: lengthOf('hello'), says: '200 a hello' },
        { text: lengthOf(''), says: '200 a ' },
        { text: lengthOf('\r\n\r\n'), says: '200 a \r\n\r\n' },
        { text: chunked('abc', 'x'.repeat(300)), says: `200  abc${'x'.repeat(300)}` },
        { text: chunked(), says: '200  ' },
        { text: 'HTTP/1.1 204 No Content\r\n\r\n', says: '204  ' },
        { text: `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${lengthOf('late')}`, says: '200 a late' },
      ),
      { maxLength: 5 },
    )
    fc.assert(
      fc.property(responses, fc.array(fc.integer({ min: 1, max: 80 }), { maxLength: 10 }), (list, cuts) => {
        const whole = heard(list.map(({ text }) => text).join(''), { cuts })
        expect(whole).toStrictEqual({ responses: list.map(({ says }) => says), fault: undefined, isEnded: false })
      }),
      { numRuns: inject('propertyRuns') },
    )
  })

  it('reads a body up to the end of the connection', () => {
    const whole = heard('HTTP/1.0 200 OK\r\n\r\nall of it')
    expect(whole).toStrictEqual({ responses: ['200  all of it'], fault: undefined, isEnded: true })
  })

  it('expects no body behind the answer to HEAD', () => {
    const head = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'
    expect(heard(head + head, { method: 'HEAD' }).responses).toStrictEqual(['200  ', '200  '])
  })

  it('reports a body that is cut off as not ended', () => {
    expect(heard(lengthOf('hello').slice(0, -1))).toMatchObject({ responses: [], isEnded: false })
    expect(heard(chunked('hello').slice(0, -4))).toMatchObject({ responses: [], isEnded: false })
  })

  it.each([
    ['no HTTP', 'SSH-2.0-x\r\n\r\n', 'does not answer in HTTP/1.1'],
    ['HTTP/2', 'HTTP/2 200 OK\r\n\r\n', 'does not answer in HTTP/1.1'],
    ['length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 'in two ways'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 'length the service says'],
    ['a signed length', 'HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n', 'length the service says'],
    ['another coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n', 'transfer coding'],
    ['a folded header', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n', 'header of the service is malformed'],
    ['a space before the colon', 'HTTP/1.1 200 OK\r\nX : a\r\n\r\n', 'header of the service is malformed'],
    ['a lone LF', 'HTTP/1.1 200 OK\r\nX: a\nY: b\r\n\r\n', 'header of the service is malformed'],
    ['an upgrade', 'HTTP/1.1 101 Switching Protocols\r\n\r\n', 'switches protocols'],
    ['an endless head', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(17_000)}`, 'headers of the service are too long'],
    ['a size that is none', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n', 'size of a chunk'],
    ['a longer chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n', 'longer than it says'],
    ['an endless size', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;${'a'.repeat(5000)}`, 'too long'],
  ])('refuses %s', (_what, text, fault) => {
    expect(heard(text).fault).toContain(fault)
  })

  it('refuses bytes nobody asked for', () => {
    const reader = new ResponseReader({ head: () => {}, data: () => {}, end: () => {} })
    reader.expect('GET')
    const twice = Buffer.from(lengthOf('a') + lengthOf('b'))
    expect(() => reader.push(twice)).toThrow('the service answers what it was not asked')
  })
})

describe('parseResponseHead', () => {
  it.each([
    ['HTTP/1.1 200 OK\r\nContent-Length: 1', true],
    ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: Close', false],
    ['HTTP/1.0 200 OK\r\nContent-Length: 1', false],
    ['HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive', true],
    ['HTTP/1.1 200 OK', false],
  ])('%j leaves the connection reusable: %s', (text, isReusable) => {
    expect(parseResponseHead(text, 'GET').isReusable).toBe(isReusable)
  })

  it('joins what is said twice, but keeps cookies apart', () => {
    const { headers, keepAliveMs } = parseResponseHead(
      'HTTP/1.1 200 OK\r\nVary: a\r\nvary: b\r\nSet-Cookie: a=1, 2\r\nSet-Cookie: b\r\nKeep-Alive: timeout=5, max=9',
      'GET',
    )
    expect(headers).toMatchObject({ vary: 'a, b', 'set-cookie': ['a=1, 2', 'b'] })
    expect(keepAliveMs).toBe(5000)
  })
})
