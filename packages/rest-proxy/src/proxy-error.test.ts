// SPDX-License-Identifier: Apache-2.0
import { STATUS_CODES } from 'node:http'
import { BusError, type BusErrorCode } from '@nats-edge/wire-parser'
import { describe, expect, it } from 'vitest'
import { ProxyError, type ProxyErrorCode } from './proxy-error.ts'

describe('ProxyError', () => {
  it.each<[ProxyErrorCode, number]>([
    ['bad_request', 400],
    ['unauthorized', 401],
    ['credential_expired', 401],
    ['forbidden', 403],
    ['reserved_subject', 403],
    ['not_found', 404],
    ['method_not_allowed', 405],
    ['conflict', 409],
    ['precondition_failed', 412],
    ['body_too_large', 413],
    ['uri_too_long', 414],
    ['subject_too_long', 414],
    ['rate_limited', 429],
    ['headers_too_large', 431],
    ['internal', 500],
    ['unsupported', 501],
    ['websocket_unavailable', 501],
    ['bad_reply', 502],
    ['no_responders', 503],
    ['no_stream', 503],
    ['disconnected', 503],
    ['overloaded', 503],
    ['draining', 503],
    ['timeout', 504],
    ['insufficient_resources', 507],
  ])('answers %s with %i, by its title', (code, status) => {
    const error = new ProxyError(code)
    expect(error.status).toBe(status)
    expect(Buffer.from(error.toProblem('r1')).toString()).toContain(`"title":"${STATUS_CODES[status]}"`)
  })

  it.each<[BusErrorCode, ProxyErrorCode]>([
    ['timeout', 'timeout'],
    ['no_responders', 'no_responders'],
    ['disconnected', 'disconnected'],
    ['closed', 'disconnected'],
    ['overloaded', 'overloaded'],
    ['body_too_large', 'body_too_large'],
    ['forbidden', 'forbidden'],
    ['unsupported', 'unsupported'],
  ])('takes the bus error %s for %s', (busCode, code) => {
    const cause = new BusError(busCode, 'inner words')
    const error = ProxyError.from(cause)
    expect(error).toMatchObject({ code, cause })
    expect(error.message).not.toContain('inner')
  })

  it('knows a bus error of another copy by its name and code', () => {
    const foreign = Object.assign(new Error('x'), { name: 'BusError', code: 'timeout' })
    expect(ProxyError.from(foreign).code).toBe('timeout')
  })

  it.each([
    new Error('secret'),
    'secret',
    undefined,
    { code: 'timeout' },
    Object.assign(new Error('x'), { name: 'BusError', code: 'else' }),
  ])('takes %s for an internal failure and says nothing of it', (reason) => {
    const error = ProxyError.from(reason)
    expect(error.code).toBe('internal')
    expect(Buffer.from(error.toProblem('id')).toString()).not.toContain('secret')
  })

  it('keeps an error that is one already', () => {
    const error = new ProxyError('timeout')
    expect(ProxyError.from(error)).toBe(error)
  })

  it('writes a problem document with its members', () => {
    const error = new ProxyError('conflict', { detail: 'd', members: { errCode: 10060 } })
    expect(JSON.parse(Buffer.from(error.toProblem('r1')).toString())).toEqual({
      type: 'about:blank',
      title: 'Conflict',
      status: 409,
      code: 'conflict',
      detail: 'd',
      requestId: 'r1',
      errCode: 10060,
    })
  })
})
