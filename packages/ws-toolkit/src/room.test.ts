// SPDX-License-Identifier: Apache-2.0
import { Socket } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { ChannelOptions } from './channel-options.ts'
import { eventsOf, startGateway, statOf, ways, type Rig } from './gateway.test-support.ts'
import { sharedFrame, wsGateway, WsError, type RoomBus, type RoomMessage } from './index.ts'
import type { GatewayOptions } from './options.ts'
import { gate, type Gate } from './upgrade/hosts.test-support.ts'

/** Clients join the room of their path, and say what they send to all of it but themselves. */
function startRooms(options: Parameters<typeof startGateway>[1] = {}, channel: ChannelOptions = {}): Promise<Rig> {
  return startGateway((gateway) => {
    gateway
      .channel('/:room', {
        ...channel,
        onOpen: async (connection) => void (await connection.join(connection.params['room'] ?? '')),
      })
      .default((request) => {
        const { connection } = request
        gateway.rooms.room(connection.params['room'] ?? '').broadcast(String(request.data), { except: connection })
      })
  }, options)
}

/** A bus in memory, between gateways of one process; what goes over it is kept. */
function memoryBus(
  delivers: RoomBus['delivers'],
  past: readonly RoomMessage[] = [],
): () => RoomBus & { readonly subscribed: Set<string>; readonly sent: RoomMessage[] } {
  const subscriptions = new Map<object, Map<string, (message: RoomMessage) => void>>()
  let seq = past.length
  return () => {
    const own = new Map<string, (message: RoomMessage) => void>()
    const me = {}
    subscriptions.set(me, own)
    const sent: RoomMessage[] = []
    return {
      delivers,
      sent,
      get subscribed() {
        return new Set(own.keys())
      },
      subscribe: (room, deliver) => {
        own.set(room, deliver)
        return { close: () => void own.delete(room) }
      },
      publish: (room, message) => {
        sent.push(message)
        seq += 1
        for (const [node, rooms] of subscriptions) {
          if (delivers === 'all' || node !== me) rooms.get(room)?.({ ...message, seq })
        }
      },
      ...(delivers === 'all' && { history: async (_room: string, count: number) => past.slice(-count) }),
    }
  }
}

describe.each(ways)('a room under $name', ({ way }) => {
  it('gives every member what is said, but not the one who says it (F6)', async () => {
    const { connect, gateway } = await startRooms(way)
    const [ann, bob, eve] = await Promise.all([connect('/a'), connect('/a'), connect('/b')])
    await vi.waitFor(() => expect(gateway.rooms.room('a').size).toBe(2))
    ann.send('hello')
    bob.send('hi')
    expect([await bob.next(), await ann.next()]).toStrictEqual(['hello', 'hi'])
    expect([ann.messages, bob.messages, eve.messages]).toStrictEqual([[], [], []])
  })

  it('keeps the order of bursts, for all members alike', async () => {
    const { connect, gateway } = await startRooms(way)
    const clients = await Promise.all(Array.from({ length: 5 }, () => connect('/a')))
    await vi.waitFor(() => expect(gateway.rooms.room('a').size).toBe(5))
    const room = gateway.rooms.room('a')
    const expected: string[] = []
    for (let burst = 0; burst < 20; burst += 1) {
      for (let number = 0; number < 10; number += 1) {
        expected.push(`${burst}.${number}`)
        expect(room.broadcast(`${burst}.${number}`)).toBe(5)
      }
      await new Promise(setImmediate)
    }
    for (const client of clients) await vi.waitFor(() => expect(client.messages).toStrictEqual(expected))
  })
})

describe('a room', () => {
  it('is there as long as it has members, each of them once', async () => {
    const { connect, gateway } = await startRooms()
    const client = await connect('/a')
    await vi.waitFor(() => expect(gateway.rooms.size).toBe(1))
    const [connection] = gateway.registry
    expect(await connection?.join('a')).toStrictEqual({ room: 'a', size: 1, replayed: 0 })
    expect(await connection?.join('b')).toStrictEqual({ room: 'b', size: 1, replayed: 0 })
    expect([...gateway.rooms].map(({ name, size }) => [name, size])).toStrictEqual([
      ['a', 1],
      ['b', 1],
    ])
    expect([...gateway.rooms.room('a').members].map(({ id }) => id)).toStrictEqual([connection?.id])
    expect([statOf(gateway, 'rooms'), statOf(gateway, 'room_members')]).toStrictEqual([2, 2])
    connection?.leave('b')
    connection?.leave('nowhere')
    expect(gateway.rooms.size).toBe(1)
    client.ws.terminate()
    await vi.waitFor(() => expect(gateway.rooms.size).toBe(0))
    expect(gateway.rooms.room('a').broadcast('anybody?')).toBe(0)
  })

  it('tells who joined and who left', async () => {
    const rig = await startRooms()
    const client = await rig.connect('/a')
    await vi.waitFor(() => expect(eventsOf(rig, 'room.joined')).toMatchObject([{ room: 'a', size: 1 }]))
    client.ws.close()
    await vi.waitFor(() => expect(eventsOf(rig, 'room.left')).toMatchObject([{ room: 'a', size: 0 }]))
  })

  it('leaves out whom it is told to, by connection, by id, or by what they are', async () => {
    const { connect, gateway } = await startRooms()
    const clients = await Promise.all([connect('/a'), connect('/a'), connect('/a')])
    const room = gateway.rooms.room('a')
    await vi.waitFor(() => expect(room.size).toBe(3))
    const [first, second, third] = [...room.members]
    third?.tag('muted')
    expect(room.broadcast('1', { except: first })).toBe(2)
    expect(room.broadcast('2', { except: second?.id })).toBe(2)
    expect(room.broadcast('3', { exclude: (member) => member.tags.has('muted') })).toBe(2)
    expect(room.broadcast(sharedFrame('4'))).toBe(3)
    expect(room.broadcast(Buffer.from('5'))).toBe(3)
    await Promise.all(clients.map((client) => vi.waitFor(() => expect(client.messages.at(-1)).toBe('5'))))
    expect(clients.map(({ messages }) => messages.join('')).sort()).toStrictEqual(['1245', '1345', '2345'])
  })

  it.each(['', 'x'.repeat(257), 7])('cannot be called %j', async (name) => {
    const { connect, gateway } = await startRooms()
    await connect('/a')
    const [connection] = gateway.registry
    await expect(connection?.join(name as string)).rejects.toMatchObject({ code: 'invalid_params' })
    expect(() => gateway.rooms.room(name as string)).toThrow(WsError)
  })

  it('has a place for a connection only below its limit', async () => {
    const { connect, gateway } = await startRooms({}, { maxRooms: 2 })
    await connect('/a')
    const [connection] = gateway.registry
    await connection?.join('b')
    await expect(connection?.join('c')).rejects.toMatchObject({ code: 'overloaded' })
    expect(await connection?.join('b')).toMatchObject({ size: 1 })
    expect(statOf(gateway, 'limits_hit_total', { limit: 'rooms' })).toBe(1)
  })

  it('frames what is said once, however many members it has (F6)', async () => {
    const { connect, gateway } = await startRooms()
    const clients = await Promise.all([connect('/a'), connect('/a'), connect('/a')])
    await vi.waitFor(() => expect(gateway.rooms.room('a').size).toBe(3))
    const write = vi.spyOn(Socket.prototype, 'write')
    onTestFinished(() => write.mockRestore())
    for (const text of ['short and unheard of', `${'long '.repeat(10_000)} and unheard of`]) {
      write.mockClear()
      gateway.rooms.room('a').broadcast(text)
      for (const client of clients) expect(await client.next()).toBe(text)
      const written = write.mock.calls.map(([chunk]) => chunk).filter((chunk) => String(chunk).endsWith('unheard of'))
      expect([written.length, new Set(written).size]).toStrictEqual([3, 1])
    }
  })

  it.each([-1, 1.5, 1001, Number.NaN])('cannot be joined with a rewind of %d', async (rewind) => {
    const { connect, gateway } = await startRooms({ roomBus: memoryBus('all')() })
    await connect('/a')
    const [connection] = gateway.registry
    await expect(connection?.join('b', { rewind })).rejects.toMatchObject({ code: 'invalid_params' })
    expect(gateway.rooms.size).toBe(1)
  })

  it('keeps no history without a bus that does', async () => {
    const { connect, gateway } = await startRooms()
    await connect('/a')
    const [connection] = gateway.registry
    await expect(connection?.join('b', { rewind: 5 })).rejects.toMatchObject({ code: 'unsupported' })
  })
})

describe('a room on several servers', () => {
  async function twoServers(delivers: RoomBus['delivers'], options: GatewayOptions = {}): Promise<[Rig, Rig]> {
    const bus = memoryBus(delivers)
    return [await startRooms({ ...options, roomBus: bus() }), await startRooms({ ...options, roomBus: bus() })]
  }

  it.each(['remote', 'all'] as const)(
    'gives members of all of them what is said, once (bus delivers %s)',
    async (delivers) => {
      const [one, two] = await twoServers(delivers)
      const ann = await one.connect('/a')
      const bob = await one.connect('/a')
      const eve = await two.connect('/a')
      await vi.waitFor(() =>
        expect([one.gateway.rooms.room('a').size, two.gateway.rooms.room('a').size]).toStrictEqual([2, 1]),
      )
      ann.send('from one')
      expect([await bob.next(), await eve.next()]).toStrictEqual(['from one', 'from one'])
      eve.send('from two')
      expect([await ann.next(), await bob.next()]).toStrictEqual(['from two', 'from two'])
      expect([ann.messages, bob.messages, eve.messages]).toStrictEqual([[], [], []])
    },
  )

  it('is subscribed while it has members here, and no longer (F6)', async () => {
    const bus = memoryBus('remote')()
    const { connect, gateway } = await startRooms({ roomBus: bus })
    const [one, two] = [await connect('/a'), await connect('/a')]
    await vi.waitFor(() => expect(gateway.rooms.room('a').size).toBe(2))
    expect([...bus.subscribed]).toStrictEqual(['a'])
    one.ws.close()
    await one.closed
    expect([...bus.subscribed]).toStrictEqual(['a'])
    two.ws.close()
    await vi.waitFor(() => expect([...bus.subscribed]).toStrictEqual([]))
  })

  it('goes on here when the bus takes nothing, and says so', async () => {
    const broken: RoomBus = {
      ...memoryBus('remote')(),
      publish: () => {
        throw new WsError('disconnected')
      },
    }
    const rig = await startRooms({ roomBus: broken })
    const [ann, bob] = [await rig.connect('/a'), await rig.connect('/a')]
    await vi.waitFor(() => expect(rig.gateway.rooms.room('a').size).toBe(2))
    ann.send('local')
    expect(await bob.next()).toBe('local')
    expect(eventsOf(rig, 'room.failed')).toMatchObject([{ room: 'a', error: { code: 'disconnected' } }])
  })

  it('is joined only when its messages arrive', async () => {
    const door = gate()
    const slow = memoryBus('remote')()
    const bus: RoomBus = {
      ...slow,
      subscribe: (room, deliver) => ({ ...slow.subscribe(room, deliver), ready: door.passed }),
    }
    let joined = false
    const { connect } = await startGateway(
      (gateway) =>
        gateway.channel('/', { onOpen: (connection) => connection.join('a').then(() => void (joined = true)) }),
      { roomBus: bus },
    )
    await connect()
    expect(joined).toBe(false)
    door.open()
    await vi.waitFor(() => expect(joined).toBe(true))
  })

  it('is left again when it cannot be joined', async () => {
    const slow = memoryBus('remote')()
    const bus: RoomBus = {
      ...slow,
      subscribe: (room, deliver) => ({
        ...slow.subscribe(room, deliver),
        ready: Promise.reject(new WsError('forbidden')),
      }),
    }
    const errors: unknown[] = []
    const { connect, gateway } = await startGateway(
      (gateway) =>
        gateway.channel('/', {
          onOpen: (connection) => void connection.join('a').catch((error: unknown) => errors.push(error)),
        }),
      { roomBus: bus },
    )
    await connect()
    await vi.waitFor(() => expect(errors).toMatchObject([{ code: 'forbidden' }]))
    expect(gateway.rooms.size).toBe(0)
  })

  it('says to slow members of other servers only the latest of each key with coalesce', async () => {
    const bus = memoryBus('remote')
    const one = await startRooms({ roomBus: bus() })
    const two = await startRooms({ roomBus: bus() }, { overflow: 'coalesce', sendBufferBytes: 50_000 })
    const client = await two.connect('/a')
    await vi.waitFor(() => expect(two.gateway.rooms.room('a').size).toBe(1))
    client.ws.pause()
    const piece = 'x'.repeat(10_000)
    for (let number = 0; number < 1000; number += 1) {
      one.gateway.rooms.room('a').broadcast(`${number}:${piece}`, { key: 'price' })
      if (number % 4 === 3) await new Promise(setImmediate)
    }
    client.ws.resume()
    await vi.waitFor(() => expect(client.messages.at(-1)?.startsWith('999:')).toBe(true))
    expect(client.messages.length).toBeLessThan(1000)
  })

  it('tells the one who speaks where all get it by a bus that cannot take it', async () => {
    const broken: RoomBus = {
      ...memoryBus('all')(),
      publish: () => {
        throw new WsError('disconnected')
      },
    }
    const { gateway } = await startRooms({ roomBus: broken })
    expect(() => gateway.rooms.room('a').broadcast('x')).toThrow(expect.objectContaining({ code: 'disconnected' }))
    const exclude = (): boolean => true
    expect(() => gateway.rooms.room('a').broadcast('x', { exclude })).toThrow(
      expect.objectContaining({ code: 'unsupported' }),
    )
  })

  it('is asked whether it is ready, closed with its gateway, and told what happens', async () => {
    const trace: string[] = []
    const bus: RoomBus = {
      ...memoryBus('remote')(),
      mount: ({ observe }) => observe({ type: 'connection.lost' }),
      ready: async () => void trace.push('ready'),
      close: () => void trace.push('close'),
      stats: () => [{ name: 'bus_things', help: 'Things.', kind: 'gauge', samples: [{ labels: {}, value: 7 }] }],
    }
    const rig = await startRooms({ roomBus: bus })
    await rig.gateway.ready()
    expect(statOf(rig.gateway, 'bus_things')).toBe(7)
    expect(eventsOf(rig, 'connection.lost')).toHaveLength(1)
    await rig.gateway.close({ drainMs: 0 })
    expect(trace).toStrictEqual(['ready', 'close'])
  })
})

/** Members that join with a rewind, over a bus whose past can be kept waiting. */
async function startRewinding(
  past: readonly RoomMessage[],
  channel: ChannelOptions = {},
): Promise<Rig & { readonly door: Gate<void>; readonly joined: Promise<unknown>[] }> {
  const door = gate()
  const inner = memoryBus('all', past)()
  const history = async (room: string, count: number): Promise<readonly RoomMessage[]> => {
    await door.passed
    return (await inner.history?.(room, count)) ?? []
  }
  const joined: Promise<unknown>[] = []
  const rig = await startGateway(
    (gateway) =>
      gateway.channel('/', {
        ...channel,
        onOpen: (connection) => void joined.push(connection.join('a', { rewind: 1000 }).catch((error) => error.code)),
      }),
    { roomBus: { ...inner, history } },
  )
  return { ...rig, door, joined }
}

function pastOf(count: number, text: (number: number) => string = (number) => `past ${number}`): RoomMessage[] {
  return Array.from({ length: count }, (_, index) => {
    return { payload: Buffer.from(text(index + 1)), binary: false, seq: index + 1 }
  })
}

describe('a room with a past', () => {
  it('is joined without a gap and without a repetition (F6)', async () => {
    const past = pastOf(3)
    const { connect, gateway, door, joined } = await startRewinding(past)
    const client = await connect()
    await vi.waitFor(() => expect(gateway.rooms.room('a').size).toBe(1))
    gateway.rooms.room('a').broadcast('live 4')
    gateway.rooms.room('a').broadcast('live 5')
    // One that was said meanwhile is in both.
    past.push({ payload: Buffer.from('live 4'), binary: false, seq: 4 })
    door.open()
    expect(await joined[0]).toStrictEqual({ room: 'a', size: 1, replayed: 4 })
    gateway.rooms.room('a').broadcast('live 6')
    const expected = ['past 1', 'past 2', 'past 3', 'live 4', 'live 5', 'live 6']
    await vi.waitFor(() => expect(client.messages).toStrictEqual(expected))
  })

  it('tells it no faster than a member takes it, and what is said meanwhile behind it', async () => {
    const piece = 'x'.repeat(10_000)
    const { connect, gateway, door, joined } = await startRewinding(
      pastOf(1000, (number) => `${number}:${piece}`),
      { sendBufferBytes: 100_000 },
    )
    const client = await connect()
    client.ws.pause()
    await vi.waitFor(() => expect(gateway.rooms.room('a').size).toBe(1))
    door.open()
    const [connection] = gateway.registry
    await vi.waitFor(() => expect(connection?.bufferedBytes).toBeGreaterThan(20_000))
    for (let number = 1001; number <= 1100; number += 1) gateway.rooms.room('a').broadcast(`${number}:live`)
    expect(connection?.bufferedBytes).toBeLessThan(100_000)
    client.ws.resume()
    expect(await joined[0]).toMatchObject({ replayed: 1000 })
    await vi.waitFor(() => expect(client.messages).toHaveLength(1100))
    expect(client.messages.findIndex((text, index) => !text.startsWith(`${index + 1}:`))).toBe(-1)
  })

  it('is not joined by who falls too far behind, or leaves, meanwhile', async () => {
    const { connect, gateway, door, joined } = await startRewinding(pastOf(1))
    await connect()
    await vi.waitFor(() => expect(gateway.rooms.room('a').size).toBe(1))
    for (let number = 0; number <= 1000; number += 1) gateway.rooms.room('a').broadcast('much')
    await connect()
    await vi.waitFor(() => expect(gateway.rooms.room('a').size).toBe(2))
    const [, leaving] = gateway.registry
    leaving?.leave('a')
    door.open()
    expect(await Promise.all(joined)).toStrictEqual(['overloaded', 'closed'])
    expect(gateway.rooms.size).toBe(0)
  })

  it('needs a bus that delivers to all', () => {
    const roomBus: RoomBus = { ...memoryBus('remote')(), history: async () => [] }
    expect(() => wsGateway({ roomBus })).toThrow(TypeError)
  })
})
