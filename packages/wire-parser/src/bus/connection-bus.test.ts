// SPDX-License-Identifier: Apache-2.0
import type { NatsServer } from '@nats-edge/embedded-nats'
import type { NatsConnection } from '@nats-io/nats-core'
import { describe, expect, inject, it, vi } from 'vitest'
import type { BusError } from '../bus-error.ts'
import type { Bus, BusMessage, BusStatus } from '../message-bus.ts'
import { busFromConnection } from '../bus.ts'
import { memoryInUse } from './memory.test-support.ts'
import {
  bytes,
  connectTo,
  eventually,
  holdDeadlines,
  pattern,
  RawClient,
  startBroker,
  subject,
  text,
} from './broker.test-support.ts'

type Reply = BusMessage | BusError

const empty = new Uint8Array(0)

describe.each(inject('natsServers'))('a bus over nats-server $version', (binary) => {
  const start = async (): Promise<{ server: NatsServer; nats: NatsConnection; bus: Bus }> => {
    const server = await startBroker(binary)
    const nats = await connectTo(server)
    return { server, nats, bus: busFromConnection(nats) }
  }

  it('starts connected, with what the server said of itself', async () => {
    const { bus, server } = await start()
    expect([bus.state, bus.epoch, bus.pendingBytes]).toEqual(['connected', 1, 0])
    expect(bus.info).toEqual({
      maxPayloadBytes: 1_048_576,
      serverVersion: server.version,
      headers: true,
      jetstream: false,
    })
  })

  it('brings a request to a service and its reply back, on a reply subject of 37 bytes', async () => {
    const { bus } = await start()
    const replySubjects: unknown[] = []
    bus.subscribe(pattern('svc.*'), (message) => {
      replySubjects.push(message.reply)
      if (message.reply !== undefined) bus.publish(message.reply, bytes(`${message.subject}:${text(message.payload)}`))
    })
    const replies: string[] = []
    bus.request(subject('svc.a'), bytes('1'), (reply) => void replies.push(shown(reply)), { timeoutMs: 5000 })
    expect(replies).toEqual([])
    await eventually(() => replies.length === 1)
    expect(replies).toEqual(['svc.a:1'])
    expect(replySubjects[0]).toMatch(/^_INBOX\.[\w-]{22}\.[\w-]{7}$/)
  })

  it('calls back in arrival order across subscriptions and replies', async () => {
    const { bus, server } = await start()
    const raw = await RawClient.connect(server)
    raw.send('SUB q 1\r\n')
    await raw.settled()
    const order: string[] = []
    bus.subscribe(pattern('a'), (message) => void order.push(`a${text(message.payload)}`))
    bus.subscribe(pattern('b'), (message) => void order.push(`b${text(message.payload)}`))
    bus.request(subject('q'), empty, (reply) => (order.push(`r${shown(reply)}`), true), { timeoutMs: 5000 })
    await eventually(() => raw.received.includes('MSG q 1 '))
    const reply = /MSG q 1 (\S+) 0/.exec(raw.received)?.[1]
    raw.send(`PUB a 1\r\n1\r\nPUB ${reply} 1\r\n2\r\nPUB b 1\r\n3\r\nPUB ${reply} 1\r\n4\r\nPUB a 1\r\n5\r\n`)
    await eventually(() => order.length === 5)
    expect(order).toEqual(['a1', 'r2', 'b3', 'r4', 'a5'])
  })

  it('fails a request nobody listens to, at once, naming the subject', async () => {
    const { bus } = await start()
    const reply = await new Promise<Reply>((resolve) => {
      bus.request(subject('nobody.here'), bytes('x'), (reply) => resolve(reply), { timeoutMs: 5000 })
    })
    expect(reply).toMatchObject({ kind: 'error', name: 'BusError', code: 'no_responders' })
    expect(String(reply)).toContain('nobody.here')
  })

  it('takes an empty reply, or a 503 with a payload, for a reply', async () => {
    const { bus, server } = await start()
    const raw = await RawClient.connect(server)
    raw.send('SUB q 1\r\n')
    await raw.settled()
    const replies: Reply[] = []
    bus.request(subject('q'), empty, (reply) => replies.push(reply.kind === 'message' ? reply.copy() : reply) < 2, {
      timeoutMs: 5000,
    })
    await eventually(() => raw.received.includes('MSG q 1 '))
    const to = /MSG q 1 (\S+) 0/.exec(raw.received)?.[1]
    raw.send(`PUB ${to} 0\r\n\r\nHPUB ${to} 16 17\r\nNATS/1.0 503\r\n\r\nx\r\n`)
    await eventually(() => replies.length === 2)
    expect(replies.map((reply) => reply.kind)).toEqual(['message', 'message'])
  })

  it('times out after the deadline, not before, and drops the late reply even if the slot is taken again', async () => {
    const { bus } = await start()
    const asked: BusMessage[] = []
    bus.subscribe(pattern('slow'), (message) => void asked.push(message.copy()))
    const started = performance.now()
    const first = await new Promise<Reply>((resolve) => {
      bus.request(subject('slow'), bytes('1'), (reply) => resolve(reply), { timeoutMs: 100 })
    })
    const took = performance.now() - started
    expect(first).toMatchObject({ kind: 'error', code: 'timeout' })
    expect(took).toBeGreaterThanOrEqual(100)

    const second: string[] = []
    bus.request(subject('slow'), bytes('2'), (reply) => void second.push(shown(reply)), { timeoutMs: 5000 })
    await eventually(() => asked.length === 2)
    const [early, late] = asked
    if (early?.reply === undefined || late?.reply === undefined) throw new Error('no reply subject')
    expect(early.reply.slice(0, -4)).toBe(late.reply.slice(0, -4))
    bus.publish(early.reply, bytes('too late'))
    bus.publish(late.reply, bytes('in time'))
    await eventually(() => second.length > 0)
    expect(second).toEqual(['in time'])
  })

  it('keeps a slot while its callback returns true; the deadline stays, and extend() moves it', async () => {
    const { bus } = await start()
    let replyTo: BusMessage['reply']
    bus.subscribe(pattern('stream'), (message) => (replyTo = message.reply))
    const got: string[] = []
    holdDeadlines()
    const pending = bus.request(subject('stream'), empty, (reply) => (got.push(shown(reply)), true), { timeoutMs: 300 })
    await eventually(() => replyTo !== undefined)
    if (replyTo === undefined) return
    bus.publish(replyTo, bytes('1'))
    bus.publish(replyTo, bytes('2'))
    await eventually(() => got.length === 2)
    vi.advanceTimersByTime(200)
    pending.extend(500)
    vi.advanceTimersByTime(499)
    bus.publish(replyTo, bytes('3'))
    await eventually(() => got.length === 3)
    vi.advanceTimersByTime(40)
    expect(got).toEqual(['1', '2', '3', 'timeout'])
    pending.extend(500)
    bus.publish(replyTo, bytes('4'))
    await bus.flush()
    expect(got).toHaveLength(4)
  })

  it('lets replies never move the deadline', async () => {
    const { bus } = await start()
    let replyTo: BusMessage['reply']
    bus.subscribe(pattern('stream'), (message) => (replyTo = message.reply))
    const got: string[] = []
    holdDeadlines()
    bus.request(subject('stream'), empty, (reply) => (got.push(shown(reply)), true), { timeoutMs: 300 })
    await eventually(() => replyTo !== undefined)
    if (replyTo === undefined) return
    for (const drop of [1, 2, 3]) {
      bus.publish(replyTo, bytes('x'))
      await eventually(() => got.length === drop)
      vi.advanceTimersByTime(99)
    }
    expect(got).toEqual(['x', 'x', 'x'])
    vi.advanceTimersByTime(43)
    expect(got).toEqual(['x', 'x', 'x', 'timeout'])
  })

  it('calls nothing after cancel(), also when it is called from within a callback', async () => {
    const { bus } = await start()
    bus.subscribe(pattern('svc'), (message) => message.reply && bus.publish(message.reply, message.payload))
    const got: string[] = []
    bus.subscribe(pattern('quiet'), () => undefined)
    const gone = bus.request(subject('svc'), bytes('1'), (reply) => void got.push(shown(reply)), { timeoutMs: 5000 })
    gone.cancel()
    gone.cancel()
    gone.extend(10)
    const later = bus.request(subject('quiet'), bytes('2'), () => void got.push('never'), { timeoutMs: 5000 })
    const own = bus.request(
      subject('svc'),
      bytes('3'),
      (reply) => {
        got.push(shown(reply))
        own.cancel()
        later.cancel()
        return true
      },
      { timeoutMs: 5000 },
    )
    await eventually(() => got.length > 0)
    await bus.flush()
    await bus.flush()
    expect(got).toEqual(['3'])
  })

  it('delivers to a queue group once and stops at unsubscribe(), also from within the callback', async () => {
    const { bus } = await start()
    const got: string[] = []
    for (const member of ['x', 'y']) {
      bus.subscribe(pattern('work.>'), (message) => void got.push(`${member}${text(message.payload)}`), { queue: 'q' })
    }
    const once = bus.subscribe(pattern('work.one'), (message) => {
      got.push(`once${text(message.payload)}`)
      once.unsubscribe()
    })
    bus.publish(subject('work.one'), bytes('1'))
    bus.publish(subject('work.one'), bytes('2'))
    await bus.flush()
    await eventually(() => got.length >= 3)
    expect(got.map((entry) => entry.replace(/^[xy]/, '')).toSorted()).toEqual(['1', '2', 'once1'])
    expect(once.pattern).toBe('work.one')
  })

  it('leaves the other subscriptions, requests and listeners working when callbacks throw', async () => {
    const { bus, nats } = await start()
    const statuses: BusStatus[] = []
    bus.onStatus(() => {
      throw new Error('listener')
    })
    bus.onStatus((status) => void statuses.push(status))
    const got: string[] = []
    bus.subscribe(pattern('svc'), () => {
      throw new Error('subscriber')
    })
    bus.subscribe(pattern('svc'), (message) => {
      got.push('second subscriber')
      if (message.reply !== undefined) bus.publish(message.reply, bytes('reply'))
    })
    bus.request(
      subject('svc'),
      empty,
      () => {
        throw new Error('onReply')
      },
      { timeoutMs: 5000 },
    )
    bus.request(subject('svc'), empty, (reply) => void got.push(shown(reply)), { timeoutMs: 5000 })
    await eventually(() => got.includes('reply') && got.length === 3)
    expect(statuses.map((status) => (status.type === 'failed' ? String(status.error) : status.type))).toEqual([
      'Error: subscriber',
      'Error: subscriber',
      'Error: onReply',
    ])
    expect([bus.state, nats.isClosed()]).toEqual(['connected', false])
  })

  it('shows a message during its callback only; a copy stays', async () => {
    const { bus, server } = await start()
    const raw = await RawClient.connect(server)
    const views: BusMessage[] = []
    const copies: BusMessage[] = []
    bus.subscribe(pattern('a.*'), (message) => {
      views.push(message)
      copies.push(message.copy())
    })
    await bus.flush()
    raw.send('HPUB a.1 r.s 18 21\r\nNATS/1.0\r\nA: 1\r\n\r\nabc\r\n')
    raw.send('PUB a.2 3\r\ndef\r\nPUB a.3 r.> 0\r\n\r\n')
    await eventually(() => copies.length === 3)
    expect(() => views[0]?.payload).toThrow(/copy\(\)/)
    const [first, second, third] = copies
    expect(first).toMatchObject({ kind: 'message', subject: 'a.1', reply: 'r.s' })
    expect([first && text(first.payload), first?.headers?.get('A'), first?.copy()]).toEqual(['abc', '1', first])
    expect(first?.payload.buffer.byteLength).toBe(3)
    expect(second).toMatchObject({ subject: 'a.2', reply: undefined, headers: undefined })
    expect(third?.reply).toBeUndefined()
  })

  it('writes SUB and PUB in the order of the calls', async () => {
    const { bus } = await start()
    const got: string[] = []
    for (let i = 0; i < 100; i++) {
      bus.publish(subject('order'), bytes(`before ${i}`))
      const subscription = bus.subscribe(pattern('order'), (message) => {
        got.push(`${i}:${text(message.payload)}`)
        subscription.unsubscribe()
      })
      bus.publish(subject('order'), bytes(`after ${i}`))
    }
    await bus.flush()
    expect(new Set(got).has('0:after 0')).toBe(true)
    expect(
      got
        .filter((entry) => entry.includes(':before'))
        .every((entry) => {
          const [i, , n] = entry.split(/[: ]/).map(Number)
          return (n ?? 0) > (i ?? 0)
        }),
    ).toBe(true)
  })

  it('hands out inboxes that are fresh and can be subscribed', async () => {
    const { bus } = await start()
    const [one, other] = [bus.inbox(), bus.inbox()]
    expect(one).toMatch(/^_INBOX\.[\w-]{22}$/)
    expect(one).not.toBe(other)
    const got: string[] = []
    bus.subscribe(one, (message) => void got.push(text(message.payload)))
    bus.publish(one, bytes('x'))
    await bus.flush()
    expect(got).toEqual(['x'])
  })

  it.each([0, -1, NaN, Infinity])('refuses a time-out of %d ms', async (timeoutMs) => {
    const { bus } = await start()
    expect(() => bus.request(subject('a'), empty, () => undefined, { timeoutMs })).toThrow(RangeError)
    const pending = bus.request(subject('a'), empty, () => undefined, { timeoutMs: 1000 })
    if (timeoutMs !== 0) expect(() => pending.extend(timeoutMs)).toThrow(RangeError)
    pending.cancel()
  })

  it('returns pendingBytes to zero by itself', async () => {
    const { bus } = await start()
    bus.publish(subject('a'), new Uint8Array(1000))
    expect(bus.pendingBytes).toBeGreaterThanOrEqual(1000)
    await eventually(() => bus.pendingBytes === 0)
  })

  it('keeps memory flat over 100000 requests', async () => {
    const { bus } = await start()
    bus.subscribe(pattern('svc'), (message) => message.reply && bus.publish(message.reply, message.payload))
    const run = (count: number): Promise<void> =>
      new Promise((resolve, reject) => {
        let sent = 0
        let got = 0
        const send = (): void => {
          sent++
          bus.request(subject('svc'), payload, onReply, { timeoutMs: 10_000 })
        }
        const onReply = (reply: Reply): void => {
          if (reply.kind === 'error') return reject(reply)
          got++
          if (sent < count) send()
          else if (got === count) resolve()
        }
        for (let i = 0; i < 100; i++) send()
      })
    const payload = bytes('x'.repeat(128))
    await run(20_000)
    const before = await memoryInUse()
    await run(100_000)
    expect((await memoryInUse()) - before).toBeLessThan(2_000_000)
  })
})

function shown(reply: Reply): string {
  return reply.kind === 'error' ? reply.code : text(reply.payload)
}
