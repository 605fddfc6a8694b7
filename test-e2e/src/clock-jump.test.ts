// SPDX-License-Identifier: Apache-2.0
import type { Principal } from '@nats-edge/wire-parser'
import {
  breaker,
  cache,
  jsonCodec,
  rateLimit,
  timeout,
  wsGateway,
  WsError,
  type ChannelOptions,
  type WsEvent,
  type WsGateway,
} from '@nats-edge/ws-toolkit'
import { connect } from '@nats-io/transport-node'
import { Hono } from 'hono'
import { edge } from 'nats-edge'
import { describe, expect, inject, it, onTestFinished, vi } from 'vitest'
import { patience } from './support/program.ts'
import { RestartableBroker } from './support/restartable-broker.ts'
import { serveUpgrades } from './support/served-app.ts'
import { setWallClock } from './support/wall-clock.ts'
import { WsClient } from './ws/ws-client.ts'

const hour = 3_600_000
const year = 365 * 24 * hour
// Longer than any test, shorter than an hour.
const long = 1_800_000

const hours = [
  ['an hour ahead', hour],
  ['an hour back', -hour],
] as const
const years = [
  ['a year ahead', year],
  ['a year back', -year],
] as const
const jumps = inject('propertyRuns') >= 100_000 ? [...hours, ...years] : hours

interface Rig {
  readonly gateway: WsGateway
  readonly events: readonly WsEvent[]
  client(): Promise<WsClient>
}

async function rigOf(
  build: (gateway: WsGateway, options: ChannelOptions) => void,
  principal?: () => Principal,
): Promise<Rig> {
  const events: WsEvent[] = []
  const gateway = wsGateway({ observe: (event) => events.push(event), ...(principal && { principal }) })
  build(gateway, { codec: jsonCodec(), heartbeatMs: 40, heartbeatTimeoutMs: long })
  const server = await serveUpgrades(new Hono().route('/', gateway.routes))
  onTestFinished(async () => {
    await gateway.close({ drainMs: 0 })
    server.close()
  })
  return { gateway, events, client: () => WsClient.open(`ws://127.0.0.1:${server.port}/`) }
}

/** Lets the heartbeat look at every connection a few times. */
async function visits({ events }: Rig): Promise<void> {
  const count = (): number => events.filter(({ type }) => type === 'heartbeat.rtt').length
  const due = count() + 3
  await vi.waitUntil(() => count() >= due || events.some(({ type }) => type === 'connection.closed'), patience)
}

function codeOf(answer: Readonly<Record<string, unknown>>): unknown {
  const { error } = answer
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}

describe.each(jumps)('reliability F16: a wall clock that is set %s', (_name, jumpMs) => {
  it('closes no connection, for its heartbeat, idleness, age, or what it has not read, and is not in their times', async () => {
    const rig = await rigOf((gateway, options) => {
      gateway
        .channel('/', { ...options, idleMs: long, maxLifetimeMs: long, sendTimeoutMs: long })
        .route('echo', ({ data }) => data)
    })
    const client = await rig.client()
    await visits(rig)
    setWallClock(jumpMs)
    await visits(rig)
    expect(await client.ask({ type: 'echo', id: 1, data: 'still here' })).toMatchObject({ data: 'still here' })
    expect(rig.events.filter(({ type }) => type === 'connection.closed')).toEqual([])
    client.end()
    const closed = (): number[] => rig.events.flatMap((event) => (event.type === 'connection.closed' ? [event.ms] : []))
    await vi.waitUntil(() => closed().length === 1, patience)
    for (const ms of [
      ...closed(),
      ...rig.events.flatMap((event) => (event.type === 'heartbeat.rtt' ? [event.ms] : [])),
    ]) {
      expect(ms).toBeGreaterThanOrEqual(0)
      expect(ms).toBeLessThan(long)
    }
  })

  it('leaves rates, caches, circuits and deadlines that run as they are', async () => {
    let calls = 0
    let answer = (_value: string): void => {}
    const failing = (): never => {
      throw new WsError('bad_reply')
    }
    const rig = await rigOf((gateway, options) => {
      gateway
        .channel('/', { ...options, messagesPerSecond: 1000 })
        .route('limited', rateLimit({ limit: 1, windowMs: long }), () => 'let through')
        .route('cached', cache({ key: () => 'same', ttlMs: long }), () => (calls += 1))
        .route('broken', breaker({ minCalls: 1, resetMs: long }), failing)
        .route('slow', timeout(long), () => new Promise((resolve) => (answer = resolve)))
    })
    const client = await rig.client()
    for (const [id, type] of ['limited', 'cached', 'broken'].entries()) await client.ask({ type, id })
    client.sendJson({ type: 'slow', id: 'slow' })
    await client.ask({ type: 'cached', id: 10 })
    setWallClock(jumpMs)
    expect(codeOf(await client.ask({ type: 'limited', id: 20 }))).toBe('rate_limited')
    expect(await client.ask({ type: 'cached', id: 21 })).toMatchObject({ data: 1 })
    expect(codeOf(await client.ask({ type: 'broken', id: 22 }))).toBe('circuit_open')
    await visits(rig)
    answer('in time')
    await vi.waitUntil(() => client.texts.some((text) => text.includes('in time')), patience)
  })

  it('holds up nothing that begins afterwards, or is due', async () => {
    let calls = 0
    const failing = (): never => {
      calls += 1
      throw new WsError('bad_reply')
    }
    const rig = await rigOf((gateway, options) => {
      gateway
        .channel('/', { ...options, messagesPerSecond: 1000 })
        .route('limited', rateLimit({ limit: 1, windowMs: 50 }), () => 'let through')
        .route('cached', cache({ key: () => 'same', ttlMs: 50 }), () => (calls += 1))
        .route('broken', breaker({ minCalls: 1, resetMs: 50 }), failing)
        .route('slow', timeout(100), () => new Promise(() => {}))
    })
    const client = await rig.client()
    for (const [id, type] of ['limited', 'cached', 'broken'].entries()) await client.ask({ type, id })
    setWallClock(jumpMs)
    let id = 100
    const until = (type: string, isDone: (answer: Readonly<Record<string, unknown>>) => boolean): Promise<boolean> =>
      vi.waitUntil(async () => isDone(await client.ask({ type, id: id++ })), patience)
    await until('limited', ({ data }) => data === 'let through')
    const before = calls
    await until('cached', ({ data }) => typeof data === 'number' && data > before)
    await until('broken', (one) => codeOf(one) === 'bad_reply')
    expect(codeOf(await client.ask({ type: 'slow', id: id++ }))).toBe('timeout')
  })

  it('closes those whose credential has expired by it, and no others', async () => {
    const principal: Principal = {
      id: 'test:ann',
      name: 'ann',
      claims: {},
      permissions: { allows: () => true, covers: () => 'all' },
      expiresAt: Date.now() + long,
    }
    const rig = await rigOf(
      (gateway, options) => gateway.channel('/', options),
      () => principal,
    )
    const client = await rig.client()
    await visits(rig)
    setWallClock(jumpMs)
    if (jumpMs > 0) expect(await client.untilClosed()).toMatchObject({ code: 4201 })
    else await visits(rig)
    expect(client.isOpen).toBe(jumpMs < 0)
  })

  it('does not cut short, or hold up, a drain', async () => {
    let answer = (_value: string): void => {}
    const rig = await rigOf((gateway, options) =>
      gateway.channel('/', options).route('slow', () => new Promise((resolve) => (answer = resolve))),
    )
    const client = await rig.client()
    client.sendJson({ type: 'slow', id: 1 })
    await vi.waitUntil(() => rig.events.some(({ type }) => type === 'heartbeat.rtt'), patience)
    const closing = rig.gateway.close({ drainMs: long, spreadMs: 50 })
    await vi.waitUntil(() => client.texts.some((text) => text.includes('going-away')), patience)
    setWallClock(jumpMs)
    const jumpedAtMs = performance.now()
    // By then its window is over, and only the request under way keeps it.
    await vi.waitUntil(() => performance.now() > jumpedAtMs + 150, patience)
    expect(client.isOpen).toBe(true)
    answer('the last word')
    expect(await client.untilClosed()).toMatchObject({ code: 1012 })
    expect(client.texts.at(-1)).toContain('the last word')
    await closing
  })

  it('leaves an edge its clients, and the edge finds its broker when that comes back', async () => {
    const [binary] = inject('natsServers').slice(-1)
    if (binary === undefined) throw new Error('no nats-server under test')
    const broker = await RestartableBroker.start({ binary })
    onTestFinished(() => broker.stop())
    const address = '127.0.0.1:0'
    const server = await edge({
      config: {
        nats: { servers: broker.url },
        listen: { public: { address }, admin: { address }, wire: { address } },
        log: { level: 'silent' },
        ws: { channels: { ask: { codec: 'json', routes: { ask: { nats: 'request', subject: 'clock.ask' } } } } },
      },
    })
    onTestFinished(() => server.close({ graceMs: 0 }))
    await server.ready()
    // Its own client, which looks at the same clock, is a new one after the restart.
    await answering(broker.url)
    const client = await WsClient.open(`${server.url}/ws/ask`)
    const wire = await connect({ servers: server.wireUrl ?? '', reconnect: false })
    onTestFinished(() => wire.close())
    setWallClock(jumpMs)
    expect(await client.ask({ type: 'ask', id: 1, data: 1 })).toMatchObject({ data: 'answer' })
    await wire.flush()
    await broker.restart('killed')
    await answering(broker.url)
    let id = 2
    await vi.waitUntil(async () => (await client.ask({ type: 'ask', id: id++, data: 1 }))['data'] === 'answer', {
      timeout: 15_000,
      interval: 50,
    })
    expect(client.isOpen).toBe(true)
  }, 60_000)
})

async function answering(url: string): Promise<void> {
  const nats = await connect({ servers: url, reconnect: false })
  onTestFinished(() => nats.close())
  nats.subscribe('clock.ask', { callback: (_error, message) => void message.respond('"answer"') })
  await nats.flush()
}
