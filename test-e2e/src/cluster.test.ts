// SPDX-License-Identifier: Apache-2.0
import type { NatsServer } from '@nats-edge/embedded-nats'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { describe, expect, inject, it, onTestFinished, vi } from 'vitest'
import { Cluster } from './support/cluster.ts'
import { patience } from './support/program.ts'
import { reaches, RunningEdge, surfacesWith } from './support/running-edge.ts'
import { Traffic } from './support/traffic.ts'
import type { WsClient } from './ws/ws-client.ts'

const isLong = inject('propertyRuns') >= 100_000
const newest = inject('natsServers').at(-1)
const servers = inject('natsServers').filter((server) => isLong || server === newest)

const surfaces = surfacesWith('order: { nats: request, subject: "orders.{id}" }')

/** A NATS client of an edge, and what becomes of its connection. */
class WireClient {
  readonly nats: NatsConnection
  readonly statuses: string[] = []

  private constructor(nats: NatsConnection) {
    this.nats = nats
    void (async () => {
      for await (const { type } of nats.status()) this.statuses.push(type)
    })()
  }

  static async at(edge: RunningEdge): Promise<WireClient> {
    const endless = { maxReconnectAttempts: -1, reconnectTimeWait: 50, reconnectJitter: 20 }
    const nats = await connect({ servers: edge.wireUrl, ignoreClusterUpdates: true, ...endless })
    onTestFinished(() => nats.close())
    return new WireClient(nats)
  }

  async order(id: number): Promise<string> {
    return (await this.nats.request(`orders.${id}`, '', { timeout: 10_000 })).string()
  }

  /** Once it is there again. */
  async cameBack(): Promise<void> {
    await vi.waitUntil(() => this.statuses.includes('reconnect'), patience)
  }
}

interface Scene {
  readonly home: NatsServer
  readonly left: RunningEdge
  readonly right: RunningEdge
  readonly ada: WsClient
  readonly bob: WsClient
  readonly shop: WsClient
  readonly wire: WireClient
  readonly asked: string[]
}

/** An edge that is told of so many of the three brokers, another one at a broker of its own, and a service at the third one. */
async function stage(binary: NonNullable<typeof newest>, knows: number): Promise<Scene> {
  const cluster = await Cluster.start(binary)
  const left = await RunningEdge.start(cluster.urls.slice(0, knows), surfaces)
  const home = cluster.at(left.startedAt)
  const [second, third] = cluster.without(home)
  if (second === undefined || third === undefined) throw new Error('a cluster of three')
  const right = await RunningEdge.start([second.url], surfaces)
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
  const wire = await WireClient.at(left)
  expect(await wire.order(1)).toBe('"done"')
  return { home, left, right, ada, bob, shop, wire, asked }
}

describe.each(servers)('reliability F6: an edge in front of three nats-servers $version', (binary) => {
  // Of the others it may know by its configuration, or by the broker itself.
  it.each(isLong ? [3, 1] : [3])(
    'leaves a lame duck before that closes, told of %i: no request fails',
    async (knows) => {
      const { home, left, right, ada, bob, shop, wire } = await stage(binary, knows)
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
      // NATS clients have connections of their own: they are told, closed by the broker, and get in at the other one, if
      // that is one the configuration names.
      await vi.waitUntil(() => wire.statuses.includes('disconnect'), patience)
      expect(wire.statuses.indexOf('ldm')).toBeGreaterThanOrEqual(0)
      expect(wire.statuses.indexOf('ldm')).toBeLessThan(wire.statuses.indexOf('disconnect'))
      if (knows === 3) {
        await wire.cameBack()
        expect(await wire.order(2)).toBe('"done"')
      }
      home.kill('SIGKILL')
      await home.exited
      await Promise.all([rest.goesOn(), ws.goesOn()])
      expect(await rest.stop()).toEqual(['200 "done"'])
      expect(await ws.stop()).toEqual(['"done"'])
      await reaches(ada, bob, 'from the left, after')
      await reaches(bob, ada, 'from the right, after')

      expect([ada, bob, shop].map(({ isOpen }) => isOpen)).toEqual([true, true, true])
      expect(left.program.output).not.toContain('lost the connection')
      expect(await left.health('readyz')).toBe(200)
      // The counters are the edge's, not those of one connection.
      expect(await left.metric('nats_messages_total{dir="out"}')).toBeGreaterThan(exchanged)
      expect(await left.metric('nats_reconnects_total')).toBe(1)
      expect(await right.metric('nats_reconnects_total')).toBe(0)
    },
    60_000,
  )

  it('loses its broker for good: what is in flight fails at once, and all goes on at another one', async () => {
    const { home, left, ada, bob, shop, wire, asked } = await stage(binary, 3)
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
    await wire.cameBack()
    expect(await wire.order(2)).toBe('"done"')
    await vi.waitUntil(async () => (await left.health('readyz')) === 200, patience)
    expect([ada, bob, shop].map(({ isOpen }) => isOpen)).toEqual([true, true, true])
  }, 60_000)
})
