// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from 'node:fs'
import { startNatsServer } from '@nats-edge/embedded-nats'
import { connect } from '@nats-io/transport-node'
import { expect, inject, it, onTestFinished, vi } from 'vitest'
import { percentile } from './wire/faults/crowd.ts'
import { Link } from './support/link.ts'
import { patience } from './support/program.ts'
import { reaches, RunningEdge, surfacesWith } from './support/running-edge.ts'
import type { WsClient } from './ws/ws-client.ts'

const isLong = inject('propertyRuns') >= 100_000
const binary = inject('natsServers').at(-1) ?? expect.fail('no nats-server')
const seed = isLong ? Math.floor(Math.random() * 2 ** 32) : 20_261_122

const surfaces = surfacesWith('order: { nats: request, subject: "orders.{id}" }')
const use = 'use: [{ breaker: { minCalls: 10, window: 10m, reset: 10m } }]'
const guarded = surfacesWith(
  `order: { nats: request, subject: "orders.{id}", ${use} }`,
  `fragile: { nats: request, subject: "orders.{id}", ${use} }`,
)

interface Scene {
  readonly link: Link
  /** At the end of the link. */
  readonly edge: RunningEdge
  readonly ada: WsClient
  readonly shop: WsClient
  /** On an edge beside the broker. */
  readonly bob: WsClient
  /** How often the service was asked for each. */
  readonly asked: Map<string, number>
}

/** Two edges, of which one has a link between itself and the broker, and a service that answers with what it is asked. */
async function stage(ping: string, lines = surfaces): Promise<Scene> {
  const broker = await startNatsServer({ binary, jetstream: false })
  onTestFinished(() => broker.stop())
  const link = await Link.to(broker.url, seed)
  const service = await connect({ servers: broker.url, reconnect: false })
  onTestFinished(() => service.close())
  const asked = new Map<string, number>()
  service.subscribe('orders.*', {
    callback: (_error, message) => {
      const id = message.subject.slice('orders.'.length)
      asked.set(id, (asked.get(id) ?? 0) + 1)
      if (!id.startsWith('never')) message.respond(JSON.stringify(id))
    },
  })
  await service.flush()
  const [edge, other] = await Promise.all([
    RunningEdge.start([link.url], lines, { ping }),
    RunningEdge.start([broker.url], lines),
  ])
  const [ada, shop, bob] = await Promise.all([edge.open('/ws/chat/a'), edge.open('/ws/shop'), other.open('/ws/chat/a')])
  await reaches(ada, bob, 'hello')
  await reaches(bob, ada, 'hello to you')
  expect(await edge.order('first')).toBe('200 "first"')
  expect(await shop.ask({ type: 'order', id: 0, data: { id: 'first' } })).toMatchObject({ data: 'first' })
  return { link, edge, ada, shop, bob, asked }
}

/** What is under way and held when nobody asks for anything: two WebSockets, one link. */
const atRest: Readonly<Record<string, number>> = {
  'http_inflight{listener="public"}': 0,
  'connections_open{listener="public"}': 2,
  'ws_connections{surface="ws",route="/shop"}': 1,
  'ws_connections{surface="ws",route="/chat/:room"}': 1,
  'ws_rooms{surface="ws"}': 1,
  'ws_room_members{surface="ws"}': 1,
  'ws_requests_active{surface="ws",route="/shop",key="order"}': 0,
  'nats_requests_inflight{surface="rest"}': 0,
  nats_pending_bytes: 0,
  links: 1,
}

/** Waits until the edge is at rest, and gives the number of files and sockets it has open then. */
async function descriptorsAtRest({ edge, link }: Scene): Promise<number> {
  const look = async (): Promise<number> => {
    const value = await edge.metrics()
    const seen = Object.keys(atRest).map((series) => [series, series === 'links' ? link.open : value(series)])
    expect(Object.fromEntries(seen)).toEqual(atRest)
    if (process.platform !== 'linux') return 0
    // Those of whoever asks for the metrics stay open for a while.
    return readdirSync(`/proc/${edge.program.pid}/fd`).length - value('connections_open{listener="admin"}')
  }
  let descriptors = -1
  await vi.waitFor(async () => {
    const before = descriptors
    descriptors = await look()
    expect(descriptors).toBe(before)
  })
  return descriptors
}

it('reliability F4: half-open link to the broker: noticed by ping, told to everybody, all back by itself', async () => {
  const scene = await stage('{ interval: 1s, maxOut: 2 }')
  const { link, edge, ada, shop, bob, asked } = scene
  const before = await descriptorsAtRest(scene)
  const inFlight = Array.from({ length: 20 }, (_, i) => edge.order(`never${i}`))
  const waiting = shop.ask({ type: 'order', id: 1, data: { id: 'never' } })
  await vi.waitUntil(() => asked.size === 22, patience)
  const dialled = link.dials
  link.hold()
  const heldAt = performance.now()
  expect(new Set(await Promise.all(inFlight))).toEqual(new Set(['503 disconnected']))
  expect(await waiting).toMatchObject({ error: { code: 'disconnected' } })
  expect([await edge.order('new'), await edge.health('readyz'), await edge.health('livez')]).toEqual([
    '503 disconnected',
    503,
    200,
  ])
  expect(await shop.ask({ type: 'order', id: 2, data: { id: 'new' } })).toMatchObject({
    error: { code: 'disconnected' },
  })
  await reaches(ada, ada, 'still here')
  // No more than one connection is tried at a time, each for five seconds.
  const tries = 2 + Math.ceil((performance.now() - heldAt) / 5000)
  expect(link.dials - dialled).toBeLessThanOrEqual(tries)

  link.release()
  await vi.waitUntil(async () => (await edge.health('readyz')) === 200, patience)
  expect(await edge.order('back')).toBe('200 "back"')
  expect(await shop.ask({ type: 'order', id: 3, data: { id: 'back' } })).toMatchObject({ data: 'back' })
  await reaches(ada, bob, 'out again')
  await reaches(bob, ada, 'and in again')
  expect([ada, shop, bob].map(({ isOpen }) => isOpen)).toEqual([true, true, true])
  expect([asked.get('new'), asked.get('back')]).toEqual([undefined, 2])
  expect(link.dials - dialled).toBeLessThanOrEqual(tries + 1)
  // What was sent into the dark has waited in the link, and the broker has forgotten who asked: nothing is left of it.
  await expect.poll(() => descriptorsAtRest(scene), patience).toBe(before)
}, 60_000)

/** Answers to requests, each with the time it took from and to. */
interface Answer {
  readonly id: string
  readonly text: string
  readonly from: number
  readonly to: number
}

it(
  `reliability F5: delays, slices and resets, seed ${seed}: only what a reset meets fails, once`,
  async () => {
    const scene = await stage('{ interval: 30s }')
    const { link, edge, shop, ada, bob, asked } = scene
    const before = await descriptorsAtRest(scene)
    const lanes = isLong ? 40 : 10
    const perRound = isLong ? 300 : 100
    const resets = isLong ? 20 : 3
    const answers: Answer[] = []
    const timed = async (id: string, ask: () => Promise<string>): Promise<void> => {
      const from = performance.now()
      const text = await ask()
      answers.push({ id, text, from, to: performance.now() })
    }
    let count = 0
    const run = async (isOver: () => boolean): Promise<void> => {
      while (!isOver()) {
        const id = `n${count++}`
        await timed(id, () => edge.order(id))
      }
    }
    const answered = new Map<unknown, string[]>()
    shop.socket.on('message', (data: Buffer) => {
      const { id, data: said, error } = JSON.parse(data.toString())
      answered.set(id, [
        ...(answered.get(id) ?? []),
        error === undefined ? `200 ${JSON.stringify(said)}` : `503 ${error.code}`,
      ])
    })
    const runByWs = async (isOver: () => boolean): Promise<void> => {
      while (!isOver()) {
        const id = `n${count++}`
        await timed(id, async () => {
          shop.sendJson({ type: 'order', id, data: { id } })
          await vi.waitUntil(() => answered.has(id), { ...patience, interval: 1 })
          return answered.get(id)?.[0] ?? ''
        })
      }
    }
    const served = (): number => answers.filter(({ text }) => text.startsWith('200')).length
    const outages: { from: number; to: number }[] = []
    let isOver = false
    const traffic = Promise.all(
      Array.from({ length: lanes }, (_, lane) => (lane < lanes / 2 ? run : runByWs)(() => isOver)),
    )
    traffic.catch(() => undefined)
    const goOn = async (): Promise<void> => {
      const due = served() + perRound
      await vi.waitUntil(() => served() >= due, { ...patience, timeout: 60_000 })
    }
    await goOn()
    // There and back.
    const [least, most] = isLong ? [100, 300] : [4, 24]
    link.become({ latencyMs: [least / 2, most / 2], slices: [1, 200] })
    const slowSince = performance.now()
    for (let round = 0; round < resets; round++) {
      await goOn()
      const from = performance.now()
      link.cut()
      await vi.waitUntil(async () => (await edge.metric('nats_reconnects_total')) > round, patience)
      await vi.waitUntil(async () => (await edge.health('readyz')) === 200, patience)
      outages.push({ from, to: performance.now() })
    }
    await goOn()
    isOver = true
    await traffic

    const wrong = answers.filter(({ id, text }) => text !== `200 "${id}"` && text !== '503 disconnected')
    expect(wrong).toEqual([])
    const failed = answers.filter(({ text }) => text === '503 disconnected')
    const isMet = (each: Answer): boolean => outages.some(({ from, to }) => each.from <= to && each.to >= from)
    const unmet = failed.filter((each) => !isMet(each))
    expect(unmet).toEqual([])
    expect(failed.length).toBeGreaterThan(0)
    const p99 = (some: readonly Answer[]): number =>
      percentile(
        some.map(({ from, to }) => to - from),
        0.99,
      )
    const before99 = p99(answers.filter(({ to }) => to < slowSince))
    const slow99 = p99(answers.filter((each) => each.from > slowSince && !isMet(each)))
    process.stderr.write(
      `p99 ${before99.toFixed(1)} ms, with ${least} to ${most} ms of network ${slow99.toFixed(1)} ms\n`,
    )
    if (isLong) expect(slow99).toBeLessThan(before99 + 400)
    // Every request has one answer, and was asked of the service once at most.
    expect(answers.map(({ id }) => id).toSorted()).toEqual(Array.from({ length: count }, (_, i) => `n${i}`).toSorted())
    expect([...answered.values()].filter(({ length }) => length !== 1)).toEqual([])
    expect([...asked].filter(([id, times]) => id !== 'first' && times !== 1)).toEqual([])

    link.become({})
    await reaches(ada, bob, 'out again')
    await reaches(bob, ada, 'and in again')
    expect([ada, shop, bob].map(({ isOpen }) => isOpen)).toEqual([true, true, true])
    await expect.poll(() => descriptorsAtRest(scene), patience).toBe(before)
  },
  isLong ? 600_000 : 60_000,
)

it('reliability F5: requests that a reset meets open the breaker of their route, and no other', async () => {
  const { link, edge, shop, asked } = await stage('{ interval: 30s }', guarded)
  for (let id = 1; id <= 20; id++)
    expect(await shop.ask({ type: 'order', id, data: { id } })).toMatchObject({ data: `${id}` })
  const met = Array.from({ length: 20 }, (_, i) =>
    shop.ask({ type: 'fragile', id: 100 + i, data: { id: `never${i}` } }),
  )
  await vi.waitUntil(() => asked.has('never19'), patience)
  link.cut()
  for (const answer of await Promise.all(met)) expect(answer).toMatchObject({ error: { code: 'disconnected' } })
  await vi.waitUntil(async () => (await edge.health('readyz')) === 200, patience)
  const refused = await shop.ask({ type: 'fragile', id: 200, data: { id: 'refused' } })
  expect(refused).toMatchObject({ error: { code: 'circuit_open', retryAfterMs: expect.any(Number) } })
  expect(asked.has('refused')).toBe(false)
  expect(await shop.ask({ type: 'order', id: 201, data: { id: 'served' } })).toMatchObject({ data: 'served' })
  expect(await edge.order('beside')).toBe('200 "beside"')
  const metric = await edge.metrics()
  const open = ['order', 'fragile'].map((key) =>
    metric(`ws_circuits{surface="ws",route="/shop",key="${key}",state="open"}`),
  )
  expect(open).toEqual([0, 1])
}, 60_000)
