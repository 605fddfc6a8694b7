// SPDX-License-Identifier: Apache-2.0
import { array, assert, integer, property, record, string } from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { HttpResponseParser } from './http-response-parser.ts'

/** Feeds `text` in pieces of `size` bytes. */
function parse(text: string, size: number = text.length): { statuses: number[]; fault: string | undefined } {
  const statuses: number[] = []
  const parser = new HttpResponseParser((status) => statuses.push(status))
  const bytes = Buffer.from(text, 'latin1')
  for (let at = 0; at < bytes.length; at += size) parser.push(bytes.subarray(at, at + size))
  return { statuses, fault: parser.fault }
}

const hello = 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nContent-Length: 5\r\nDate: now\r\n\r\nhello'
const empty = 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'
const noBody = 'HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n'
const notModified = 'HTTP/1.1 304 Not Modified\r\nContent-Length: 900\r\n\r\n'
const early = 'HTTP/1.1 100 Continue\r\n\r\n'
const bodyLikeHead = 'HTTP/1.1 201 Created\r\ncontent-LENGTH:19\r\n\r\nHTTP/1.1 500 X\r\n\r\n\n'

describe('HttpResponseParser', () => {
  const answers = [
    { what: 'a body', text: hello, statuses: [200] },
    { what: 'an empty body', text: empty, statuses: [404] },
    { what: 'no body by its status', text: noBody, statuses: [204] },
    { what: 'a 304 that names the length of a body it does not have', text: notModified + empty, statuses: [304, 404] },
    { what: 'a 100 before it', text: early + hello, statuses: [200] },
    { what: 'a body that looks like a head', text: bodyLikeHead + hello, statuses: [201, 200] },
    { what: 'another one behind it', text: hello + empty + hello, statuses: [200, 404, 200] },
    {
      what: 'a header that only begins like Content-Length',
      text: `HTTP/1.1 200 OK\r\nContent-Lengthy: 9\r\n\r\n${hello}`,
      statuses: [200, 200],
    },
    {
      what: 'a header that only ends like Content-Length',
      text: `HTTP/1.1 200 OK\r\nX-Content-Length: 9\r\n\r\n${hello}`,
      statuses: [200, 200],
    },
  ]

  it.each(answers)('reads an answer with $what', ({ text, statuses }) => {
    expect(parse(text)).toEqual({ statuses, fault: undefined })
  })

  it.each(answers)('reads an answer with $what one byte at a time', ({ text, statuses }) => {
    expect(parse(text, 1)).toEqual({ statuses, fault: undefined })
  })

  it('reports an answer with its last byte and not before', () => {
    expect(parse(hello.slice(0, -1)).statuses).toEqual([])
    expect(parse(empty.slice(0, -1)).statuses).toEqual([])
  })

  it('reads only as many bytes of a reused buffer as are new', () => {
    const statuses: number[] = []
    const parser = new HttpResponseParser((status) => statuses.push(status))
    parser.push(Buffer.from(empty + empty), empty.length)
    expect(statuses).toEqual([404])
  })

  it.each([
    { what: 'something that is not HTTP', text: 'SSH-2.0-x\r\n', fault: 'malformed' },
    { what: 'HTTP/1.0', text: 'HTTP/1.0 200 OK\r\n\r\n', fault: 'malformed' },
    { what: 'a status that is no number', text: 'HTTP/1.1 2xx OK\r\n\r\n', fault: 'malformed' },
    { what: 'a status line that ends early', text: 'HTTP/1.1 20\r\n', fault: 'malformed' },
    { what: 'a length that is no number', text: 'HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n', fault: 'malformed' },
    {
      what: 'a length beyond all bounds',
      text: `HTTP/1.1 200 OK\r\nContent-Length: ${'9'.repeat(30)}\r\n\r\n`,
      fault: 'malformed',
    },
    { what: 'a body without a length', text: 'HTTP/1.1 200 OK\r\n\r\nhello', fault: 'malformed' },
    {
      what: 'a chunked body',
      text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      fault: 'chunked',
    },
    { what: 'a head without end', text: `HTTP/1.1 200 OK\r\nA: ${'b'.repeat(70_000)}`, fault: 'too_long' },
  ])('stops at $what', ({ text, fault }) => {
    expect(parse(text).fault).toBe(fault)
    expect(parse(text, 1).fault).toBe(fault)
  })

  it('reads nothing after a fault', () => {
    const { statuses } = parse(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${hello}`)
    expect(statuses).toEqual([])
  })

  it('finds the same answers however the bytes are cut', () => {
    const answer = record({ status: integer({ min: 200, max: 599 }), body: string({ maxLength: 40 }) })
    assert(
      property(array(answer, { maxLength: 8 }), integer({ min: 1, max: 70 }), (list, size) => {
        const sent = list.filter(({ status }) => status !== 204 && status !== 304)
        const text = sent.map(({ status, body }) => {
          const latin1 = Buffer.from(body).toString('latin1')
          return `HTTP/1.1 ${status} X\r\nServer: x\r\ncontent-length: ${latin1.length}\r\n\r\n${latin1}`
        })
        expect(parse(text.join(''), size)).toEqual({ statuses: sent.map(({ status }) => status), fault: undefined })
      }),
      { numRuns: inject('propertyRuns') },
    )
  })
})
