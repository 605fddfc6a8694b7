// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { ProxyError } from '../proxy-error.ts'
import { decodePubAck } from './publish.ts'
import { type PublishOptions, resolvePublish } from './publish-options.ts'

function refusal(text: string): ProxyError | undefined {
  try {
    decodePubAck(Buffer.from(text))
    return undefined
  } catch (error) {
    if (error instanceof ProxyError) return error
    throw error
  }
}

describe('decodePubAck', () => {
  it.each([
    ['{"stream":"S","seq":7}', { stream: 'S', seq: 7, duplicate: false }],
    ['{"stream":"S","seq":7,"duplicate":true,"domain":"d"}', { stream: 'S', seq: 7, duplicate: true }],
  ])('reads %s', (text, ack) => {
    expect(decodePubAck(Buffer.from(text))).toEqual(ack)
  })

  it.each([
    [10_023, 'insufficient_resources', 507],
    [10_028, 'insufficient_resources', 507],
    [10_047, 'insufficient_resources', 507],
    [10_054, 'body_too_large', 413],
    [10_060, 'conflict', 409],
    [10_070, 'precondition_failed', 412],
    [10_071, 'precondition_failed', 412],
    [10_164, 'precondition_failed', 412],
    [10_001, 'bad_reply', 502],
  ])('turns err_code %i into %s', (errCode, code, status) => {
    const text = JSON.stringify({
      stream: 'S',
      seq: 0,
      error: { code: 400, err_code: errCode, description: 'inner words' },
    })
    expect(refusal(text)).toMatchObject({ code, status, members: { errCode } })
    expect(refusal(text)?.message).not.toContain('inner words')
  })

  it.each([
    '',
    'hello',
    '[]',
    'null',
    '7',
    '{}',
    '{"stream":"S"}',
    '{"stream":1,"seq":1}',
    '{"error":{}}',
    '{"error":"x"}',
    '\xff',
  ])('takes %j for no acknowledgement', (text) => {
    expect(refusal(text)?.code).toBe('bad_reply')
  })
})

describe('resolvePublish', () => {
  it('encodes what the route expects once', () => {
    const expected = { stream: 'S', lastSequence: 1, lastSubjectSequence: 0, lastMessageId: 'm' }
    const { lines } = resolvePublish('publish', { confirm: 'jetstream', expect: expected })
    expect(Buffer.from(lines ?? []).toString()).toBe(
      'Nats-Expected-Stream: S\r\nNats-Expected-Last-Sequence: 1\r\nNats-Expected-Last-Subject-Sequence: 0\r\nNats-Expected-Last-Msg-Id: m\r\n',
    )
  })

  it.each<[PublishOptions, string]>([
    [{ confirm: 'ack' as 'flush' }, 'publish.confirm'],
    [{ expect: { stream: 'S' } }, 'publish.expect'],
    [{ confirm: 'jetstream', expect: { stream: 'a\r\nb' } }, 'publish.expect.stream'],
    [{ confirm: 'jetstream', expect: { lastSequence: -1 } }, 'publish.expect.lastSequence'],
    [{ confirm: 'jetstream', expect: { sequence: 1 } as object }, '"sequence"'],
  ])('refuses %j, naming %s', (options, named) => {
    expect(() => resolvePublish('publish', options)).toThrow(named)
  })
})
