// SPDX-License-Identifier: Apache-2.0
import { headers } from '@nats-io/nats-core'
import type { NatsConnection } from '@nats-io/transport-node'
import { assert, oneof, property, string } from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { isSubset, parsePattern } from '@nats-edge/wire-parser'
import { jsonCodec, wsGateway } from '../index.ts'
import { natsRoomBus } from '../nats.ts'
import type { Opened } from '../upgrade/hosts.test-support.ts'
import { ask, brokerFor, connectTo, startEdge, until, type Edge } from './nats-rig.test-support.ts'
import { roomSubject } from './room-subject.ts'

async function join(edge: Edge, room: string): Promise<Opened> {
  const client = await edge.open(`/chat/${encodeURIComponent(room)}`)
  expect(await client.next()).toBe('joined')
  return client
}

describe.each(inject('natsServers'))('natsRoomBus over nats-server $version', (binary) => {
  const broker = brokerFor(binary)

  async function start(): Promise<{ edge: Edge; nats: NatsConnection }> {
    const nats = await connectTo(broker.server)
    const edge = await startEdge(
      (gateway) => {
        gateway
          .channel('/chat/:room', {
            onOpen: async (connection) => {
              await connection.join(connection.params['room'] ?? '')
              connection.send('joined')
            },
          })
          .default((request) => {
            const { connection, data } = request
            const room = gateway.rooms.room(connection.params['room'] ?? '')
            const isQuiet = typeof data === 'string' && data.startsWith('others')
            room.broadcast(data as string | Uint8Array, isQuiet ? { except: connection } : {})
          })
      },
      { roomBus: natsRoomBus(nats) },
    )
    await edge.gateway.ready()
    return { edge, nats }
  }

  it('brings messages to members on both servers, once (F6)', async () => {
    const [a, b] = [await start(), await start()]
    const here = [await join(a.edge, 'lobby'), await join(a.edge, 'lobby')]
    const there = await join(b.edge, 'lobby')
    const elsewhere = await join(b.edge, 'attic')
    const [sender] = here
    sender?.ws.send('one')
    sender?.ws.send('others two')
    there.ws.send('three')
    // In the order of each sender; nothing comes twice, or the next would not be what is expected.
    expect([await sender?.next(), await sender?.next()]).toEqual(['one', 'three'])
    const messages = new Set([await here[1]?.next(), await here[1]?.next(), await here[1]?.next()])
    expect(messages).toEqual(new Set(['one', 'others two', 'three']))
    const remote = [await there.next(), await there.next(), await there.next()]
    expect(remote.filter((text) => text !== 'three')).toEqual(['one', 'others two'])
    elsewhere.ws.send('end')
    expect(await elsewhere.next()).toBe('end')
  })

  it('leaves out the sender wherever it is, and keeps bytes bytes', async () => {
    const [a, b] = [await start(), await start()]
    const sender = await join(a.edge, 'x')
    const there = await join(b.edge, 'x')
    const [info] = a.edge.gateway.connections()
    // As a request that reached another server would do.
    b.edge.gateway.rooms.room('x').broadcast('not for the sender', { except: info?.id ?? '' })
    const seen: [string, boolean][] = []
    there.ws.on('message', (data: Buffer, isBinary) => seen.push([data.toString('hex'), isBinary]))
    sender.ws.send(Buffer.from([1, 255]))
    await until('both', () => seen.some(([text]) => text === '01ff') || seen.length === 2)
    expect(seen).toContainEqual(['01ff', true])
    const own = await sender.next()
    expect(Buffer.from(own, 'latin1').length).toBeGreaterThan(0)
    expect(own).not.toBe('not for the sender')
  })

  it('goes on when one server is gone', async () => {
    const [a, b, c] = [await start(), await start(), await start()]
    const clients = [await join(a.edge, 'lobby'), await join(b.edge, 'lobby'), await join(c.edge, 'lobby')]
    const [first, second, third] = clients
    first?.ws.send('before')
    for (const client of clients) expect(await client.next()).toBe('before')
    // Without any farewell.
    second?.ws.terminate()
    await b.nats.close()
    await b.edge.host.closed().catch(() => {})
    for (const text of ['one', 'two']) {
      first?.ws.send(text)
      expect(await third?.next()).toBe(text)
      expect(await first?.next()).toBe(text)
    }
  })

  it('takes what services publish, and no text that is none', async () => {
    const { edge, nats } = await start()
    const client = await join(edge, 'lobby')
    const peer = await connectTo(broker.server)
    const text = headers()
    text.set('Ws-Opcode', 'text')
    peer.publish('ws.rooms.lobby', new Uint8Array([0xff]), { headers: text })
    peer.publish('ws.rooms.lobby', 'from a service')
    expect(await client.next()).toBe('from a service')
    const malformed = [...edge.gateway.stats()].find(({ name }) => name === 'room_bus_malformed_total')
    expect([...(malformed?.samples ?? [])]).toEqual([{ labels: {}, value: 1 }])
    await nats.flush()
  })

  it('keeps a message whose sender fits into no header, and not a trace of it in the next', async () => {
    const { edge } = await start()
    const client = await join(edge, 'lobby')
    const peer = await connectTo(broker.server)
    const heard: (readonly string[])[] = []
    peer.subscribe('ws.rooms.lobby', { callback: (_error, message) => void heard.push(message.headers?.keys() ?? []) })
    await peer.flush()
    const room = edge.gateway.rooms.room('lobby')
    room.broadcast('one', { except: 'a\r\nb' })
    room.broadcast('two')
    expect([await client.next(), await client.next()]).toEqual(['one', 'two'])
    await until('the second message', () => heard.length > 0)
    expect(heard).toEqual([['Ws-Origin', 'Ws-Opcode']])
    expect(edge.events.filter(({ type }) => type === 'room.failed')).toHaveLength(1)
  })

  it('carries any name of a room', async () => {
    const [a, b] = [await start(), await start()]
    for (const room of ['a.b', '>', 'with blank', 'ünïcode', '$SYS', 'x'.repeat(250), '\u00fc'.repeat(250)]) {
      const here = await join(a.edge, room)
      const there = await join(b.edge, room)
      there.ws.send('hello')
      expect(await here.next()).toBe('hello')
    }
  })

  it('serves members here while the broker is away, and tells of it', async () => {
    const { edge, nats } = await start()
    const client = await join(edge, 'lobby')
    await nats.close()
    await until('the loss', () => edge.events.some(({ type }) => type === 'connection.lost'))
    client.ws.send('still here')
    expect(await client.next()).toBe('still here')
    expect(edge.events.find(({ type }) => type === 'room.failed')).toMatchObject({ error: { code: 'disconnected' } })
    const late = await edge.open('/chat/other')
    // Joining would promise messages of other servers.
    expect(await late.code).toBe(1011)
  })

  it('lets go of its subscriptions with the gateway', async () => {
    const { edge, nats } = await start()
    await join(edge, 'lobby')
    const messages = nats.stats().inMsgs
    await edge.gateway.close({ drainMs: 0 })
    expect(nats.isClosed()).toBe(false)
    await nats.flush()
    expect(nats.stats().inMsgs).toBe(messages)
  })
})

describe('natsRoomBus with a user who may not subscribe', () => {
  const [binary] = inject('natsServers').slice(-1)
  if (binary === undefined) throw new Error('no nats-server to test with')
  const config = 'authorization { users = [{ user: u, password: p, permissions: { subscribe: ["_INBOX.>"] } }] }'
  const broker = brokerFor(binary, { config })

  it('refuses to join and says why', async () => {
    const nats = await connectTo(broker.server, { user: 'u', pass: 'p' })
    const edge = await startEdge(
      (gateway) => {
        gateway
          .channel('/json', { codec: jsonCodec() })
          .route('join', async ({ connection }) => (await connection.join('lobby')).size)
      },
      { roomBus: natsRoomBus(nats) },
    )
    const client = await edge.open('/json')
    expect(await ask(client, { type: 'join', id: 1 })).toMatchObject({ error: { code: 'forbidden' } })
    expect(edge.events).toContainEqual(expect.objectContaining({ type: 'room.failed', room: 'lobby' }))
    expect(edge.gateway.rooms.size).toBe(0)
  })
})

describe('natsRoomBus', () => {
  const [binary] = inject('natsServers').slice(-1)
  if (binary === undefined) throw new Error('no nats-server to test with')
  const broker = brokerFor(binary)

  it('belongs to one gateway', async () => {
    const roomBus = natsRoomBus(await connectTo(broker.server))
    const gateway = wsGateway({ roomBus })
    gateway.channel('/x', { codec: jsonCodec() })
    expect(() => wsGateway({ roomBus })).toThrow(/has a gateway already/)
    await gateway.close({ drainMs: 0 })
  })

  it.each([{ prefix: '' }, { prefix: 'a.*' }, { prefix: '_gw' }, { prefix: '$SYS' }, { prefix: 7 }, { other: 1 }])(
    'refuses %j',
    async (options) => {
      const nats = await connectTo(broker.server)
      expect(() => natsRoomBus(nats, options as object)).toThrow(/natsRoomBus/)
    },
  )

  it(
    'gives each room a subject of its own, one token below the prefix',
    () => {
      const below = parsePattern('ws.rooms.*')
      const short = string({ minLength: 1, maxLength: 4, unit: 'binary' })
      const name = oneof(short, string({ minLength: 1, maxLength: 8 }))
      assert(
        property(name, name, (one, other) => {
          const [a, b] = [roomSubject('ws.rooms', one), roomSubject('ws.rooms', other)]
          expect(below !== undefined && isSubset(a, below)).toBe(true)
          expect(a === b).toBe(one === other)
        }),
        { numRuns: inject('propertyRuns') },
      )
    },
    60_000 + inject('propertyRuns'),
  )
})
