// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startNatsServer, type NatsServer, steadyPort } from '@nats-edge/embedded-nats'
import { parseCloseHint } from '@nats-edge/ws-toolkit'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest'
import { edgeProgram, patience, type Program } from '../support/program.ts'
import { reaches, together } from '../support/running-edge.ts'
import { WsClient } from './ws-client.ts'

interface RunningEdge {
  readonly program: Program
  readonly url: string
  readonly admin: string
}

const folder = mkdtempSync(join(tmpdir(), 'nats-edge-ws-'))
const programs: Program[] = []
const clients: WsClient[] = []

afterAll(() => rmSync(folder, { recursive: true }))

afterEach(async () => {
  for (const client of clients.splice(0)) client.end()
  for (const program of programs.splice(0)) await program[Symbol.asyncDispose]()
})

const channels = [
  'ws:',
  '  spread: 400ms',
  '  retryAfter: [300ms, 900ms]',
  '  channels:',
  '    echo: { default: { echo: true } }',
  '    chat/:room: { room: "{room}", overflow: drop-oldest }',
  '    shop:',
  '      codec: json',
  '      routes: { order: { nats: request, subject: "orders.{id}", timeout: 5s } }',
  '    raw: { default: { nats: request, subject: nobody.listens } }',
]

/** An edge as a process of its own, from a file. */
async function serve(natsUrl: string, name = 'edge', lines: readonly string[] = channels): Promise<RunningEdge> {
  const file = join(folder, `${name}.yaml`)
  const listen = 'listen: { public: { address: "127.0.0.1:0" }, admin: { address: "127.0.0.1:0" } }'
  writeFileSync(file, [`nats: { servers: [${natsUrl}] }`, listen, 'wire: { enabled: false }', ...lines].join('\n'))
  const program = edgeProgram(['serve', '-c', file])
  programs.push(program)
  const url = await program.printed(/"public":"(http:[^"]+)"/)
  const admin = await program.printed(/"admin":"(http:[^"]+)"/)
  await program.printed(/"msg":"(ready)"/)
  return { program, url, admin }
}

async function open(each: RunningEdge, path: string): Promise<WsClient> {
  const client = await WsClient.open(each.url + path)
  clients.push(client)
  return client
}

async function metric(each: RunningEdge, series: string): Promise<number | undefined> {
  const text = await (await fetch(`${each.admin}/metrics`)).text()
  const line = text.split('\n').find((row) => row.startsWith(`nats_edge_${series} `))
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ') + 1))
}

describe.each(inject('natsServers'))('two edges over one nats-server $version', (binary) => {
  let broker: NatsServer

  beforeAll(async () => {
    broker = await startNatsServer({ binary })
  })

  afterAll(() => broker.stop())

  it('carry messages of a room to members of both, and go on when one is killed', async () => {
    const [left, right] = await Promise.all([serve(broker.url, 'left'), serve(broker.url, 'right')])
    const [ada, bob, eve, far] = await Promise.all([
      open(left, '/ws/chat/lobby'),
      open(right, '/ws/chat/lobby'),
      open(right, '/ws/chat/lobby'),
      open(right, '/ws/chat/elsewhere'),
    ])
    await together(ada, bob, eve)
    const passed = async (): Promise<number[]> => [
      (await metric(left, 'ws_room_bus_messages_total{surface="ws",dir="out"}')) ?? Number.NaN,
      (await metric(right, 'ws_room_bus_messages_total{surface="ws",dir="in"}')) ?? Number.NaN,
    ]
    const [out = Number.NaN, into = Number.NaN] = await passed()
    ada.send('from the left')
    await Promise.all([ada, bob, eve].map((each) => each.received(1)))
    bob.send(Buffer.from([0, 1, 255]))
    await vi.waitUntil(() => [ada, bob, eve].every((each) => each.binaries.length === 1), patience)
    expect([ada, bob, eve].map(({ texts, binaries }) => [texts, binaries])).toEqual(
      Array.from({ length: 3 }, () => [['from the left'], [Buffer.from([0, 1, 255])]]),
    )
    for (let number = 0; number < 100; number++) ada.send(`${number}`)
    const expected = ['from the left', ...Array.from({ length: 100 }, (_, number) => `${number}`)]
    expect(await eve.received(101)).toEqual(expected)
    expect(far.texts).toEqual([])
    expect(await passed()).toEqual([out + 101, into + 101])

    left.program.process.kill('SIGKILL')
    expect((await ada.untilClosed()).code).toBe(1006)
    bob.send('still here')
    expect((await eve.received(102)).at(-1)).toBe('still here')
    expect([bob.isOpen, eve.isOpen]).toEqual([true, true])
    // Whoever was on the edge that died comes back by the other.
    const again = await open(right, '/ws/chat/lobby')
    again.send('back')
    expect((await eve.received(103)).at(-1)).toBe('back')
    const late = await serve(broker.url, 'left')
    const newcomer = await open(late, '/ws/chat/lobby')
    await reaches(newcomer, eve, 'from a new edge')
    await reaches(eve, newcomer, 'welcome')
  })
})

describe('an edge with channels', () => {
  const binary = inject('natsServers').at(-1)
  let broker: NatsServer

  beforeEach(async () => {
    broker = await startNatsServer({ ...(binary && { binary }), port: await steadyPort() })
  })

  afterEach(() => broker.stop())

  it('keeps its sockets while the broker is away, says so, and its rooms come back (reliability F1, F2)', async () => {
    const [left, right] = await Promise.all([serve(broker.url, 'left'), serve(broker.url, 'right')])
    const [ada, bob, shop, echo, raw] = await Promise.all([
      open(left, '/ws/chat/lobby'),
      open(right, '/ws/chat/lobby'),
      open(left, '/ws/shop'),
      open(left, '/ws/echo'),
      open(left, '/ws/raw'),
    ])
    await reaches(ada, bob, 'before')
    const { port } = new URL(broker.url)
    // Nobody answers while somebody listens: the request waits until the broker is gone.
    const silent = await import('@nats-io/transport-node').then(({ connect }) =>
      connect({ servers: broker.url, reconnect: false }),
    )
    silent.subscribe('orders.7', { callback: () => {} })
    await silent.flush()
    const waiting = shop.ask({ type: 'order', id: 1, data: { id: 7 } })
    await vi.waitUntil(
      async () => (await metric(left, 'ws_messages_total{surface="ws",route="/shop",dir="in"}')) === 1,
      patience,
    )
    broker.kill()
    await broker.exited
    expect(await waiting).toMatchObject({ error: { code: 'disconnected' } })
    const startedAt = performance.now()
    expect(await shop.ask({ type: 'order', id: 2, data: { id: 7 } })).toMatchObject({
      error: { code: 'disconnected', message: 'the broker is not connected' },
    })
    expect(performance.now() - startedAt).toBeLessThan(inject('promptMs'))
    // Raw words have none for an error, and nothing of it closes the connection.
    raw.send('anybody?')
    // Members of the same edge still hear each other, and what needs no broker works.
    await reaches(ada, ada, 'alone')
    await reaches(echo, echo, 'echo')
    await expect.poll(async () => (await fetch(`${left.admin}/readyz`)).status, patience).toBe(503)
    // Who comes now finds no room, and is asked to come back later.
    const late = await open(left, '/ws/chat/other')
    expect(await late.untilClosed()).toMatchObject({ code: 1013, reason: 'the broker is not connected' })

    broker = await startNatsServer({ ...(binary && { binary }), port: Number(port) })
    await reaches(ada, bob, 'after')
    await reaches(bob, ada, 'and back')
    expect([ada, bob, shop, echo, raw].map(({ isOpen }) => isOpen)).toEqual(Array.from({ length: 5 }, () => true))
    expect(await shop.ask({ type: 'order', id: 3, data: { id: 7 } })).toMatchObject({
      error: { code: 'no_responders' },
    })
    const logged = left.program.output.match(/rooms do not reach other edges/g) ?? []
    expect(logged.length).toBeLessThanOrEqual(1)
    await silent.close()
  })

  it('tells everybody when to come back on SIGTERM, spread and within bounds (reliability F14)', async () => {
    // Long enough for whoever reads them all to stand still meanwhile.
    const slower = channels.map((line) => line.replace('spread: 400ms', 'spread: 1500ms'))
    const each = await serve(broker.url, 'edge', slower)
    const raw = await Promise.all(Array.from({ length: 40 }, () => open(each, '/ws/chat/lobby')))
    const json = await Promise.all(Array.from({ length: 40 }, () => open(each, '/ws/shop')))
    const all = [...raw, ...json]
    const startedAt = performance.now()
    each.program.process.kill('SIGTERM')
    const closes = await Promise.all(all.map((client) => client.untilClosed()))
    expect(await each.program.exited).toBe(0)
    expect(new Set(closes.map(({ code }) => code))).toEqual(new Set([1012]))
    const hints = closes.map(({ reason }) => parseCloseHint(reason)?.retryAfterMs ?? -1)
    expect(Math.min(...hints)).toBeGreaterThanOrEqual(300)
    expect(Math.max(...hints)).toBeLessThanOrEqual(900)
    expect(new Set(hints).size).toBeGreaterThan(20)
    const times = closes.map(({ atMs }) => atMs - startedAt)
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(150)
    expect(Math.max(...times)).toBeLessThan(15_000)
    // Words that have events tell it before, at once.
    const announced = json.map(({ values }) => Object(values[0]))
    expect(announced.every(({ type, data }) => type === 'going-away' && data.retryAfterMs >= 300)).toBe(true)
    expect(raw.every(({ texts }) => texts.length === 0)).toBe(true)
    expect(each.program.output).toMatch(/"closed":80,"terminated":0,.*"msg":"clients were sent away"/)
  })

  it('lets a request under way finish before its client is sent away', async () => {
    const each = await serve(broker.url)
    const { connect } = await import('@nats-io/transport-node')
    const nats = await connect({ servers: broker.url })
    let reply: (() => void) | undefined
    nats.subscribe('orders.1', {
      callback: (_error, message) => void (reply = () => void message.respond('{"done":true}')),
    })
    await nats.flush()
    const client = await open(each, '/ws/shop')
    const answer = client.ask({ type: 'order', id: 1, data: { id: 1 } })
    await vi.waitUntil(() => reply !== undefined, patience)
    each.program.process.kill('SIGTERM')
    await vi.waitUntil(() => client.texts.some((text) => text.includes('going-away')), patience)
    reply?.()
    expect(await answer).toMatchObject({ data: { done: true } })
    expect((await client.untilClosed()).code).toBe(1012)
    expect(await each.program.exited).toBe(0)
    await nats.close()
  })

  it('counts connections, messages, results, rooms and closes, by route and never by room', async () => {
    const each = await serve(broker.url)
    const [ada, shop] = await Promise.all([open(each, '/ws/chat/secret-room'), open(each, '/ws/shop')])
    ada.send('hello')
    await ada.received(1)
    await shop.ask({ type: 'order', id: 1, data: { id: 1 } })
    const text = await (await fetch(`${each.admin}/metrics`)).text()
    const value = (series: string): string | undefined =>
      new RegExp(`^nats_edge_${series.replaceAll(/[{}/:().]/g, String.raw`\$&`)} (\\S+)$`, 'm').exec(text)?.[1]
    const chat = 'surface="ws",route="/chat/:room"'
    expect([
      value(`ws_connections{${chat}}`),
      value(`ws_connections_opened_total{${chat}}`),
      value(`ws_messages_total{${chat},dir="in"}`),
      value(`ws_message_bytes_total{${chat},dir="in"}`),
      value('ws_message_results_total{surface="ws",route="/shop",key="order",code="no_responders"}'),
      value('ws_rooms{surface="ws"}'),
      value('ws_room_members{surface="ws"}'),
      value('ws_connections_free{surface="ws"}'),
      value('http_requests_total{surface="ws",route="/chat/:room",method="GET",code="101"}'),
    ]).toEqual(['1', '1', '1', '5', '1', '1', '1', '9998', '1'])
    expect(text).not.toContain('secret-room')
    ada.socket.close(1000)
    await ada.untilClosed()
    await expect.poll(() => metric(each, `ws_connections_closed_total{${chat},code="1000"}`), patience).toBe(1)
    expect(each.program.output).not.toContain('secret-room')
  })
})
