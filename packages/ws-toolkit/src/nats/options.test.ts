// SPDX-License-Identifier: Apache-2.0
import type { NatsConnection } from '@nats-io/transport-node'
import { beforeEach, describe, expect, inject, it } from 'vitest'
import { natsPublish, natsQueue, natsRequest, natsSubscribe } from '../nats.ts'
import { brokerFor, connectTo } from './nats-rig.test-support.ts'

type Options = Record<string, unknown>

describe('options of the NATS backends', () => {
  const [binary] = inject('natsServers').slice(-1)
  if (binary === undefined) throw new Error('no nats-server to test with')
  const broker = brokerFor(binary)
  let nats: NatsConnection

  beforeEach(async () => {
    nats = await connectTo(broker.server)
  })

  const makers: Record<string, (options: Options) => unknown> = {
    natsRequest: (options) => natsRequest(nats, 'a', options),
    natsPublish: (options) => natsPublish(nats, 'a', options),
    natsQueue: (options) => natsQueue(nats, 'a', options),
    natsSubscribe: (options) => natsSubscribe(nats, { allow: ['a'], ...options }),
  }

  it.each([
    ['natsRequest', { timeoutMs: 0 }, 'natsRequest.timeoutMs: 0'],
    ['natsRequest', { maxPending: 1.5 }, 'natsRequest.maxPending: 1.5'],
    ['natsRequest', { as: 'xml' }, 'natsRequest.as: "xml"'],
    ['natsRequest', { payload: 'x' }, 'natsRequest.payload'],
    ['natsRequest', { headers: {} }, 'natsRequest.headers'],
    ['natsRequest', { authorize: true }, 'natsRequest.authorize'],
    ['natsRequest', { ack: 'jetstream' }, 'natsRequest: there is no option "ack"'],
    ['natsRequest', { dangerouslyAllowReserved: 1 }, 'natsRequest.dangerouslyAllowReserved'],
    ['natsPublish', { ack: true }, 'natsPublish.ack: true'],
    ['natsPublish', { timeoutMs: -1 }, 'natsPublish.timeoutMs: -1'],
    ['natsQueue', { stream: 'yes' }, 'natsQueue.stream: "yes"'],
    ['natsQueue', { maxBufferedBytes: 0 }, 'natsQueue.maxBufferedBytes: 0'],
    ['natsSubscribe', { allow: [] }, 'natsSubscribe.allow'],
    ['natsSubscribe', { allow: ['a..b'] }, 'a..b'],
    ['natsSubscribe', { allow: ['a.x-{b}'] }, 'a.x-*'],
    ['natsSubscribe', { allow: ['a queue'] }, 'natsSubscribe.allow: "a queue"'],
    ['natsSubscribe', { perConnection: 0 }, 'natsSubscribe.perConnection: 0'],
    ['natsSubscribe', { timeoutMs: 1 }, 'natsSubscribe: there is no option "timeoutMs"'],
  ] as const)('%s refuses %j by name', (name, options, words) => {
    expect(() => makers[name]?.(options)).toThrow(words)
  })

  it('refuses what is no connection', () => {
    expect(() => natsRequest({} as NatsConnection, 'a')).toThrow(/neither a NatsConnection/)
  })
})
