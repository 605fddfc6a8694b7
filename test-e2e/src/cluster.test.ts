// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NatsServer } from '@nats-edge/embedded-nats'
import { connect } from '@nats-io/transport-node'
import { afterAll, describe, expect, inject, it, onTestFinished, vi } from 'vitest'
import { Cluster } from './support/cluster.ts'
import { edgeProgram, patience, type Program } from './support/program.ts'
import { WsClient } from './ws/ws-client.ts'

const isLong = inject('propertyRuns') >= 100_000
const newest = inject('natsServers').at(-1)
const servers = inject('natsServers').filter((server) => isLong || server === newest)

const folder = mkdtempSync(join(tmpdir(), 'nats-edge-cluster-'))
afterAll(() => rmSync(folder, { recursive: true }))

const surfaces = [
  'rest: { routes: [{ path: "/orders/{id}", subject: "orders.{id}", envelope: headers }] }',
  'ws:',
  '  channels:',
  '    chat/:room: { room: "{room}" }',
  '    shop:',
  '      codec: json',
  '      messagesPerSecond: 100000',
  '      routes: { order: { nats: request, subject: "orders.{id}" } }',
]

/** An edge as a process of its own. */
class RunningEdge {
  readonly program: Program
  readonly url: string
  readonly admin: string

  private constructor(program: Program, url: string, admin: string) {
    this.program = program
    this.url = url
    this.admin = admin
  }

  static async start(name: string, urls: readonly string[]): Promise<RunningEdge> {
    const file = join(folder, `${name}.yaml`)
    const listen = 'listen: { public: { address: "127.0.0.1:0" }, admin: { address: "127.0.0.1:0" } }'
    const rest = ['wire: { enabled: false }', 'log: { access: false }', ...surfaces]
    writeFileSync(file, [`nats: { servers: [${urls.map((url) => `"${url}"`).join()}] }`, listen, ...rest].join('\n'))
    const program = edgeProgram(['serve', '-c', file])
    onTestFinished(() => program[Symbol.asyncDispose]())
    const url = await program.printed(/"public":"(http:[^"]+)"/)
    const admin = await program.printed(/"admin":"(http:[^"]+)"/)
    await program.printed(/"msg":"(ready)"/)
    return new RunningEdge(program, url, admin)
  }

  /** Where it was connected when it was ready. */
  get startedAt(): string {
    return /"nats":"([^"]+)"[^\n]*"msg":"ready"/.exec(this.program.output)?.[1] ?? expect.fail(this.program.output)
  }

  async metric(series: string): Promise<number> {
    const text = await (await fetch(`${this.admin}/metrics`)).text()
    const line = text.split('\n').find((row) => row.startsWith(`nats_edge_${series} `))
    return Number(line?.slice(line.lastIndexOf(' ') + 1))
  }

  async open(path: string): Promise<WsClient> {
    const client = await WsClient.open(this.url + path)
    onTestFinished(() => client.end())
    return client
  }

  /** Status and body of one request. */
  async order(id: number | string): Promise<string> {
    const response = await fetch(`${this.url}/orders/${id}`)
    const body = await response.text()
    return `${response.status} ${response.ok ? body : String(JSON.parse(body).code)}`
  }
}

/** Something asked over and over, each time with a number of its own, until it is stopped. */
class Traffic {
  readonly answers = new Map<string, number>()
  readonly #ask: (number: number) => Promise<string>
  readonly #running: Promise<unknown>
  #count = 0
  #isStopped = false

  constructor(lanes: number, ask: (number: number) => Promise<string>) {
    this.#ask = ask
    this.#running = Promise.all(Array.from({ length: lanes }, () => this.#run()))
    this.#running.catch(() => {})
  }

  get answered(): number {
    let sum = 0
    for (const count of this.answers.values()) sum += count
    return sum
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const answer = await this.#ask(this.#count++)
      this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1)
    }
  }

  async goesOn(): Promise<void> {
    const due = this.answered + 20
    await vi.waitUntil(() => this.answered >= due, patience)
  }

  /** The different answers, once all have come. */
  async stop(): Promise<readonly string[]> {
    this.#isStopped = true
    await this.#running
    if (this.answered !== this.#count) throw new Error(`${this.answered} answers to ${this.#count} requests`)
    return [...this.answers.keys()]
  }
}

interface Scene {
  readonly home: NatsServer
  readonly left: RunningEdge
  readonly right: RunningEdge
  readonly ada: WsClient
  readonly bob: WsClient
  readonly shop: WsClient
  readonly asked: string[]
}

/** An edge that is told of so many of the three brokers, another one at a broker of its own, and a service at the third one. */
async function stage(binary: NonNullable<typeof newest>, knows: number): Promise<Scene> {
  const cluster = await Cluster.start(binary)
  const left = await RunningEdge.start('left', cluster.urls.slice(0, knows))
  const home = cluster.at(left.startedAt)
  const [second, third] = cluster.without(home)
  if (second === undefined || third === undefined) throw new Error('a cluster of three')
  const right = await RunningEdge.start('right', [second.url])
  const service = await connect({ servers: third.url, reconnect: false })
  onTestFinished(() => service.close())
  const asked: string[] = []
  service.subscribe('orders.*', {
    callback: (_error, message) => {
      asked.push(message.subject)
      if (!message.subject.endsWith('.never')) message.respond('"done"')
    },
  })
  await service.flush()
  // What one member knows of another's subscriptions comes a moment later.
  await vi.waitUntil(async () => (await left.order('first')) === '200 "done"', patience)
  const [ada, bob, shop] = await Promise.all([left.open('/ws/chat/a'), right.open('/ws/chat/a'), left.open('/ws/shop')])
  await reaches(ada, bob, 'hello')
  await reaches(bob, ada, 'hello to you')
  return { home, left, right, ada, bob, shop, asked }
}

/** Says something until it has arrived. */
async function reaches(from: WsClient, to: WsClient, word: string): Promise<void> {
  const arrived = (): boolean => to.texts.includes(word)
  const say = (): boolean => {
    if (!arrived()) from.send(word)
    return arrived()
  }
  await vi.waitUntil(say, { ...patience, interval: 50 })
}

describe.each(servers)('reliability F6: an edge in front of three nats-servers $version', (binary) => {
  // Of the others it may know by its configuration, or by the broker itself.
  it.each(isLong ? [3, 1] : [1])(
    'leaves a lame duck before that closes, told of %i: no request fails',
    async (knows) => {
      const { home, left, right, ada, bob, shop } = await stage(binary, knows)
      let id = 0
      const rest = new Traffic(4, (number) => left.order(number))
      const ws = new Traffic(1, async (number) => {
        const answer = await shop.ask({ type: 'order', id: ++id, data: { id: number } })
        shop.texts.length = 0
        return JSON.stringify(answer['data'] ?? answer['error'])
      })
      await Promise.all([rest.goesOn(), ws.goesOn()])
      const exchanged = await left.metric('nats_messages_total{dir="out"}')

      home.kill('SIGUSR2')
      const to = await left.program.printed(/"to":"([^"]+)","msg":"moved to another broker"/)
      expect(`nats://${to}`).not.toBe(home.url)
      await left.program.printed(/"msg":"(left the broker that stops)"/)
      home.kill('SIGKILL')
      await home.exited
      await Promise.all([rest.goesOn(), ws.goesOn()])
      expect(await rest.stop()).toEqual(['200 "done"'])
      expect(await ws.stop()).toEqual(['"done"'])
      await reaches(ada, bob, 'from the left, after')
      await reaches(bob, ada, 'from the right, after')

      expect([ada, bob, shop].map(({ isOpen }) => isOpen)).toEqual([true, true, true])
      expect(left.program.output).not.toContain('lost the connection')
      expect((await fetch(`${left.admin}/readyz`)).status).toBe(200)
      // The counters are the edge's, not those of one connection.
      expect(await left.metric('nats_messages_total{dir="out"}')).toBeGreaterThan(exchanged)
      expect(await left.metric('nats_reconnects_total')).toBe(1)
      expect(await right.metric('nats_reconnects_total')).toBe(0)
    },
    60_000,
  )

  it('loses its broker for good: what is in flight fails at once, and all goes on at another one', async () => {
    const { home, left, ada, bob, shop, asked } = await stage(binary, 3)
    const inFlight = Array.from({ length: 50 }, () => left.order('never'))
    const waiting = shop.ask({ type: 'order', id: 1, data: { id: 'never' } })
    await vi.waitUntil(() => asked.filter((subject) => subject === 'orders.never').length === 51, patience)
    home.kill('SIGKILL')
    await home.exited
    expect(new Set(await Promise.all(inFlight))).toEqual(new Set(['503 disconnected']))
    expect(await waiting).toMatchObject({ error: { code: 'disconnected' } })

    // Nobody starts that broker again.
    await vi.waitUntil(async () => (await left.order(7)) === '200 "done"', patience)
    expect(await shop.ask({ type: 'order', id: 2, data: { id: 7 } })).toMatchObject({ data: 'done' })
    await reaches(ada, bob, 'from the left, after')
    await reaches(bob, ada, 'from the right, after')
    await vi.waitUntil(async () => (await fetch(`${left.admin}/readyz`)).status === 200, patience)
    expect([ada, bob, shop].map(({ isOpen }) => isOpen)).toEqual([true, true, true])
  }, 60_000)
})
