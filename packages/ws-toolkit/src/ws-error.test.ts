// SPDX-License-Identifier: Apache-2.0
import { BusError } from '@nats-edge/wire-parser'
import { describe, expect, it } from 'vitest'
import { WsError, wsErrorCodes } from './ws-error.ts'

describe('WsError', () => {
  it.each([
    ['bad_request', -32600, 400, 1008],
    ['unauthorized', -32005, 401, 4002],
    ['forbidden', -32005, 403, 4002],
    ['reserved_subject', -32005, 403, 4002],
    ['not_found', -32601, 404, undefined],
    ['body_too_large', -32600, 413, 1009],
    ['rate_limited', -32003, 429, 1008],
    ['timeout', -32001, 504, undefined],
    ['cancelled', -32800, 499, undefined],
    ['no_responders', -32004, 503, undefined],
    ['disconnected', -32004, 503, undefined],
    ['overloaded', -32002, 503, 1013],
    ['too_many_connections', -32004, 503, 1013],
    ['draining', -32004, 503, 1012],
    ['bad_reply', -32010, 502, undefined],
    ['upstream_closed', -32010, 502, undefined],
    ['circuit_open', -32004, 503, undefined],
    ['conflict', -32006, 409, undefined],
    ['unsupported', -32600, 501, undefined],
    ['parse_error', -32700, 400, 1007],
    ['invalid_request', -32600, 400, 1008],
    ['invalid_params', -32602, 422, undefined],
    ['unsupported_data', -32600, 415, 1003],
    ['slow_consumer', -32002, 503, 4108],
    ['internal', -32603, 500, 1011],
    ['closed', -32603, 500, undefined],
  ] as const)('%s is %i in JSON-RPC, %i in HTTP, and closes a raw channel with %s', (code, rpc, status, close) => {
    const error = new WsError(code)
    expect([error.rpcCode, error.status, error.closeCode]).toStrictEqual([rpc, status, close])
    expect(error.message).not.toBe('')
  })

  it('has a row for every code', () => {
    expect(wsErrorCodes).toHaveLength(26)
  })

  it('keeps what is thrown of ours as it is', () => {
    const error = new WsError('timeout')
    expect(WsError.from(error)).toBe(error)
  })

  it('understands errors of another copy of this package', () => {
    const other = Object.assign(new Error('later'), {
      name: 'WsError',
      code: 'rate_limited',
      retryAfterMs: 20,
      details: { limit: 3 },
      closeCode: 4100,
    })
    const error = WsError.from(other)
    expect([error.code, error.message, error.retryAfterMs, error.details, error.closeCode]).toStrictEqual([
      'rate_limited',
      'later',
      20,
      { limit: 3 },
      4100,
    ])
  })

  it('keeps the code of a bus error, but not its words', () => {
    const error = WsError.from(new BusError('no_responders', 'nobody on orders.secret'))
    expect(error.code).toBe('no_responders')
    expect(error.message).toBe('nobody answers this request')
  })

  it.each([
    [new DOMException('stop', 'AbortError'), 'cancelled'],
    [AbortSignal.timeout(0).reason ?? new DOMException('late', 'TimeoutError'), 'timeout'],
    [new Error('secret'), 'internal'],
    [Object.assign(new Error('no file'), { code: 'ENOENT' }), 'internal'],
    [Object.assign(new Error('x'), { code: 'forbidden' }), 'internal'],
    [Object.assign(new Error('x'), { name: 'WsError', code: 'toString' }), 'internal'],
    ['a string', 'internal'],
    [undefined, 'internal'],
    [null, 'internal'],
  ])('makes of %s the code %s, and tells no client why', (thrown, code) => {
    const error = WsError.from(thrown)
    expect(error.code).toBe(code)
    expect(error.cause).toBe(thrown)
    expect(error.message).not.toContain('secret')
  })
})
