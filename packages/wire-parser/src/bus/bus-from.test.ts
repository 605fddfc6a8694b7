// SPDX-License-Identifier: Apache-2.0
import type { NatsConnection } from '@nats-io/nats-core'
import { describe, expect, inject, it } from 'vitest'
import { busFrom, busFromConnection } from '../bus.ts'
import { connectTo, eventually, startBroker } from './broker.test-support.ts'

const [binary] = inject('natsServers')

async function connection(options = {}): Promise<NatsConnection> {
  if (binary === undefined) throw new Error('no nats-server')
  return connectTo(await startBroker(binary), options)
}

describe('busFrom', () => {
  it('gives one Bus per connection and returns a Bus as it is', async () => {
    const nats = await connection()
    const bus = busFrom(nats)
    expect(busFrom(nats)).toBe(bus)
    expect(busFromConnection(nats)).toBe(bus)
    expect(busFrom(bus)).toBe(bus)
    expect(busFrom(nats, { inboxPrefix: '_INBOX', maxPendingBytes: 8_388_608 })).toBe(bus)
  })

  it('refuses options the Bus that is there was not made with', async () => {
    const nats = await connection()
    busFrom(nats, { maxPendingBytes: 1000 })
    expect(() => busFrom(nats, { inboxPrefix: 'mine' })).toThrow(/inboxPrefix: mine.*_INBOX/)
    expect(() => busFrom(nats, { maxPendingBytes: 2000 })).toThrow(/maxPendingBytes: 2000.*1000/)
    expect(busFrom(nats, { maxPendingBytes: 1000 })).toBe(busFrom(nats))
  })

  it.each(['', 'a b', 'a.*', 'a.', '>'])('refuses the inbox prefix %j', async (inboxPrefix) => {
    const nats = await connection()
    expect(() => busFrom(nats, { inboxPrefix })).toThrow(/^inboxPrefix: /)
  })

  it.each([0, -1, NaN, Infinity])('refuses maxPendingBytes %d', async (maxPendingBytes) => {
    const nats = await connection()
    expect(() => busFrom(nats, { maxPendingBytes })).toThrow(RangeError)
  })

  it('refuses a connection of the old client and says what to install', async () => {
    const nats = await connection()
    const old = Object.assign(Object.create(nats) as NatsConnection, { jetstream: () => undefined })
    expect(() => busFrom(old)).toThrow(/nats 2\.x; install @nats-io\/transport-node/)
    const bus = busFrom(Promise.resolve(old))
    await eventually(() => bus.state === 'closed')
    expect(() => bus.inbox()).toThrow(
      expect.objectContaining({ code: 'closed', cause: expect.objectContaining({ name: 'TypeError' }) as unknown }),
    )
  })

  it.each([[undefined], [null], ['nats://127.0.0.1'], [{}], [{ publish: () => undefined }]])(
    'refuses %j, which is no connection',
    (source) => {
      expect(() => busFrom(source as unknown as NatsConnection)).toThrow(/^nats: neither/)
    },
  )

  it('reads the inbox prefix of a promised connection when it is there', async () => {
    const bus = busFrom(connection({ inboxPrefix: 'mine' }))
    await eventually(() => bus.state === 'connected')
    expect(bus.inbox()).toMatch(/^mine\.[\w-]{22}$/)
  })
})
