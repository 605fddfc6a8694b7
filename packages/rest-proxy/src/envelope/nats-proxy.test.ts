// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  EnvelopeError,
  type RequestFields,
  type ResponseFields,
} from './nats-proxy.ts'

const none = new Uint8Array(0)
const latin1 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'))
const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
const length = (hex: string): string => (hex.length / 2).toString(16).padStart(2, '0')
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

function request(fields: Partial<RequestFields> = {}): RequestFields {
  return { url: '', method: '', remoteAddr: '', body: none, headers: [], webSocketId: '', ...fields }
}

function response(fields: Partial<ResponseFields> = {}): ResponseFields {
  return { statusCode: 200, headers: [], body: none, doUpgrade: false, ...fields }
}

const plainRequest = ({ url, method, remoteAddr, body, headers, webSocketId }: RequestFields): RequestFields => ({
  url,
  method,
  remoteAddr,
  body: Uint8Array.from(body),
  headers,
  webSocketId,
})

// Bytes as programs on the original library write them, except that a map there has no order.
const requestVectors: readonly [meaning: string, hex: string, fields: RequestFields][] = [
  ['all empty', '0a00 1200 1a00 3a00', request()],
  [
    'a latin1 byte and an empty string as values of one header',
    '0a02 2f61 1203 474554 1a00 320a 0a0141 1205 0a01e9 0a00 3a00',
    request({ url: '/a', method: 'GET', headers: ['A', '\xe9', 'A', ''] }),
  ],
  [
    'POST with query, address, JSON body and Content-Type',
    '0a0d2f6f72646572732f373f783d311204504f53541a0e3132372e302e302e313a3437313122077b2261223a317d' +
      '32220a0c436f6e74656e742d5479706512120a106170706c69636174696f6e2f6a736f6e3a00',
    request({
      url: '/orders/7?x=1',
      method: 'POST',
      remoteAddr: '127.0.0.1:4711',
      body: latin1('{"a":1}'),
      headers: ['Content-Type', 'application/json'],
    }),
  ],
  [
    'a WebSocket handshake over IPv6 with a header of three values, one of them not UTF-8',
    '0a032f777312034745541a075b3a3a315d3a3932150a06582d4e616d65120b0a04636166e90a000a0162' +
      '3a16303132333435363738394142434445464748494a4b4c',
    request({
      url: '/ws',
      method: 'GET',
      remoteAddr: '[::1]:9',
      headers: ['X-Name', 'caf\xe9', 'X-Name', '', 'X-Name', 'b'],
      webSocketId: '0123456789ABCDEFGHIJKL',
    }),
  ],
]

const responseVectors: readonly [meaning: string, hex: string, fields: ResponseFields][] = [
  ['all zero: never 0 bytes', '0800 2000', response({ statusCode: 0 })],
  ['the default', '08c801 2000', response()],
  [
    '404 with a header, a body and DoUpgrade',
    '089403 1208 0a0158 1203 0a0179 1a02 6869 2001',
    response({ statusCode: 404, headers: ['X', 'y'], body: latin1('hi'), doUpgrade: true }),
  ],
  [
    'two cookies and a body of NUL, 0xff and LF',
    '08c90112180a0a5365742d436f6f6b6965120a0a03613d310a03623d321a0300ff0a2000',
    response({ statusCode: 201, headers: ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2'], body: latin1('\0\xff\n') }),
  ],
  ['-1 as a varint of ten bytes', '08ffffffffffffffffff01 2000', response({ statusCode: -1 })],
  ['the greatest int32', '08ffffffff07 2000', response({ statusCode: 2_147_483_647 })],
  ['the least int32', '0880808080f8ffffffff01 2000', response({ statusCode: -2_147_483_648 })],
]

describe('golden bytes', () => {
  it.each(requestVectors)('encodes and decodes a Request: %s', (_, hex, fields) => {
    expect(toHex(encodeRequest(fields))).toBe(hex.replaceAll(' ', ''))
    expect(plainRequest(decodeRequest(fromHex(hex)))).toEqual(fields)
  })

  it.each(responseVectors)('encodes and decodes a Response: %s', (_, hex, fields) => {
    expect(toHex(encodeResponse(fields))).toBe(hex.replaceAll(' ', ''))
    const decoded = decodeResponse(fromHex(hex))
    expect({ ...decoded, body: Uint8Array.from(decoded.body) }).toEqual(fields)
  })

  it('carries a form that the sender has parsed', () => {
    const bytes = encodeRequest({ ...request(), form: ['q', '1', 'q', '2'] })
    expect(toHex(bytes)).toBe('0a0012001a002a0b0a017112060a01310a01323a00')
    expect(decodeRequest(bytes).form).toEqual(['q', '1', 'q', '2'])
  })

  it('writes form and headers side by side', () => {
    const bytes = encodeRequest({ ...request({ headers: ['A', '1', 'B', '2', 'A', '3'] }), form: ['q', 'x'] })
    const decoded = decodeRequest(bytes)
    expect(decoded.headers).toEqual(['A', '1', 'A', '3', 'B', '2'])
    expect(decoded.form).toEqual(['q', 'x'])
  })
})

describe('decoding what others write', () => {
  it('takes the fields in any order', () => {
    const decoded = decodeRequest(fromHex('3a0139 3207 0a0141 1202 0a00 2201 62 1a0172 1201 4d 0a0175'))
    expect(plainRequest(decoded)).toEqual(
      request({ url: 'u', method: 'M', remoteAddr: 'r', body: latin1('b'), headers: ['A', ''], webSocketId: '9' }),
    )
  })

  it('takes the value of a map entry before its key', () => {
    expect(decodeResponse(fromHex('0801 1208 1203 0a0179 0a0158')).headers).toEqual(['X', 'y'])
  })

  it('takes absent fields as empty', () => {
    expect(plainRequest(decodeRequest(none))).toEqual(request())
    expect(decodeResponse(fromHex('2000')).statusCode).toBe(0)
  })

  it('lets the last of a repeated scalar win', () => {
    const decoded = decodeRequest(fromHex('0a0161 0a0162 22023132 220133'))
    expect([decoded.url, toHex(decoded.body)]).toEqual(['b', '33'])
    expect(decodeResponse(fromHex('08c801 089403 2001 2000'))).toMatchObject({ statusCode: 404, doUpgrade: false })
  })

  it('lets the last of equal map entries win', () => {
    const headers = '1208 0a0141 1203 0a0131 1208 0a0142 1203 0a0132 1208 0a0141 1203 0a0133'
    expect(decodeResponse(fromHex(headers)).headers).toEqual(['B', '2', 'A', '3'])
  })

  it('lets an entry with an empty list take an earlier one away', () => {
    expect(decodeResponse(fromHex('1208 0a0141 1203 0a0131 1205 0a0141 1200')).headers).toEqual([])
  })

  it('joins the lists of a value field that stands twice in one entry', () => {
    expect(decodeResponse(fromHex('120d 0a0141 1203 0a0131 1203 0a0132')).headers).toEqual(['A', '1', 'A', '2'])
  })

  it.each([
    ['with an empty list', '3205 0a014b 1200'],
    ['without a value field', '3203 0a014b'],
    ['of zero bytes', '3200'],
  ])('takes an entry %s as no header', (_, hex) => {
    expect(decodeRequest(fromHex(hex)).headers).toEqual([])
  })

  it.each([
    ['varint', '4001'],
    ['fixed64', '410102030405060708'],
    ['length-delimited', '42020102'],
    ['fixed32', '4501020304'],
    ['varint with a field number of four bytes', 'f8ffff0f01'],
    ['known number with another wire type', '0801'],
  ])('skips an unknown %s field, also inside an entry and a list', (_, unknown) => {
    const list = `${unknown}0a0179`
    const entry = `0a0158${unknown.replace(/^08/, '10')}12${length(list)}${list}`
    const message = `${unknown}32${length(entry)}${entry}1203474554`
    expect(plainRequest(decodeRequest(fromHex(message)))).toEqual(request({ method: 'GET', headers: ['X', 'y'] }))
  })

  it('takes a boolean of more than one bit and a non-minimal varint', () => {
    expect(decodeResponse(fromHex('08c88100 2080808001')).statusCode).toBe(200)
    expect(decodeResponse(fromHex('2080808001')).doUpgrade).toBe(true)
    expect(decodeRequest(fromHex('8a00810061')).url).toBe('a')
  })

  it('takes the low half of a varint of 64 bits as the status', () => {
    expect(decodeResponse(fromHex('08c8818080808080808001')).statusCode).toBe(200)
  })
})

describe('malformed bytes', () => {
  it.each([
    ['a varint of eleven bytes', '0880808080808080808080 00'],
    ['a varint above 64 bits', '08ffffffffffffffffff02'],
    ['a length above 64 bits', '1affffffffffffffffff02'],
    ['a length of 2^63', '1a80808080808080808001'],
    ['a length behind the end', '1a0561'],
    ['a length behind the end of its entry', '1203 0a0558 0000000000'],
    ['a start of group', '0b0c'],
    ['an end of group', '0c'],
    ['a wire type nobody knows', '0e'],
    ['field number 0', '0200'],
    ['a field number above 29 bits', '8080808080800100'],
    ['a group inside an entry', '1202 0b0c'],
    ['a truncated fixed64 field', '4101'],
    ['a truncated fixed32 field', '4501'],
  ])('refuses %s', (_, hex) => {
    expect(() => decodeResponse(fromHex(hex))).toThrow(EnvelopeError)
  })

  it('refuses an empty Response', () => {
    expect(() => decodeResponse(none)).toThrow(EnvelopeError)
  })

  it('checks the headers of a Request before anybody asks for them', () => {
    expect(() => decodeRequest(fromHex('3203 0a0558'))).toThrow(EnvelopeError)
    expect(() => decodeRequest(fromHex('3206 0a0141 1201 0a'))).toThrow(EnvelopeError)
    expect(() => decodeRequest(fromHex('2a03 0a0558'))).toThrow(EnvelopeError)
  })

  it('refuses a message cut anywhere but between two fields', () => {
    const whole = encodeRequest(
      request({
        url: '/a',
        method: 'GET',
        remoteAddr: 'r',
        body: latin1('b'),
        headers: ['A', '1', 'B', '2'],
        webSocketId: 'w',
      }),
    )
    const ends = new Set([0, 4, 9, 12, 15, 25, 35])
    for (let length = 0; length < whole.length; length++) {
      const cut = (): unknown => decodeRequest(whole.subarray(0, length))
      if (ends.has(length)) expect(cut).not.toThrow()
      else expect(cut, `cut at ${length}`).toThrow(EnvelopeError)
    }
  })
})

describe('bytes kept as they are', () => {
  const allBytes = String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte))

  it('carries all 256 byte values in names and values', () => {
    const headers = [allBytes, allBytes, 'X', allBytes]
    expect(decodeRequest(encodeRequest(request({ headers }))).headers).toEqual(headers)
    expect(decodeResponse(encodeResponse(response({ headers }))).headers).toEqual(headers)
    const each = Array.from(allBytes, (char) => [`N${char}`, char]).flat()
    expect(decodeRequest(encodeRequest(request({ headers: each }))).headers).toEqual(each)
  })

  it('hands the body out as a view', () => {
    const bytes = encodeResponse(response({ body: latin1('hello') }))
    const { body } = decodeResponse(bytes)
    expect(body.buffer).toBe(bytes.buffer)
    expect(Buffer.from(body).toString()).toBe('hello')
  })

  it('decodes a plain Uint8Array that begins inside its buffer', () => {
    const bytes = encodeResponse(response({ headers: ['A', 'b'], body: latin1('hello') }))
    const padded = new Uint8Array(bytes.length + 7)
    padded.set(bytes, 5)
    const decoded = decodeResponse(padded.subarray(5, 5 + bytes.length))
    expect(decoded.headers).toEqual(['A', 'b'])
    expect(Buffer.from(decoded.body).toString()).toBe('hello')
  })

  it('carries a body of 1 MiB and a header value of 100 KiB', () => {
    const body = new Uint8Array(1024 * 1024).fill(0xa5)
    const headers = ['A', 'x'.repeat(100 * 1024), 'B', 'y']
    const decoded = decodeRequest(encodeRequest(request({ body, headers })))
    expect(Buffer.compare(decoded.body, body)).toBe(0)
    expect(decoded.headers).toEqual(headers)
  })

  it('groups equal names in a long list as in a short one', () => {
    const headers = Array.from({ length: 500 }, (_, index) => [`N${index % 250}`, String(index)]).flat()
    const grouped = Array.from({ length: 250 }, (_, index) => {
      const name = `N${index}`
      return [name, String(index), name, String(index + 250)]
    }).flat()
    expect(decodeRequest(encodeRequest(request({ headers }))).headers).toEqual(grouped)
  })

  it('reads a hundred thousand entries of one name in time linear in their number', () => {
    const entry = fromHex('1208 0a0141 1203 0a0131')
    const bytes = new Uint8Array(entry.length * 100_000)
    for (let index = 0; index < 100_000; index++) bytes.set(entry, index * entry.length)
    const started = performance.now()
    expect(decodeResponse(bytes).headers).toEqual(['A', '1'])
    expect(performance.now() - started).toBeLessThan(10_000)
  })
})
