// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startNatsServer, type NatsServer, steadyPort } from '@nats-edge/embedded-nats'
import { jetstream, jetstreamManager, type StreamConfig } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { sharedFrame, wsGateway } from '../index.ts'
import { natsRoomBus, type RoomHistoryOptions } from '../nats.ts'
import { brokerFor, connectTo, startEdge, until, type Edge } from './nats-rig.test-support.ts'

interface Listener {
  readonly heard: string[]
  readonly kinds: boolean[]
  readonly ws: WebSocket
}

/** What a listener heard of others. */
function said({ heard }: Listener): string[] {
  return heard.filter((text) => !text.startsWith('replayed'))
}

let count = 0

/** A stream of its own for each test, and the subjects that go with it. */
function place(history: Partial<RoomHistoryOptions> = {}): { prefix: string; history: RoomHistoryOptions } {
  count += 1
  return { prefix: `rooms${count}`, history: { stream: `ROOMS${count}`, ...history } }
}

describe.each(inject('natsServers'))('natsRoomBus with a history over nats-server $version', (binary) => {
  const broker = brokerFor(binary, { jetstream: true })

  async function start(
    options: Parameters<typeof natsRoomBus>[1],
    connected: Promise<NatsConnection> = connectTo(broker.server),
  ): Promise<{ edge: Edge; nats: NatsConnection }> {
    const nats = await connected
    const edge = await startEdge(
      (gateway) => {
        gateway
          .channel('/:room/:rewind', {
            messagesPerSecond: Infinity,
            onOpen: async (connection) => {
              const { room = '', rewind = '0' } = connection.params
              const joined = await connection.join(room, { rewind: Number(rewind) })
              connection.send(sharedFrame(`replayed ${joined.replayed}`))
            },
          })
          .default(({ connection, data }) => {
            const except = String(data).startsWith('others') ? connection : undefined
            const room = gateway.rooms.room(connection.params['room'] ?? '')
            room.broadcast(data as string | Uint8Array, { except })
          })
      },
      { roomBus: natsRoomBus(nats, options) },
    )
    await edge.gateway.ready()
    return { edge, nats }
  }

  async function listen({ host }: Edge, path: string): Promise<Listener> {
    const ws = new WebSocket(`ws://127.0.0.1:${host.port}${path}`)
    onTestFinished(() => ws.terminate())
    const heard: string[] = []
    const kinds: boolean[] = []
    ws.on('message', (data, isBinary) => {
      heard.push(String(data))
      kinds.push(isBinary)
    })
    await once(ws, 'open')
    return { ws, heard, kinds }
  }

  /** A listener who has joined: what was said before is not for it. */
  async function member(edge: Edge, path: string): Promise<Listener> {
    const listener = await listen(edge, path)
    await until('the join', () => listener.heard.some((text) => text.startsWith('replayed')))
    return listener
  }

  it('gives who joins the last messages first, on every server (F6)', async () => {
    const shared = place()
    const [a, b] = [await start(shared), await start(shared)]
    const speaker = await a.edge.open('/lobby/0')
    expect(await speaker.next()).toBe('replayed 0')
    for (let number = 1; number <= 5; number += 1) speaker.ws.send(`past ${number}`)
    for (let number = 1; number <= 5; number += 1) expect(await speaker.next()).toBe(`past ${number}`)
    for (const { edge } of [a, b]) {
      const late = await edge.open('/lobby/3')
      for (const text of ['past 3', 'past 4', 'past 5', 'replayed 3']) expect(await late.next()).toBe(text)
      const other = await edge.open('/attic/3')
      expect(await other.next()).toBe('replayed 0')
    }
  })

  it('has one order for all members of all servers (F6)', async () => {
    const shared = place({ perRoom: 1000 })
    const [a, b] = [await start(shared), await start(shared)]
    const listeners = [await member(a.edge, '/lobby/0'), await member(b.edge, '/lobby/0')]
    const speakers = [await a.edge.open('/lobby/0'), await b.edge.open('/lobby/0')]
    for (const speaker of speakers) expect(await speaker.next()).toBe('replayed 0')
    const each = 200
    for (let number = 0; number < each; number += 1) {
      for (const [index, speaker] of speakers.entries()) speaker.ws.send(`${index}:${number}`)
      if (number % 10 === 0) await new Promise(setImmediate)
    }
    await until('all messages', () => listeners.every(({ heard }) => heard.length >= 2 * each + 1))
    const [here, there] = listeners.map(said)
    expect(here).toEqual(there)
    expect(new Set(here).size).toBe(2 * each)
  })

  it('leaves no gap and no repetition between the past and the present', async () => {
    const shared = place({ perRoom: 1000 })
    const [a, b] = [await start(shared), await start(shared)]
    const speaker = await a.edge.open('/lobby/0')
    const total = 300
    const late: Listener[] = []
    for (let number = 0; number < total; number += 1) {
      speaker.ws.send(String(number))
      if (number % 30 === 15) late.push(await listen(number % 60 === 15 ? a.edge : b.edge, '/lobby/1000'))
      else if (number % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    }
    await until('the end', () => late.every(({ heard }) => heard.includes(String(total - 1))))
    const expected = Array.from({ length: total }, (_, index) => String(index))
    for (const listener of late) expect(said(listener)).toEqual(expected)
    expect(late).toHaveLength(10)
  })

  it('keeps so many messages of each room, and no others', async () => {
    const { edge } = await start(place({ perRoom: 3 }))
    const speaker = await edge.open('/lobby/0')
    await speaker.next()
    const quiet = await edge.open('/quiet/0')
    await quiet.next()
    quiet.ws.send('kept')
    expect(await quiet.next()).toBe('kept')
    for (let number = 0; number < 10; number += 1) speaker.ws.send(String(number))
    for (let number = 0; number < 10; number += 1) await speaker.next()
    const late = await edge.open('/lobby/1000')
    expect([await late.next(), await late.next(), await late.next(), await late.next()]).toEqual([
      '7',
      '8',
      '9',
      'replayed 3',
    ])
    const other = await edge.open('/quiet/5')
    expect(await other.next()).toBe('kept')
  })

  it('keeps bytes bytes, and from whom a message was kept', async () => {
    const shared = place()
    const { edge } = await start(shared)
    const speaker = await member(edge, '/lobby/0')
    speaker.ws.send(Buffer.from([0, 255]))
    speaker.ws.send('others only')
    speaker.ws.send('end')
    await until('the end', () => speaker.heard.includes('end'))
    expect(speaker.heard).not.toContain('others only')
    const late = await listen(edge, '/lobby/10')
    await until('the past', () => late.heard.length === 4)
    expect(late.kinds).toEqual([true, false, false, false])
    expect(said(late).slice(1)).toEqual(['others only', 'end'])
  })

  it('makes up for what was said while the broker was away', async () => {
    const shared = place()
    const [a, b] = [await start(shared), await start(shared)]
    const listener = await member(b.edge, '/lobby/0')
    const speaker = await a.edge.open('/lobby/0')
    await speaker.next()
    const say = async (from: number, to: number): Promise<void> => {
      for (let number = from; number < to; number += 1) {
        speaker.ws.send(String(number))
        await speaker.next()
      }
    }
    await say(0, 20)
    void b.nats.reconnect()
    await until('the loss', () => b.edge.events.some(({ type }) => type === 'connection.lost'))
    // Nothing comes afterwards that would show a gap.
    await say(20, 60)
    await until('the end', () => listener.heard.includes('59'))
    expect(said(listener)).toEqual(Array.from({ length: 60 }, (_, index) => String(index)))
    expect(b.edge.events.filter(({ type }) => type === 'connection.restored')).toHaveLength(1)
  })

  it('makes up for what was said before it has found a broker that was killed again', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'rooms-'))
    const startBroker = async (port: number): Promise<NatsServer> => {
      const server = await startNatsServer({ binary, jetstream: true, port, dataDir })
      onTestFinished(() => server.stop())
      return server
    }
    const first = await startBroker(await steadyPort())
    const { prefix, history } = place()
    let mayDial = true
    const began = Date.now()
    // What has passed since it dialled last is always less, so that it looks again and again and does not dial.
    const reconnectDelayHandler = (): number => (mayDial ? 10 : Date.now() - began + 50)
    const slow = connectTo(first, { reconnectDelayHandler })
    const { edge } = await start({ prefix, history }, slow)
    const listener = await member(edge, '/lobby/0')
    const before = await connectTo(first)
    await jetstream(before).publish(`${prefix}.lobby`, 'before')
    await until('the first', () => listener.heard.includes('before'))
    mayDial = false
    first.kill('SIGKILL')
    await before.close()
    await until('the loss', () => edge.events.some(({ type }) => type === 'connection.lost'))
    const after = await connectTo(await startBroker(first.port))
    for (const text of ['missed 1', 'missed 2'])
      await jetstream(after).publish(`${prefix}.lobby`, text, { retries: 50 })
    expect(edge.events.some(({ type }) => type === 'connection.restored')).toBe(false)
    mayDial = true
    await until('what was missed', () => listener.heard.includes('missed 2'))
    expect(said(listener)).toEqual(['before', 'missed 1', 'missed 2'])
  })

  it('begins anew with a stream that was made anew, and says so', async () => {
    const shared = place()
    const { edge } = await start(shared)
    const listener = await member(edge, '/lobby/0')
    const speaker = await edge.open('/lobby/0')
    await speaker.next()
    const say = async (text: string): Promise<void> => {
      speaker.ws.send(text)
      expect(await speaker.next()).toBe(text)
    }
    await say('one')
    await say('two')
    const manager = await jetstreamManager(await connectTo(broker.server))
    await manager.streams.delete(shared.history.stream)
    await edge.gateway.ready()
    await say('three')
    expect(said(listener)).toEqual(['one', 'two', 'three'])
    expect(edge.events).toContainEqual(expect.objectContaining({ type: 'stream.reset', stream: shared.history.stream }))
  })

  it('goes on when one server is gone', async () => {
    const shared = place()
    const [a, b] = [await start(shared), await start(shared)]
    const [here, there] = [await a.edge.open('/lobby/0'), await b.edge.open('/lobby/0')]
    await Promise.all([here.next(), there.next()])
    there.ws.send('before')
    expect(await here.next()).toBe('before')
    await b.nats.close()
    here.ws.send('after')
    expect(await here.next()).toBe('after')
  })

  it('tells who speaks, and observe, while nothing can be stored', async () => {
    const shared = place()
    const { edge, nats } = await start(shared)
    const client = await edge.open('/lobby/0')
    await client.next()
    const manager = await jetstreamManager(await connectTo(broker.server))
    await manager.streams.delete(shared.history.stream)
    edge.gateway.rooms.room('lobby').broadcast('lost')
    await until('the failure', () => edge.events.some(({ type }) => type === 'room.failed'))
    expect(edge.events.find(({ type }) => type === 'room.failed')).toMatchObject({ error: { code: 'no_responders' } })
    await nats.close()
    await until('the loss', () => edge.events.some(({ type }) => type === 'connection.lost'))
    const broadcast = (): unknown => edge.gateway.rooms.room('lobby').broadcast('x')
    expect(broadcast).toThrow(expect.objectContaining({ code: 'disconnected' }))
  })

  it('takes a stream that is there, and says why another will not do', async () => {
    const { prefix, history } = place()
    const manager = await jetstreamManager(await connectTo(broker.server))
    const republish = { src: `${prefix}.>`, dest: `${prefix}-log.>` }
    const name = history.stream
    const config = { name, subjects: [`${prefix}.*`], max_msgs_per_subject: 10, republish }
    const fault = async (): Promise<string> => {
      const gateway = wsGateway({ roomBus: natsRoomBus(await connectTo(broker.server), { prefix, history }) })
      const error = await gateway.ready().then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      await gateway.close({ drainMs: 0 })
      return error instanceof TypeError ? error.message : String(error)
    }
    const where = `natsRoomBus.history: the stream ${history.stream} cannot serve rooms: `
    const unfit: [Partial<StreamConfig> & { name: string }, why: string][] = [
      [{ name, subjects: ['elsewhere'], max_msgs_per_subject: 10 }, `it does not keep ${prefix}.*`],
      [
        { ...config, republish: { ...republish, dest: 'away.>' } },
        `it does not republish ${prefix}.> to ${prefix}-log.>`,
      ],
      [{ ...config, max_msgs_per_subject: -1 }, 'max_msgs_per_subject is -1, not 1 to 1000'],
    ]
    for (const [other, why] of unfit) {
      await manager.streams.add(other)
      expect(await fault()).toBe(where + why)
      await manager.streams.delete(name)
    }
    await manager.streams.add(config)
    expect(await fault()).toBe('undefined')
    const { edge } = await start({ prefix, history })
    const client = await edge.open('/lobby/10')
    expect(await client.next()).toBe('replayed 0')
  })

  it('makes its stream once, however many servers start together', async () => {
    const shared = place({ maxAgeMs: 60_000, maxBytes: 1_000_000 })
    const started = await Promise.all([start(shared), start(shared), start(shared)])
    expect(started).toHaveLength(3)
    const manager = await jetstreamManager(await connectTo(broker.server))
    const { config } = await manager.streams.info(shared.history.stream)
    expect(config).toMatchObject({
      subjects: [`${shared.prefix}.*`],
      max_msgs_per_subject: 100,
      max_age: 60_000_000_000,
      max_bytes: 1_000_000,
      num_replicas: 1,
    })
  })

  it('reads the past once for all who come at the same time', async () => {
    const shared = place({ perRoom: 1000 })
    const { edge } = await start(shared)
    const speaker = await edge.open('/lobby/0')
    await speaker.next()
    for (let number = 0; number < 100; number += 1) speaker.ws.send(String(number))
    for (let number = 0; number < 100; number += 1) await speaker.next()
    const crowd = await Promise.all(Array.from({ length: 50 }, () => listen(edge, '/attic/0')))
    await until('everybody', () => crowd.every(({ heard }) => heard.length === 1))
    const peer = await connectTo(broker.server)
    let reads = 0
    peer.subscribe(`$JS.API.CONSUMER.CREATE.${shared.history.stream}`, { callback: () => void (reads += 1) })
    await peer.flush()
    const members = [...edge.gateway.rooms.room('attic').members]
    const joined = await Promise.all(members.map((member) => member.join('lobby', { rewind: 100 })))
    expect(joined.every(({ replayed }) => replayed === 100)).toBe(true)
    await until('the past', () => crowd.every(({ heard }) => heard.length === 101))
    expect(crowd.every(({ heard }) => heard[1] === '0' && heard[100] === '99')).toBe(true)
    await peer.flush()
    expect(reads).toBeGreaterThan(0)
    expect(reads).toBeLessThan(5)
  })
})

describe('natsRoomBus with a history', () => {
  const [binary] = inject('natsServers').slice(-1)
  if (binary === undefined) throw new Error('no nats-server to test with')
  const broker = brokerFor(binary)

  it.each([
    [{}, TypeError, 'natsRoomBus.history.stream: undefined'],
    [{ stream: 'a.b' }, TypeError, 'natsRoomBus.history.stream: "a.b"'],
    [{ stream: 'A', perRoom: 1001 }, RangeError, 'natsRoomBus.history.perRoom: 1001'],
    [{ stream: 'A', maxAgeMs: -1 }, RangeError, 'natsRoomBus.history.maxAgeMs: -1'],
    [{ stream: 'A', maxBytes: 0 }, RangeError, 'natsRoomBus.history.maxBytes: 0'],
    [{ stream: 'A', replicas: 6 }, RangeError, 'natsRoomBus.history.replicas: 6'],
    [{ stream: 'A', count: 5 }, TypeError, 'natsRoomBus.history: there is no option "count"'],
  ] as const)('refuses %j', async (history, error, text) => {
    const nats = await connectTo(broker.server)
    const make = (): unknown => natsRoomBus(nats, { history: history as RoomHistoryOptions })
    expect(make).toThrow(error)
    expect(make).toThrow(text)
  })

  it('is not ready, and not joined, where the broker keeps no streams', async () => {
    const nats = await connectTo(broker.server)
    const codes: unknown[] = []
    const edge = await startEdge(
      (gateway) => {
        gateway.channel('/', {
          onOpen: (connection) => {
            connection.join('a').catch((error: { code: string }) => codes.push(error.code))
          },
        })
      },
      { roomBus: natsRoomBus(nats, place()) },
    )
    await expect(edge.gateway.ready()).rejects.toMatchObject({ code: 'no_responders' })
    await edge.open('/')
    await until('the refusal', () => codes.length === 1)
    expect(codes).toEqual(['no_responders'])
    expect(edge.events).toContainEqual(expect.objectContaining({ type: 'room.failed', room: 'a' }))
  })
})
