// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { describe, expect, it, vi } from 'vitest'
import { ChannelConnection } from './channel-connection.ts'
import type { ChannelOptions } from './channel-options.ts'
import { frameOf, replyFrame } from './frame.ts'
import { codeOf, eventsOf, startGateway, statOf, type Rig, type TestClient } from './gateway.test-support.ts'
import { jsonCodec, type Connection, type Outbox } from './index.ts'
import { overflowPolicies } from './overflow-policy.ts'
import { handshake, rawSocket } from './upgrade/hosts.test-support.ts'

const piece = 'x'.repeat(10_000)
const limits = {
  sendBufferBytes: 100_000,
  lowWaterBytes: 40_000,
  messagesPerSecond: Infinity,
  bytesPerSecond: Infinity,
}

interface Slow extends Rig {
  readonly client: TestClient
  readonly connection: Connection
}

/** A client that does not read, on a channel of small bounds. */
async function slowClient(options: ChannelOptions, transport: 'auto' | 'plain' = 'auto'): Promise<Slow> {
  const rig = await startGateway(
    (gateway) => gateway.channel('/', { ...limits, ...options }).default((request) => request.data),
    { transport },
  )
  const client = await rig.connect()
  client.ws.pause()
  const [connection] = rig.gateway.registry
  if (connection === undefined) throw new Error('no connection')
  return { ...rig, client, connection }
}

/** Sends until nothing more is taken, and gives how many were. */
async function fill(send: (number: number) => boolean): Promise<number> {
  for (let number = 0; number < 10_000; number += 1) {
    if (!send(number)) return number
    // What the kernel takes, it takes between ticks.
    if (number % 4 === 3) await new Promise(setImmediate)
  }
  throw new Error('the client is not slow')
}

function numbered(number: number): string {
  return `${number}:${piece}`
}

/** Lets a client read all that waits for it, and gives the numbers of what it has got. */
async function rest({ client, connection }: Slow): Promise<number[]> {
  client.ws.resume()
  await vi.waitFor(() => expect(connection.bufferedBytes).toBe(0))
  // Behind everything that the kernels still have.
  await new Promise((resolve) => client.ws.once('pong', resolve).ping())
  return client.messages.map((text) => Number(text.split(':')[0]))
}

describe.each(['auto', 'plain'] as const)('a client that does not read, transport %s', (transport) => {
  it('is closed with 4108 by default, with no more held for it than its bound and one message (D3, F12)', async () => {
    const slow = await slowClient({ closeTimeoutMs: 200 }, transport)
    const { connection } = slow
    let most = 0
    await fill((number) => {
      const isTaken = connection.send(numbered(number))
      most = Math.max(most, connection.bufferedBytes)
      return isTaken
    })
    expect(most).toBeGreaterThanOrEqual(limits.sendBufferBytes)
    expect(most).toBeLessThan(limits.sendBufferBytes + 10_020)
    expect(connection.state).toBe('closing')
    // It never answers the close frame.
    await vi.waitFor(() => expect(connection.state).toBe('closed'))
    expect(eventsOf(slow, 'connection.closed').map(({ code, wasClean }) => [code, wasClean])).toStrictEqual([
      [4108, false],
    ])
  })

  it('gets the close frame when it reads on in time (F12)', async () => {
    const { connection, client } = await slowClient({}, transport)
    await fill((number) => connection.send(numbered(number)))
    client.ws.resume()
    expect(await client.closed).toStrictEqual({ code: 4108, reason: 'slow consumer' })
  })

  it('loses the newest messages with drop-newest, and no others (F12)', async () => {
    const slow = await slowClient({ overflow: 'drop-newest' }, transport)
    const taken = await fill((number) => slow.connection.send(numbered(number)))
    expect(slow.connection.send('dropped')).toBe(false)
    expect(await rest(slow)).toStrictEqual(Array.from({ length: taken }, (_, index) => index))
    expect(statOf(slow.gateway, 'messages_dropped_total', { policy: 'drop-newest' })).toBe(2)
    expect(eventsOf(slow, 'outbound.dropped')).toHaveLength(1)
    expect(eventsOf(slow, 'outbound.drained')).toMatchObject([{ dropped: 2 }])
    slow.connection.send('1000000:again')
    await vi.waitFor(() => expect(slow.client.messages.at(-1)).toBe('1000000:again'))
  })

  it('loses the oldest messages that wait with drop-oldest, and gets the newest (F12)', async () => {
    const slow = await slowClient({ overflow: 'drop-oldest' }, transport)
    const { connection, gateway } = slow
    for (let number = 0; number < 1500; number += 1) {
      expect(connection.send(numbered(number))).toBe(true)
      expect(connection.bufferedBytes).toBeLessThan(limits.sendBufferBytes + 10_020)
      if (number % 4 === 3) await new Promise(setImmediate)
    }
    const dropped = statOf(gateway, 'messages_dropped_total', { policy: 'drop-oldest' })
    expect(dropped).toBeGreaterThan(0)
    const got = await rest(slow)
    expect(got).toHaveLength(1500 - dropped)
    expect(got.at(-1)).toBe(1499)
    expect(got.every((number, index) => index === 0 || number > (got[index - 1] ?? 0))).toBe(true)
  })

  it('tells at once who has asked it what was dropped', async () => {
    const slow = await slowClient({ overflow: 'drop-oldest', codec: jsonCodec() }, transport)
    const { connection } = slow
    // What the socket has taken is not dropped any more.
    for (let number = 0; number < 1000 && statOf(slow.gateway, 'messages_dropped_total') === 0; number += 1) {
      connection.send(numbered(number))
      if (number % 4 === 3) await new Promise(setImmediate)
    }
    const asked = connection.request('are you there?', undefined, { timeoutMs: 600_000 })
    for (let number = 0; number < 100; number += 1) connection.send(numbered(number))
    await expect(asked).rejects.toMatchObject({ code: 'overloaded' })
    await rest(slow).catch(() => undefined)
  })

  it('gets only the latest message of each key with coalesce (F12)', async () => {
    const slow = await slowClient({ overflow: 'coalesce' }, transport)
    const { connection, gateway } = slow
    for (let number = 0; number < 1500; number += 1) {
      expect(connection.send(numbered(number), { key: `k${number % 3}` })).toBe(true)
      if (number % 4 === 3) await new Promise(setImmediate)
    }
    expect(connection.state).toBe('open')
    const got = await rest(slow)
    expect(got.slice(-3)).toStrictEqual([1497, 1498, 1499])
    expect(got.length).toBe(1500 - statOf(gateway, 'messages_dropped_total', { policy: 'coalesce' }))
    expect(got.length).toBeLessThan(1500)
  })

  it('is closed with coalesce where there is nothing to replace', async () => {
    const { connection } = await slowClient({ overflow: 'coalesce' }, transport)
    await fill((number) => connection.send(numbered(number)))
    expect(connection.state).toBe('closing')
  })

  it('makes sent() wait with block, and send() say no (F12)', async () => {
    const slow = await slowClient({ overflow: 'block' }, transport)
    const { connection, client } = slow
    const taken = await fill((number) => connection.send(numbered(number)))
    expect(connection.send('no')).toBe(false)
    let settled = 0
    const waiting = [taken, taken + 1].map((number) => connection.sent(numbered(number)).then(() => (settled += 1)))
    // Within the turn: in another the kernel may take more.
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
    expect(settled).toBe(0)
    expect(connection.state).toBe('open')
    client.ws.resume()
    await Promise.all(waiting)
    expect(settled).toBe(2)
    expect(await rest(slow)).toStrictEqual(Array.from({ length: taken + 2 }, (_, index) => index))
  })

  it('makes every sent() wait its turn with block, however many wait', async () => {
    const { connection, client } = await slowClient({ overflow: 'block' }, transport)
    const taken = await fill((number) => connection.send(numbered(number)))
    // Several times what may wait, and one that comes at the moment there is room.
    const waiting = Array.from({ length: 60 }, (_, index) => connection.sent(numbered(taken + index)))
    const late = connection.drained().then(() => connection.sent(numbered(taken + 60)))
    expect(connection.bufferedBytes).toBeLessThan(limits.sendBufferBytes + 10_020)
    client.ws.resume()
    await Promise.all([...waiting, late])
    await vi.waitFor(() => expect(client.messages).toHaveLength(taken + 61))
    expect(client.messages.findIndex((text, index) => !text.startsWith(`${index}:`))).toBe(-1)
  })

  it('rejects every sent() that waits with block when the connection ends', async () => {
    const { connection, client } = await slowClient({ overflow: 'block', closeTimeoutMs: 50 }, transport)
    const taken = await fill((number) => connection.send(numbered(number)))
    const codes = Array.from({ length: 20 }, (_, index) => codeOf(connection.sent(numbered(taken + index))))
    void connection.close(4300)
    expect(await Promise.all(codes)).toStrictEqual(codes.map(() => 'closed'))
    expect(await codeOf(connection.sent('late'))).toBe('closed')
    client.ws.terminate()
  })

  it.each(overflowPolicies)('settles every frame once with %s, whatever becomes of it', async (overflow) => {
    const { connection, client, gateway } = await slowClient({ overflow, closeTimeoutMs: 50 }, transport)
    if (!(connection instanceof ChannelConnection)) throw new Error('not one of ours')
    const settled: number[] = []
    const push = (number: number): boolean => {
      settled[number] = 0
      const settle = (): void => void (settled[number] = (settled[number] ?? 0) + 1)
      return connection.push(frameOf(numbered(number), undefined, { key: `k${number % 3}`, settle }))
    }
    // Some are taken, some are dropped or refused, some wait, and those are cut off.
    await fill((number) => push(number) && statOf(gateway, 'messages_dropped_total') === 0)
    client.ws.resume()
    await vi.waitFor(() => expect(client.messages.length).toBeGreaterThan(10))
    client.ws.pause()
    const { length } = settled
    await fill((number) => push(length + number) && number < 20)
    connection.terminate()
    await vi.waitFor(() => expect(settled.every((times) => times > 0)).toBe(true))
    await new Promise(setImmediate)
    expect(settled).toStrictEqual(settled.map(() => 1))
  })

  it.each(['drop-oldest', 'drop-newest', 'coalesce'] as const)(
    'loses no answer with %s, among however many messages that are dropped (F12)',
    async (overflow) => {
      const { connection, client, gateway } = await slowClient({ overflow }, transport)
      if (!(connection instanceof ChannelConnection)) throw new Error('not one of ours')
      const answers: string[] = []
      for (let number = 0; answers.length < 200; number += 1) {
        connection.send(numbered(number), { key: 'push' })
        const isAnswer = number % 3 === 0
        if (isAnswer && statOf(gateway, 'messages_dropped_total') > 0) answers.push(`answer ${number}`)
        if (isAnswer) expect(connection.push(replyFrame(`answer ${number}`))).toBe(true)
        if (number % 4 === 3) await new Promise(setImmediate)
      }
      client.ws.resume()
      await vi.waitFor(() => expect(client.messages).toContain(answers.at(-1)))
      const got = client.messages.filter((text) => text.startsWith('answer'))
      expect(got.slice(-answers.length)).toStrictEqual(answers)
      expect(connection.state).toBe('open')
    },
  )

  it('loses no answer with block, because its requests are not read', async () => {
    const { connection, client, gateway } = await slowClient({ overflow: 'block' }, transport)
    const total = 1500
    for (let number = 0; number < total; number += 1) client.send(numbered(number))
    await vi.waitFor(() => expect(connection.bufferedBytes).toBeGreaterThanOrEqual(limits.sendBufferBytes))
    expect(statOf(gateway, 'messages_total', { direction: 'in' })).toBeLessThan(total)
    client.ws.resume()
    await vi.waitFor(() => expect(client.messages).toHaveLength(total), { timeout: 10_000 })
    expect(client.messages.every((text, index) => text.startsWith(`${index}:`))).toBe(true)
    expect(connection.state).toBe('open')
  })

  it.each(['drop-oldest', 'drop-newest'] as const)(
    'keeps its answers with %s, at the price of pushed messages',
    async (overflow) => {
      const slow = await slowClient({ overflow, codec: jsonCodec() }, transport)
      const { connection, client, gateway } = slow
      for (let number = 0; statOf(gateway, 'messages_dropped_total') === 0; number += 1) {
        connection.send(JSON.stringify({ push: number, piece }))
        if (number % 4 === 3) await new Promise(setImmediate)
      }
      expect(connection.state).toBe('open')
      client.send({ type: 'ask', id: 'answer', data: 1 })
      await vi.waitFor(() => expect(statOf(gateway, 'messages_total', { direction: 'in' })).toBe(1))
      expect(connection.state).toBe('open')
      client.ws.resume()
      await vi.waitFor(() => expect(client.messages.some((text) => text.includes('"id":"answer"'))).toBe(true))
    },
  )
})

describe('a client that does not read', () => {
  it('is closed with 4108 when it takes nothing for sendTimeoutMs, however little waits (D3, F12)', async () => {
    const slow = await slowClient({
      sendTimeoutMs: 200,
      closeTimeoutMs: 100,
      heartbeatMs: 0,
      sendBufferBytes: 100_000_000,
      lowWaterBytes: 100_000_000,
    })
    const { connection } = slow
    await fill((number) => connection.send(numbered(number)) && connection.bufferedBytes < 200_000)
    await vi.waitFor(() => expect(connection.state).not.toBe('open'))
    await vi.waitFor(() => expect(eventsOf(slow, 'connection.closed').map(({ code }) => code)).toStrictEqual([4108]))
  })

  it('takes no place of a handler for ever: those that wait for it go on when it is given up (D3)', async () => {
    const ends: string[] = []
    let running = 0
    let most = 0
    const rig = await startGateway((gateway) =>
      gateway
        .channel('/', { ...limits, overflow: 'block', concurrency: 25, sendTimeoutMs: 200, closeTimeoutMs: 100 })
        .default(async ({ connection, data }) => {
          if (data !== 'ask') return data
          most = Math.max(most, (running += 1))
          let code = 'resolved'
          while (code === 'resolved') code = await codeOf(connection.sent(piece))
          ends.push(code)
          return undefined
        }),
    )
    const [deaf, other] = [await rig.connect(), await rig.connect()]
    deaf.ws.pause()
    for (let ask = 0; ask < 60; ask += 1) deaf.send('ask')
    other.send('still served')
    expect(await other.next()).toBe('still served')
    await vi.waitFor(() => expect(ends).toStrictEqual(Array.from({ length: 25 }, () => 'closed')))
    await vi.waitFor(() => expect(eventsOf(rig, 'connection.closed').map(({ code }) => code)).toStrictEqual([4108]))
    expect([most, statOf(rig.gateway, 'requests_active')]).toStrictEqual([25, 0])
  })

  it('is seen to take something while one and the same write is under way', async () => {
    const { connection, client } = await slowClient({ sendBufferBytes: 100_000_000, heartbeatMs: 0 })
    if (!(connection instanceof ChannelConnection)) throw new Error('not one of ours')
    const size = 30_000_000
    connection.send(Buffer.alloc(size))
    await vi.waitFor(() => expect(connection.bytesOut).toBe(size + 10))
    const seen = new Set<number>()
    client.ws.resume()
    await vi.waitFor(
      () => {
        if (connection.bufferedBytes > 0) seen.add(connection.progress)
        expect(connection.bufferedBytes).toBe(0)
      },
      { interval: 1, timeout: 10_000 },
    )
    expect(seen.size).toBeGreaterThan(3)
  })

  it('is cut for pings whose answers it does not take', async () => {
    const rig = await startGateway((gateway) => gateway.channel('/').default((request) => request.data))
    const [flooding, other] = [rawSocket(rig.host), await rig.connect()]
    flooding.write(handshake('/'))
    await once(flooding, 'data')
    await vi.waitFor(() => expect(rig.gateway.registry.size).toBe(2))
    flooding.on('error', () => {}).pause()
    const ping = Buffer.concat([Buffer.from('89fd00000000', 'hex'), Buffer.alloc(125, 'x')])
    const hundred = Buffer.concat(Array.from({ length: 100 }, () => ping))
    let most = 0
    // As many as fill what a kernel holds, several times.
    for (let round = 0; round < 1500 && !flooding.destroyed; round += 1) {
      flooding.write(hundred)
      for (const { bufferedBytes } of rig.gateway.registry) most = Math.max(most, bufferedBytes)
      if (round % 10 === 0) await new Promise(setImmediate)
    }
    other.send('still served')
    expect(await other.next()).toBe('still served')
    await vi.waitFor(() => expect(rig.gateway.registry.size).toBe(1))
    expect(most).toBeLessThan(100_000)
  })

  it('does not slow the others down, nor do those that flood', async () => {
    const rig = await startGateway((gateway) => {
      gateway.channel('/', { ...limits, closeTimeoutMs: 100 }).default((request) => request.data)
    })
    const slow = await Promise.all(Array.from({ length: 20 }, () => rig.connect()))
    const quick = await Promise.all(Array.from({ length: 20 }, () => rig.connect()))
    for (const { ws } of slow) ws.pause()
    const room = [...rig.gateway.registry]
    const message = 'x'.repeat(50_000)
    for (let round = 0; round < 150; round += 1) {
      for (const connection of room) connection.send(message)
      await new Promise(setImmediate)
    }
    await vi.waitFor(() => expect(quick.every((client) => client.messages.length === 150)).toBe(true), {
      timeout: 10_000,
    })
    await vi.waitFor(() => expect(rig.gateway.registry.size).toBe(20))
    for (const connection of rig.gateway.registry) expect(connection.bufferedBytes).toBe(0)
  }, 60_000)
})

describe('the outbox of a dispatcher', () => {
  it('can be thinned and merged when it overflows, and the connection goes on', async () => {
    let overflows = 0
    const overflow = (connection: Connection, outbox: Outbox): void => {
      overflows += 1
      const numbers = [...outbox].map(({ payload }) => Buffer.from(payload).toString().split(':')[0])
      expect(outbox.frames).toBe(numbers.length)
      expect(outbox.bytes).toBe([...outbox].reduce((sum, { size }) => sum + size, 0))
      expect(outbox.socketBytes + outbox.bytes).toBe(connection.bufferedBytes)
      expect(outbox.retain(() => false)).toBe(numbers.length)
      connection.send(`${numbers.join('+')}:merged`)
    }
    const rig = await startGateway((gateway) =>
      gateway.channel('/', { ...limits, dispatcher: { message: () => {}, overflow } }),
    )
    const client = await rig.connect()
    client.ws.pause()
    const [connection] = rig.gateway.registry
    if (connection === undefined) throw new Error('no connection')
    for (let number = 0; number < 1500; number += 1) {
      expect(connection.send(numbered(number))).toBe(true)
      if (number % 4 === 3) await new Promise(setImmediate)
    }
    expect(overflows).toBeGreaterThan(1)
    client.ws.resume()
    await vi.waitFor(() => expect(client.messages.at(-1)?.startsWith('1499:')).toBe(true))
    const seen = client.messages.flatMap((text) => text.split(':')[0]?.split('+').map(Number) ?? [])
    expect(seen).toStrictEqual(Array.from({ length: 1500 }, (_, index) => index))
  })

  it('is given up with 4108 when that makes no room, after its last words', async () => {
    const causes: string[] = []
    const rig = await startGateway((gateway) =>
      gateway.channel('/', {
        ...limits,
        dispatcher: {
          message: () => {},
          overflow: () => {},
          closing: (connection, cause) => {
            causes.push(cause)
            connection.send('last words')
          },
        },
      }),
    )
    const client = await rig.connect()
    client.ws.pause()
    const [connection] = rig.gateway.registry
    if (connection === undefined) throw new Error('no connection')
    await fill((number) => connection.send(numbered(number)))
    client.ws.resume()
    expect((await client.closed).code).toBe(4108)
    expect(causes).toStrictEqual(['slow'])
    expect(client.messages.at(-1)).toBe('last words')
  })
})
