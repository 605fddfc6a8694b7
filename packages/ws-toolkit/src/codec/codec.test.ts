// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { sharedFrame } from '../frame.ts'
import { WsError } from '../ws-error.ts'
import type { Codec, Incoming } from './codec.ts'
import { jsonRpc } from './json-rpc.ts'
import { JsonText } from './json-text.ts'
import { jsonCodec } from './json.ts'
import { rawCodec } from './raw.ts'

function decode(codec: Codec, message: string | object, binary = false): Incoming {
  const incoming = codec.decode(Buffer.from(typeof message === 'string' ? message : JSON.stringify(message)), binary)
  if (incoming instanceof Promise) throw new Error('these codecs decode at once')
  return incoming
}

function faultOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return error instanceof WsError ? error.code : String(error)
  }
  return 'none'
}

const to = { id: 7, key: 'say' }
const toNobody = { id: undefined, key: 'say' }
const limited = new WsError('rate_limited', { retryAfterMs: 50 })

describe('rawCodec()', () => {
  const codec = rawCodec()

  it('takes messages as they are', () => {
    expect(decode(codec, 'hé')).toStrictEqual({ type: 'request', id: undefined, key: 'text', data: 'hé' })
    expect(decode(codec, 'hé', true)).toStrictEqual({
      type: 'request',
      id: undefined,
      key: 'binary',
      data: Buffer.from('hé'),
    })
  })

  it('answers with strings, bytes and shared frames, and with nothing else', () => {
    const frame = sharedFrame('x')
    for (const value of ['text', Buffer.from('bytes'), frame, undefined]) expect(codec.reply(to, value)).toBe(value)
    for (const value of [1, null, {}, [1]]) expect(() => codec.reply(to, value)).toThrow(TypeError)
  })

  it('has no words for errors, events or requests to a client', () => {
    expect([codec.answersErrors, codec.error(to, limited), codec.call, codec.notice, codec.end(to)]).toStrictEqual([
      false,
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })
})

describe('jsonCodec()', () => {
  const codec = jsonCodec()

  it('reads key, id and data of an envelope', () => {
    expect(decode(codec, { type: 'say', id: 'a', data: [1] })).toStrictEqual({
      type: 'request',
      id: 'a',
      key: 'say',
      data: [1],
    })
    expect(decode(codec, { type: 'say' })).toStrictEqual({
      type: 'request',
      id: undefined,
      key: 'say',
      data: undefined,
    })
  })

  it('can be told other names, and that the whole message is the data', () => {
    const other = jsonCodec({ key: 'op', id: 'ref', data: false })
    expect(decode(other, { op: 'say', ref: 1, text: 'x' })).toStrictEqual({
      type: 'request',
      id: 1,
      key: 'say',
      data: { op: 'say', ref: 1, text: 'x' },
    })
    expect(other.reply(to, 1)).toBe('{"op":"say","ref":7,"data":1}')
  })

  it.each([
    ['7', 'invalid_request'],
    ['[]', 'invalid_request'],
    ['null', 'invalid_request'],
    ['{}', 'invalid_request'],
    ['{"type":1}', 'invalid_request'],
    ['{"type":"a","id":{}}', 'invalid_request'],
    ['{"type":"a","id":null}', 'invalid_request'],
    ['{"type":"a","id":1e999}', 'invalid_request'],
    ['{', 'parse_error'],
  ])('refuses %s as %s', (text, code) => {
    expect(faultOf(() => decode(codec, text))).toBe(code)
  })

  it('refuses binary messages', () => {
    expect(faultOf(() => decode(codec, '{"type":"a"}', true))).toBe('unsupported_data')
  })

  it('answers in the same envelope', () => {
    expect(codec.reply(to, { ok: true })).toBe('{"type":"say","id":7,"data":{"ok":true}}')
    expect(codec.reply(toNobody, null)).toBe('{"type":"say","data":null}')
    expect(codec.reply(to, undefined)).toBeUndefined()
    expect(codec.reply(to, new JsonText('[1, 2]'))).toBe('{"type":"say","id":7,"data":[1, 2]}')
    expect(codec.item(to, 1)).toBe('{"type":"say","id":7,"data":1}')
    expect(codec.end(to)).toBe('{"type":"say","id":7,"done":true}')
    expect(codec.error(to, limited)).toBe(
      '{"type":"say","id":7,"error":{"code":"rate_limited","message":"too many requests","retryAfterMs":50}}',
    )
    expect(codec.error(undefined, new WsError('parse_error', { cause: new Error('secret') }))).toBe(
      '{"error":{"code":"parse_error","message":"the message cannot be decoded"}}',
    )
  })

  it('calls a client, and knows its answer', () => {
    expect(codec.call?.(3, 'ask', { a: 1 })).toBe('{"type":"ask","id":3,"data":{"a":1}}')
    expect(codec.call?.(3, 'ask', undefined)).toBe('{"type":"ask","id":3}')
    expect(codec.notice?.('news', 1)).toBe('{"type":"news","data":1}')
    expect(decode(codec, { id: 3, data: 'yes' })).toStrictEqual({
      type: 'answer',
      id: 3,
      result: 'yes',
      error: undefined,
      otherwise: expect.objectContaining({ code: 'invalid_request', message: '"type" is missing or not a string' }),
    })
    expect(decode(codec, { id: 3 })).toMatchObject({ type: 'answer', id: 3, result: undefined })
    expect(decode(codec, { id: 3, type: 5 })).toMatchObject({
      type: 'invalid',
      id: 3,
      error: { code: 'invalid_request' },
    })
    expect(codec.error({ id: 3, key: '' }, new WsError('invalid_request', { message: 'no' }))).toBe(
      '{"id":3,"error":{"code":"invalid_request","message":"no"}}',
    )
    const refused = decode(codec, { id: 3, error: { message: 'no' } })
    expect(refused.type === 'answer' && refused.error?.message).toBe('no')
  })

  it.each([{ key: '' }, { id: 'type' }, { data: 'error' }, { key: 'done' }, { id: 5 }])(
    'refuses the names %j',
    (options) => {
      expect(() => jsonCodec(options as never)).toThrow(TypeError)
    },
  )
})

describe('jsonRpc()', () => {
  const codec = jsonRpc()

  it.each([
    [
      { jsonrpc: '2.0', id: 1, method: 'a', params: [1] },
      { type: 'request', id: 1, key: 'a', data: [1] },
    ],
    [
      { jsonrpc: '2.0', id: 'x', method: 'a' },
      { type: 'request', id: 'x', key: 'a', data: undefined },
    ],
    [
      { jsonrpc: '2.0', method: 'a', params: { b: 1 } },
      { type: 'request', id: undefined, key: 'a', data: { b: 1 } },
    ],
    [
      { jsonrpc: '2.0', id: 1, result: 5 },
      { type: 'answer', id: 1, result: 5, error: undefined },
    ],
    [
      { jsonrpc: '2.0', id: 1, result: null },
      { type: 'answer', id: 1, result: null, error: undefined },
    ],
    [
      { jsonrpc: '2.0', method: '$/cancelRequest', params: { id: 9 } },
      { type: 'cancel', id: 9 },
    ],
    [{ jsonrpc: '2.0', method: '$/cancelRequest' }, { type: 'ignored' }],
  ])('reads %j', (message, expected) => {
    expect(decode(codec, message)).toStrictEqual(expected)
  })

  it.each([
    [{ id: 1, method: 'a' }, 1],
    [{ jsonrpc: '1.0', id: 1, method: 'a' }, 1],
    [{ jsonrpc: '2.0', id: 1 }, 1],
    [{ jsonrpc: '2.0', id: 1, method: 2 }, 1],
    [{ jsonrpc: '2.0', id: 1, method: 'a', params: 'text' }, 1],
    [{ jsonrpc: '2.0', id: 1, method: 'a', params: null }, 1],
    [{ jsonrpc: '2.0', id: null, method: 'a' }, undefined],
    [{ jsonrpc: '2.0', id: {}, method: 'a' }, undefined],
    [7, undefined],
    [null, undefined],
  ])('says that %j is no request', (message, id) => {
    const incoming = decode(codec, JSON.stringify(message))
    expect(incoming).toMatchObject({ type: 'invalid', id })
    expect(incoming.type === 'invalid' && incoming.error.rpcCode).toBe(-32600)
  })

  it('takes no id that it could not give back', () => {
    const incoming = decode(codec, '{"jsonrpc":"2.0","id":1e999,"method":"a"}')
    expect(incoming).toMatchObject({ type: 'invalid', id: undefined })
    expect(decode(codec, '{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":1e999}}').type).toBe('ignored')
  })

  it('reads batches of one to maxBatch requests (F17)', () => {
    const request = { jsonrpc: '2.0', id: 1, method: 'a' }
    expect(decode(codec, [request, 5])).toMatchObject({
      type: 'batch',
      items: [{ type: 'request' }, { type: 'invalid' }],
    })
    expect(faultOf(() => decode(codec, '[]'))).toBe('invalid_request')
    expect(
      faultOf(() =>
        decode(
          codec,
          Array.from({ length: 50 }, () => request),
        ),
      ),
    ).toBe('none')
    expect(
      faultOf(() =>
        decode(
          codec,
          Array.from({ length: 51 }, () => request),
        ),
      ),
    ).toBe('invalid_request')
    expect(faultOf(() => decode(jsonRpc({ maxBatch: 1 }), [request, request]))).toBe('invalid_request')
    expect(() => jsonRpc({ maxBatch: 0 })).toThrow(RangeError)
  })

  it('does not take a batch inside of a batch', () => {
    expect(decode(codec, '[[1]]')).toMatchObject({ items: [{ type: 'invalid', id: undefined }] })
  })

  it('answers requests, and never notifications (F17)', () => {
    expect(codec.reply(to, { a: 1 })).toBe('{"jsonrpc":"2.0","id":7,"result":{"a":1}}')
    // A response has a result or an error (JSON-RPC 2.0, section 5).
    expect(codec.reply(to, undefined)).toBe('{"jsonrpc":"2.0","id":7,"result":null}')
    expect(codec.error(to, limited)).toBe(
      '{"jsonrpc":"2.0","id":7,"error":{"code":-32003,"message":"too many requests","data":{"code":"rate_limited","retryAfterMs":50}}}',
    )
    expect(codec.error(undefined, new WsError('parse_error'))).toBe(
      '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"the message cannot be decoded","data":{"code":"parse_error"}}}',
    )
    for (const answer of [
      codec.reply(toNobody, 1),
      codec.error(toNobody, limited),
      codec.item(toNobody, 1),
      codec.end(toNobody),
    ]) {
      expect(answer).toBeUndefined()
    }
  })

  it('sends many answers as notifications before the result (F17)', () => {
    expect(codec.item(to, 'x')).toBe('{"jsonrpc":"2.0","method":"$/stream","params":{"id":7,"value":"x"}}')
    expect(codec.end(to)).toBe('{"jsonrpc":"2.0","id":7,"result":null}')
  })

  it('puts the answers of a batch into one array', () => {
    expect(codec.batch?.(['{"a":1}', '{"b":2}'])).toBe('[{"a":1},{"b":2}]')
  })

  it('calls and notifies a client', () => {
    expect(codec.call?.(1, 'ask', [1])).toBe('{"jsonrpc":"2.0","id":1,"method":"ask","params":[1]}')
    expect(codec.notice?.('news', undefined)).toBe('{"jsonrpc":"2.0","method":"news"}')
    const refused = decode(codec, { jsonrpc: '2.0', id: 1, error: { code: 5, message: 'no' } })
    expect(refused.type === 'answer' && refused.error?.details).toStrictEqual({ code: 5, message: 'no' })
  })
})
