// SPDX-License-Identifier: Apache-2.0
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, inject, it } from 'vitest'
import type { BusError } from '../bus-error.ts'
import { HeaderBlock } from '../headers.ts'
import type { BusMessage } from '../message-bus.ts'
import { connectTo, pattern, startBroker, subject } from './broker.test-support.ts'
import { busFromConnection } from './bus-from.ts'
import { RequestBatch, type BatchedRequest } from './request-batch.ts'
import { requestOnce } from './request-once.ts'

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

function codeOf(error: BusError): string {
  return error.code
}

describe.each(inject('natsServers'))('gathered requests through nats-server $version', (binary) => {
  const none = new Uint8Array(0)

  it('leave before whatever is called after them', async () => {
    const server = await startBroker(binary)
    const nats = await connectTo(server)
    const bus = busFromConnection(nats)
    const seen: string[] = []
    bus.subscribe(pattern('o.>'), (message) => void seen.push(message.subject))
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
  })

  it('are delivered to a subscription that drains, and none later', async () => {
    const server = await startBroker(binary)
    const nats = await connectTo(server)
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
  })

  it('never call back before request() has returned, also when one of them cannot be sent', async () => {
    const server = await startBroker(binary)
    // A client that does not let its headers be written byte by byte, and so refuses some names.
    const plain = new Proxy(await connectTo(server), {
      get: (nats, key) => {
        if (key === 'protocol') return undefined
        const member: unknown = Reflect.get(nats, key, nats)
        return typeof member === 'function' ? member.bind(nats) : member
      },
    })
    const bus = busFromConnection(plain)
    const headers = HeaderBlock.from([['\u00e9', '1']])
    const seen: string[] = []
    bus.subscribe(pattern('s.>'), (message) => void seen.push(message.subject))
    // Enough that the bus asks for a PONG at once, for which everything gathered has to leave.
    const payload = new Uint8Array(300 * 1024)
    const refused = new Promise((resolve) => {
      const onReply = (reply: BusMessage | BusError): void => {
        seen.push('refused')
        bus.publish(subject('s.2'), none)
        resolve(reply.kind === 'error' ? reply.code : reply)
      }
      bus.request(subject('s.0'), payload, onReply, { timeoutMs: 1000, headers })
      seen.push('returned')
    })
    bus.request(subject('s.1'), none, () => undefined, { timeoutMs: 1000 })
    expect(await refused).toBe('unsupported')
    await bus.flush()
    expect(seen).toEqual(['returned', 'refused', 's.1', 's.2'])
    // The place it had is free for exactly one other request.
    const replies = await Promise.all(
      ['a', 'b', 'c'].map((name) => requestOnce(bus, subject(`none.${name}`), none, { timeoutMs: 1000 }).catch(codeOf)),
    )
    expect(replies).toEqual(['no_responders', 'no_responders', 'no_responders'])
  })

  it('are not sent when cancelled in the same turn, and fail when the connection is closed in it', async () => {
    const server = await startBroker(binary)
    const nats = await connectTo(server)
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
  })
})
