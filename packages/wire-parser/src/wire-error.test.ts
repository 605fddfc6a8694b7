// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { WireError, type WireErrorCode } from './wire-error.ts'

// code, what the client is told, whether the connection closes, how a WebSocket is closed
const rows: [code: WireErrorCode, text: string | undefined, closes: boolean, webSocketCode: number][] = [
  ['unknown_operation', 'Unknown Protocol Operation', true, 1002],
  ['bad_line_end', 'Unknown Protocol Operation', true, 1002],
  ['bad_arguments', undefined, true, 1002],
  ['bad_size', undefined, true, 1002],
  ['bad_header_size', undefined, true, 1002],
  ['bad_connect', undefined, true, 1002],
  ['headers_disabled', undefined, true, 1002],
  ['bare_cr', undefined, true, 1002],
  ['peer_error', undefined, true, 1002],
  ['control_line_too_long', 'maximum control line exceeded', true, 1002],
  ['payload_too_large', 'Maximum Payload Violation', true, 1009],
  ['authorization', 'Authorization Violation', true, 1008],
  ['auth_timeout', 'Authentication Timeout', true, 1008],
  ['auth_expired', 'User Authentication Expired', true, 1008],
  ['auth_revoked', 'User Authentication Revoked', true, 1008],
  ['too_many_connections', 'maximum connections exceeded', true, 1008],
  ['backend_unavailable', 'No Backend Available', true, 1011],
  ['too_many_subscriptions', 'maximum subscriptions exceeded', false, 1008],
  ['publish_denied', 'Permissions Violation for Publish', false, 1008],
  ['subscribe_denied', 'Permissions Violation for Subscription', false, 1008],
  ['reply_denied', 'Permissions Violation for Publish with Reply', false, 1008],
  ['rate_limited', 'Rate Limit Exceeded', false, 1008],
  ['slow_consumer', undefined, true, 1008],
  ['backend_lost', undefined, true, 1001],
  ['stale', 'Stale Connection', true, 1001],
  ['shutdown', undefined, true, 1001],
  ['internal', 'Internal Gateway Error', true, 1011],
]

describe('WireError', () => {
  it.each(rows)('%s tells %s, closes: %s, with %d', (code, text, closes, webSocketCode) => {
    const error = new WireError(code, 'why')
    expect(error).toMatchObject({ name: 'WireError', message: 'why', code, text, closes, webSocketCode })
    expect(error).toBeInstanceOf(Error)
  })

  it('says something else where it is told to', () => {
    const cause = new Error('below')
    const text = 'Permissions Violation for Publish to "a"'
    const error = new WireError('publish_denied', 'no', { text, closes: true, cause })
    expect([error.text, error.closes, error.cause]).toEqual([text, true, cause])
  })
})
