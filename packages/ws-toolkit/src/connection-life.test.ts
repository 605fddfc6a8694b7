// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { createServer } from 'node:https'
import { getRequestListener } from '@hono/node-server'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { WebSocket } from 'ws'
import type { ChannelOptions } from './channel-options.ts'
import { ConnectionLife, type LifeTimes, type Vitals, type Verdict } from './connection-life.ts'
import { jsonCodec } from './codec/json.ts'
import { eventsOf, principalOf, startGateway, statOf, type Rig } from './gateway.test-support.ts'
import { Heartbeat } from './heartbeat.ts'
import { attachWebSockets } from './upgrade/attach.ts'
import { gate, listening, type StartHost } from './upgrade/hosts.test-support.ts'
import { cert, key } from './upgrade/tls.test-support.ts'

const off: LifeTimes = { heartbeatMs: 0, heartbeatTimeoutMs: 10, idleMs: 0, maxLifetimeMs: 0, sendTimeoutMs: 1000 }
const calm: Vitals = { bytesRead: 0, activity: 0, isPaused: false, bufferedBytes: 0, progress: 0 }

/** Visits once a second from 0 on, and gives the verdicts with their second. */
function lifeOf(
  times: Partial<LifeTimes>,
  vitalsAt: (second: number) => Partial<Vitals>,
  seconds: number,
): [number, Verdict][] {
  const life = new ConnectionLife({ ...off, ...times }, 0)
  const verdicts: [number, Verdict][] = []
  for (let second = 1; second <= seconds; second += 1) {
    const verdict = life.visit({ ...calm, ...vitalsAt(second) }, second * 1000)
    if (verdict !== undefined) verdicts.push([second, verdict])
  }
  return verdicts
}

describe('the life of a connection', () => {
  const beat = { heartbeatMs: 25_000, heartbeatTimeoutMs: 10_000 }

  it('is asked for a sign after a silence, and given up without one', () => {
    expect(lifeOf(beat, () => ({}), 35)).toStrictEqual([
      [25, 'ping'],
      [35, 'missed'],
    ])
  })

  it('goes on with any byte that comes, whatever it belongs to (F9)', () => {
    expect(lifeOf(beat, (second) => ({ bytesRead: Math.floor(second / 20) }), 200)).toStrictEqual([])
    // One byte after the ping is sign enough.
    expect(lifeOf(beat, (second) => ({ bytesRead: second >= 30 ? 1 : 0 }), 60)).toStrictEqual([
      [25, 'ping'],
      [55, 'ping'],
    ])
  })

  it('is not asked while we do not read (D38)', () => {
    expect(lifeOf(beat, (second) => ({ isPaused: second <= 100 }), 130)).toStrictEqual([[125, 'ping']])
  })

  it('may do without heartbeats', () => {
    expect(lifeOf({ heartbeatMs: 0 }, () => ({}), 1000)).toStrictEqual([])
  })

  it('is idle without messages either way, whatever else comes (F10)', () => {
    expect(lifeOf({ idleMs: 60_000 }, (second) => ({ bytesRead: second }), 60)).toStrictEqual([[60, 'idle']])
    expect(lifeOf({ idleMs: 60_000 }, (second) => ({ activity: Math.floor(second / 50) }), 300)).toStrictEqual([])
  })

  it('ends within a tenth of its longest, each at another time (F10)', () => {
    const ends = Array.from({ length: 100 }, () => {
      const [first] = lifeOf({ maxLifetimeMs: 100_000 }, () => ({}), 120)
      expect(first?.[1]).toBe('lifetime')
      return first?.[0] ?? 0
    })
    expect(Math.min(...ends)).toBeGreaterThanOrEqual(90)
    expect(Math.max(...ends)).toBeLessThanOrEqual(111)
    // Clients that came together do not leave together.
    expect(Math.max(...ends) - Math.min(...ends)).toBeGreaterThan(10)
  })

  it('is stalled when bytes wait and none is taken', () => {
    const stuck = (second: number): Partial<Vitals> => ({ bufferedBytes: second >= 5 ? 100 : 0, progress: 7 })
    expect(lifeOf({ sendTimeoutMs: 10_000 }, stuck, 14)).toStrictEqual([[14, 'stalled']])
    const slow = (second: number): Partial<Vitals> => ({ bufferedBytes: 100, progress: Math.floor(second / 9) })
    expect(lifeOf({ sendTimeoutMs: 10_000 }, slow, 200)).toStrictEqual([])
  })

  it('takes the answer to a ping once, and no other', () => {
    const life = new ConnectionLife({ ...off, ...beat }, 0)
    expect(life.answered(0, 10)).toBeUndefined()
    expect(life.visit(calm, 25_000.7)).toBe('ping')
    expect(life.answered(24_999, 25_010)).toBeUndefined()
    expect(life.answered(Number.NaN, 25_010)).toBeUndefined()
    expect(life.answered(25_000, 25_010.7)).toBeCloseTo(10)
    expect(life.answered(25_000, 25_020)).toBeUndefined()
    expect(life.silentMs(25_030.7)).toBeCloseTo(20)
  })
})

/** Waits for what shows that a connection was looked at: the answers to two more of its pings. */
async function visited(rig: Rig): Promise<void> {
  const before = eventsOf(rig, 'heartbeat.rtt').length
  const end = performance.now() + 10_000
  while (eventsOf(rig, 'heartbeat.rtt').length < before + 2 && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  expect(eventsOf(rig, 'heartbeat.rtt').length).toBeGreaterThanOrEqual(before + 2)
}

describe('a client', () => {
  it('that answers no ping is cut (D8, F9)', async () => {
    const rig = await startGateway((gateway) => gateway.channel('/', { heartbeatMs: 60, heartbeatTimeoutMs: 60 }))
    const client = await rig.connect('/', { autoPong: false })
    let pings = 0
    client.ws.on('ping', () => (pings += 1))
    expect((await client.closed).code).toBe(1006)
    expect(pings).toBe(1)
    expect(eventsOf(rig, 'heartbeat.missed')).toHaveLength(1)
    expect(statOf(rig.gateway, 'heartbeats_missed_total')).toBe(1)
  })

  it('that answers pings stays, and its round trips are told (F9)', async () => {
    const rig = await startGateway((gateway) => gateway.channel('/', { heartbeatMs: 40, heartbeatTimeoutMs: 60_000 }))
    const client = await rig.connect()
    await vi.waitFor(() => expect(eventsOf(rig, 'heartbeat.rtt').length).toBeGreaterThan(2))
    expect(eventsOf(rig, 'heartbeat.rtt').every(({ ms }) => ms >= 0 && ms < 60_000)).toBe(true)
    expect(client.ws.readyState).toBe(client.ws.OPEN)
  })

  it('that pings us itself is not closed for being idle by liveness, nor kept by it (D8)', async () => {
    const { connect } = await startGateway((gateway) =>
      gateway.channel('/', { heartbeatMs: 150, heartbeatTimeoutMs: 150, idleMs: 800 }),
    )
    const startedMs = performance.now()
    const client = await connect('/', { autoPong: false })
    const pinging = setInterval(() => client.ws.ping(), 20)
    onTestFinished(() => clearInterval(pinging))
    expect(await client.closed).toStrictEqual({ code: 1001, reason: 'inactivity timeout' })
    expect(performance.now() - startedMs).toBeGreaterThan(700)
  })

  it('is heard under TLS too, whatever it sends (F9)', async () => {
    const start: StartHost = (app) => {
      const listener = getRequestListener(app.fetch)
      const server = createServer({ key, cert }, (incoming, outgoing) => void listener(incoming, outgoing))
      attachWebSockets(server, app)
      server.listen(0, '127.0.0.1')
      return listening(server)
    }
    const rig = await startGateway((gateway) => gateway.channel('/', { heartbeatMs: 300, heartbeatTimeoutMs: 300 }), {
      start,
    })
    const options = { rejectUnauthorized: false, autoPong: false }
    const connectTls = (): WebSocket => new WebSocket(`wss://127.0.0.1:${rig.host.port}/`, options)
    const loud = connectTls()
    await once(loud, 'open')
    const pinging = setInterval(() => loud.ping(), 15)
    onTestFinished(() => clearInterval(pinging))
    // Whoever is as old and says nothing is gone by then, the second for certain.
    for (let round = 0; round < 2; round += 1) await once(connectTls(), 'close')
    expect(loud.readyState).toBe(loud.OPEN)
    loud.terminate()
  })

  it('whose requests are slow is not missed while we do not read (D38)', async () => {
    const door = gate()
    let isAsked = false
    const rig = await startGateway((gateway) =>
      gateway
        .channel('/', { heartbeatMs: 150, heartbeatTimeoutMs: 150, concurrency: 1, bytesPerSecond: Infinity })
        .default(() => {
          isAsked = true
          return door.passed
        }),
    )
    const slow = await rig.connect()
    // More than a socket holds that is not read: its pongs stand behind that.
    for (let number = 0; number < 100; number += 1) slow.send('x'.repeat(30_000))
    await vi.waitFor(() => expect(isAsked).toBe(true))
    const [connection] = rig.gateway.registry
    // Others that are silent for as long are missed: the first while bytes may still come, the second for certain not.
    for (let round = 0; round < 2; round += 1) {
      const silent = await rig.connect('/', { autoPong: false })
      expect((await silent.closed).code).toBe(1006)
    }
    const missed = eventsOf(rig, 'heartbeat.missed').map(({ id }) => id)
    expect(missed).toHaveLength(2)
    expect(missed).not.toContain(connection?.id)
    expect(connection?.state).toBe('open')
    door.open()
  })

  it('is closed with 4201 when its credential expires, and not before (F10)', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const expiresAt = Date.now() + 60_000
    const principal = principalOf('ann', expiresAt)
    const rig = await startGateway((gateway) => gateway.channel('/', { heartbeatMs: 40 }), {
      principal: () => principal,
    })
    const client = await rig.connect()
    vi.setSystemTime(expiresAt - 1)
    await visited(rig)
    expect(client.ws.readyState).toBe(client.ws.OPEN)
    vi.setSystemTime(expiresAt)
    expect(await client.closed).toStrictEqual({ code: 4201, reason: 'credential expired' })
  })

  it('stays when its credential was renewed (F10)', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const expiresAt = Date.now() + 60_000
    const principal = principalOf('ann', expiresAt)
    const rig = await startGateway(
      (gateway) => {
        gateway.channel('/', { heartbeatMs: 40 }).default((request) => {
          request.connection.principal = principalOf('ann', expiresAt + 60_000)
          return 'renewed'
        })
      },
      { principal: () => principal },
    )
    const client = await rig.connect()
    client.send('token')
    expect(await client.next()).toBe('renewed')
    vi.setSystemTime(expiresAt + 1)
    await visited(rig)
    expect(client.ws.readyState).toBe(client.ws.OPEN)
  })

  it('is closed with 4200 at the end of its lifetime (F10)', async () => {
    const { connect } = await startGateway((gateway) => gateway.channel('/', { maxLifetimeMs: 100 }))
    const client = await connect()
    expect(await client.closed).toStrictEqual({ code: 4200, reason: 'lifetime' })
  })

  it('is answered what it has asked before the end of its lifetime, if that does not take too long (F10)', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
    onTestFinished(() => void vi.useRealTimers())
    const door = gate()
    let asked = 0
    const times = { codec: jsonCodec(), heartbeatMs: 0, sendTimeoutMs: 600_000, maxLifetimeMs: 10_000 }
    const rig = await startGateway((gateway) => {
      gateway
        .channel('/patient', { ...times, closeTimeoutMs: 60_000 })
        .use((_request, next) => {
          asked += 1
          return next()
        })
        .route('wait', () => door.passed.then(() => 'done'))
      gateway.channel('/short', { ...times, closeTimeoutMs: 10_000 }).route('never', () => {
        asked += 1
        return new Promise(() => undefined)
      })
    })
    const [patient, short] = [await rig.connect('/patient'), await rig.connect('/short')]
    patient.send({ type: 'wait', id: 1 })
    short.send({ type: 'never', id: 1 })
    await vi.waitFor(() => expect(asked).toBe(2))
    vi.advanceTimersByTime(12_000)
    vi.advanceTimersByTime(10_000)
    expect(await short.closed).toStrictEqual({ code: 4200, reason: 'lifetime' })
    patient.send({ type: 'wait', id: 2 })
    expect(await patient.nextJson()).toMatchObject({ id: 2, error: { code: 'draining' } })
    door.open()
    expect(await patient.nextJson()).toMatchObject({ id: 1, data: 'done' })
    expect(await patient.closed).toStrictEqual({ code: 4200, reason: 'lifetime' })
    expect(asked).toBe(2)
    void rig.gateway.close({ drainMs: 0 })
    // It takes a few turns of the clock, which waiting moves.
    await vi.waitFor(() => expect(rig.gateway.state).toBe('closed'))
  })
})

describe('the timer of all connections', () => {
  it('visits each of them once a second, however long their times are (F10)', () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const visits: [nowMs: number, wallMs: number][] = []
    const heartbeat = new Heartbeat([{ visit: (...times) => visits.push(times) }])
    heartbeat.heed({ ...off, heartbeatMs: 3_600_000, heartbeatTimeoutMs: 3_600_000, sendTimeoutMs: 3_600_000 })
    const [startedMs, startedAt] = [performance.now(), Date.now()]
    heartbeat.start()
    vi.advanceTimersByTime(5000)
    heartbeat.stop()
    const seconds = [1000, 2000, 3000, 4000, 5000]
    expect(visits.map(([nowMs]) => Math.round(nowMs - startedMs))).toStrictEqual(seconds)
    expect(visits.map(([, wallMs]) => wallMs - startedAt)).toStrictEqual(seconds)
  })

  it('runs only while there are connections', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    onTestFinished(() => void vi.useRealTimers())
    const { connect, gateway } = await startGateway((gateway) => gateway.channel('/'))
    expect(vi.getTimerCount()).toBe(0)
    const clients = [await connect(), await connect()]
    expect([gateway.registry.size, vi.getTimerCount()]).toStrictEqual([2, 1])
    for (const [left, { ws }] of clients.entries()) {
      ws.terminate()
      while (gateway.registry.size > 1 - left) await new Promise(setImmediate)
      expect(vi.getTimerCount()).toBe(1 - left)
    }
  })

  it('keeps no process alive', () => {
    const started = vi.spyOn(globalThis, 'setInterval')
    onTestFinished(() => started.mockRestore())
    const heartbeat = new Heartbeat([])
    heartbeat.start()
    onTestFinished(() => heartbeat.stop())
    expect(started.mock.results.map(({ value }) => (value as NodeJS.Timeout).hasRef())).toStrictEqual([false])
  })
})

const times: readonly (keyof ChannelOptions)[] = [
  'heartbeatMs',
  'heartbeatTimeoutMs',
  'idleMs',
  'maxLifetimeMs',
  'closeTimeoutMs',
  'sendTimeoutMs',
]

const wrongOptions: readonly [options: object, error: ErrorConstructor | TypeErrorConstructor, text: string][] = [
  ...times.map((name): [object, ErrorConstructor, string] => [{ [name]: -1 }, RangeError, `${name}: -1`]),
  [{ concurrency: 0 }, RangeError, 'concurrency: 0'],
  [{ messagesPerSecond: 0 }, RangeError, 'messagesPerSecond: 0'],
  [{ bytesPerSecond: -5 }, RangeError, 'bytesPerSecond: -5'],
  [{ onExceeded: 'drop' }, TypeError, 'onExceeded: "drop"'],
  [{ order: 'any' }, TypeError, 'order: "any"'],
  [{ replyOrder: 'lifo' }, TypeError, 'replyOrder: "lifo"'],
  [{ overflow: 'panic' }, TypeError, 'overflow: "panic"'],
  [{ sendBufferBytes: 0 }, RangeError, 'sendBufferBytes: 0'],
  [{ sendBufferBytes: 10, lowWaterBytes: 11 }, RangeError, 'lowWaterBytes: 11'],
  [{ batchMs: 6 }, RangeError, 'batchMs: 6'],
  [{ maxMessageBytes: 0 }, RangeError, 'maxMessageBytes: 0'],
  [{ maxFragments: 0 }, RangeError, 'maxFragments: 0'],
  [{ maxConnections: 0 }, RangeError, 'maxConnections: 0'],
  [{ maxRooms: 0 }, RangeError, 'maxRooms: 0'],
  [{ maxSubscriptions: 0 }, RangeError, 'maxSubscriptions: 0'],
  [{ codec: {} }, TypeError, 'codec'],
  [{ dispatcher: {} }, TypeError, 'dispatcher'],
  [{ requireSubprotocol: 'yes' }, TypeError, 'requireSubprotocol: "yes"'],
  [{ onConnect: 1 }, TypeError, 'onConnect: 1'],
  [{ onOpen: {} }, TypeError, 'onOpen'],
  [{ limits: { concurrency: 5 } }, TypeError, 'there is no option "limits"'],
]

describe('the options of a channel', () => {
  it.each(wrongOptions)('refuse %j', async (options, error, text) => {
    const { wsGateway } = await import('./ws-gateway.ts')
    const make = (): unknown => wsGateway().channel('/', options as never)
    expect(make).toThrow(error)
    expect(make).toThrow(text)
  })

  it('refuse what ./upgrade would refuse at the first handshake, when the channel is made', async () => {
    const { wsGateway } = await import('./ws-gateway.ts')
    expect(() => wsGateway().channel('/', { subprotocols: ['a b'] })).toThrow(TypeError)
    expect(() => wsGateway().channel('/', { origins: ['https://*'] })).toThrow(TypeError)
    expect(() => wsGateway().channel('/', { missingOrigin: 'maybe' as never })).toThrow(TypeError)
    expect(() => wsGateway().channel('/', { compression: { level: 10 } })).toThrow(RangeError)
  })
})
