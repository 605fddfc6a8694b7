// SPDX-License-Identifier: Apache-2.0
import { setImmediate as turn } from 'node:timers/promises'
import { startNatsServer } from '@nats-edge/embedded-nats'
import { connect } from '@nats-io/transport-node'
import { describe, expect, inject, it } from 'vitest'
import { parseSubject, type Subject } from '../subject.ts'
import { parsePattern } from '../pattern.ts'
import { busFromConnection } from './bus-from.ts'
import { RequestBatch, type BatchedRequest } from './request-batch.ts'

function request(slot: number): BatchedRequest {
  return { slot, generation: 0, subject: 's', payload: new Uint8Array(0), headers: undefined }
}

describe('RequestBatch', () => {
  it('sends what one turn gathered when the turn is over, in order', async () => {
    const sent: number[] = []
    const batch = new RequestBatch(({ slot }) => void sent.push(slot))
    batch.add(request(1), 10)
    await Promise.resolve()
    batch.add(request(2), 10)
    expect(sent).toEqual([])
    await turn()
    expect(sent).toEqual([1, 2])
    batch.add(request(3), 10)
    await turn()
    expect(sent).toEqual([1, 2, 3])
  })

  it('sends at once what was gathered before 64 KiB are exceeded', async () => {
    const sent: number[] = []
    const batch = new RequestBatch(({ slot }) => void sent.push(slot))
    batch.add(request(1), 60_000)
    batch.add(request(2), 60_000)
    expect(sent).toEqual([1])
    await turn()
    expect(sent).toEqual([1, 2])
  })

  it('sends nothing that was cleared', async () => {
    const sent: number[] = []
    const batch = new RequestBatch(({ slot }) => void sent.push(slot))
    batch.add(request(1), 10)
    batch.clear()
    await turn()
    expect(sent).toEqual([])
  })

  it('takes requests that are made while it sends', async () => {
    const sent: number[] = []
    const batch: RequestBatch = new RequestBatch(({ slot }) => {
      sent.push(slot)
      if (slot === 1) batch.add(request(2), 10)
    })
    batch.add(request(1), 10)
    await turn()
    await turn()
    expect(sent).toEqual([1, 2])
  })
})

function subject(text: string): Subject {
  const checked = parseSubject(text)
  if (checked === undefined) throw new TypeError(text)
  return checked
}

describe.each(inject('natsServers'))('gathered requests through nats-server $version', (binary) => {
  const none = new Uint8Array(0)

  it('leave before whatever is called after them', async () => {
    const server = await startNatsServer({ binary, jetstream: false })
    const nats = await connect({ servers: server.url })
    const bus = busFromConnection(nats)
    const seen: string[] = []
    const pattern = parsePattern('o.>')
    if (pattern === undefined) throw new TypeError('o.>')
    bus.subscribe(pattern, (message) => void seen.push(message.subject))
    const own = bus.subscribe(subject('u'), (message) => bus.publish(message.reply ?? subject('o.none'), none))
    await bus.flush()

    const ask = (name: string): unknown => bus.request(subject(name), none, () => undefined, { timeoutMs: 1000 })
    ask('o.1')
    bus.publish(subject('o.2'), none)
    ask('o.3')
    ask('o.4')
    await bus.flush()
    expect(seen).toEqual(['o.1', 'o.2', 'o.3', 'o.4'])

    ask('u')
    own.unsubscribe()
    ask('o.5')
    bus.subscribe(subject('o.5'), () => void seen.push('late subscription'))
    await bus.flush()
    expect(seen.slice(4)).toEqual(['o.5'])
    await nats.close()
    await server.stop()
  })

  it('are delivered to a subscription that drains, and none later', async () => {
    const server = await startNatsServer({ binary, jetstream: false })
    const nats = await connect({ servers: server.url })
    const bus = busFromConnection(nats)
    let delivered = 0
    const subscription = bus.subscribe(subject('d'), () => void delivered++)
    await bus.flush()
    for (let i = 0; i < 1000; i++) bus.publish(subject('d'), none)
    await subscription.drain()
    expect(delivered).toBe(1000)
    bus.publish(subject('d'), none)
    await bus.flush()
    expect(delivered).toBe(1000)
    const other = bus.subscribe(subject('d'), () => void delivered++)
    server.kill()
    await server.exited
    await other.drain()
    await subscription.drain()
    await nats.close()
  })

  it('are not sent when cancelled in the same turn, and fail when the connection is closed in it', async () => {
    const server = await startNatsServer({ binary, jetstream: false })
    const nats = await connect({ servers: server.url })
    const bus = busFromConnection(nats)
    const seen: string[] = []
    bus.subscribe(subject('c.1'), (message) => void seen.push(message.subject))
    await bus.flush()
    bus.request(subject('c.1'), none, () => undefined, { timeoutMs: 1000 }).cancel()
    await bus.flush()
    expect(seen).toEqual([])

    const code = await new Promise((resolve) => {
      const failed = (reply: { kind: string; code?: string }): void => resolve(reply.code)
      bus.request(subject('c.1'), none, failed, { timeoutMs: 1000 })
      void nats.close()
    })
    expect(code).toBe('closed')
    expect(() => bus.request(subject('c.1'), none, () => undefined, { timeoutMs: 1000 })).toThrow(
      expect.objectContaining({ code: 'closed' }),
    )
    await server.stop()
  })
})
