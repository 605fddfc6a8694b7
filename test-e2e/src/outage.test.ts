// SPDX-License-Identifier: Apache-2.0
import { jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { expect, inject, it, onTestFinished, vi } from 'vitest'
import { storedCounts } from './support/ledger.ts'
import { patience, residentBytes } from './support/program.ts'
import { RestartableBroker } from './support/restartable-broker.ts'
import { reaches, RunningEdge, surfacesWith } from './support/running-edge.ts'
import { Traffic } from './support/traffic.ts'
import { WsLedger } from './ws/ws-ledger.ts'

const isLong = inject('propertyRuns') >= 100_000
const binary = inject('natsServers').at(-1) ?? expect.fail('no nats-server')
const downMs = isLong ? 30_000 : 500

const surfaces = surfacesWith(
  'put: { nats: publish, subject: ledger.put, ack: jetstream, timeout: 1s }',
  'work: { nats: queue, subject: work }',
  'subscribe: { nats: subscribe, allow: ["news.{topic}"] }',
)

/** A connection beside the edge that comes back by itself. */
async function peer(url: string): Promise<NatsConnection> {
  const nats = await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 50, reconnectJitter: 20 })
  onTestFinished(() => nats.close())
  return nats
}

it(
  `reliability F2: ${downMs / 1000} s without a broker: nobody is closed, all is restored, nothing acknowledged lost`,
  async () => {
    const broker = await RestartableBroker.start({ binary })
    onTestFinished(() => broker.stop())
    const service = await peer(broker.url)
    const manager = await jetstreamManager(service)
    await manager.streams.add({ name: 'LEDGER', subjects: ['ledger.>'] })
    service.subscribe('orders.*', { callback: (_error, message) => void message.respond('"done"') })
    service.subscribe('work', { queue: 'workers', callback: (_error, message) => void message.respond('"worked"') })
    await service.flush()
    const [edge, other] = await Promise.all([
      RunningEdge.start([broker.url], surfaces),
      RunningEdge.start([broker.url], surfaces),
    ])
    const [ada, bob, shop, news, ...putting] = await Promise.all([
      edge.open('/ws/chat/a'),
      other.open('/ws/chat/a'),
      ...Array.from({ length: 4 }, () => edge.open('/ws/shop')),
    ])
    if (shop === undefined || news === undefined) throw new Error('six clients')
    await reaches(ada, bob, 'hello')
    await news.ask({ type: 'subscribe', id: 1, data: { subject: 'news.x' } })
    expect(await shop.ask({ type: 'work', id: 1 })).toMatchObject({ data: 'worked' })
    const ledgers = putting.map((client, index) => new WsLedger(client, `client${index}`))
    const running = Promise.all(ledgers.map((ledger) => ledger.run()))
    running.catch(() => undefined)
    const acknowledged = (): number => ledgers.reduce((sum, each) => sum + each.acknowledged.length, 0)
    const traffic = new Traffic(2, (number) => edge.order(number))
    await traffic.goesOn()
    await vi.waitUntil(() => acknowledged() >= 20, patience)

    const back = broker.restart('killed', downMs)
    await edge.program.printed(/"msg":"(lost the connection to NATS)"/)
    if (isLong) expect(await edge.health('readyz')).toBe(503)
    await traffic.goesOn()
    const residentBefore = residentBytes(edge.program.pid)
    await back
    const grown = residentBytes(edge.program.pid) - residentBefore
    // In less time it is the garbage of a program that has just started.
    if (isLong) expect(grown).toBeLessThan(30 * 1_048_576)

    await vi.waitUntil(async () => (await edge.health('readyz')) === 200, patience)
    const afterwards = acknowledged() + 20
    await vi.waitUntil(() => acknowledged() >= afterwards, patience)
    for (const ledger of ledgers) ledger.stop()
    await running
    for (const answer of await traffic.stop()) {
      expect(answer).toBeOneOf(['200 "done"', '503 disconnected', '503 no_responders'])
    }
    // Nobody subscribes, joins or connects again.
    await reaches(ada, bob, 'after')
    await reaches(bob, ada, 'after that')
    await vi.waitUntil(() => {
      service.publish('news.x', '"after"')
      return news.texts.some((text) => text.includes('after'))
    }, patience)
    let id = 1
    await vi.waitUntil(async () => 'data' in (await shop.ask({ type: 'work', id: ++id })), patience)
    expect([ada, bob, shop, news, ...putting].filter(({ isOpen }) => !isOpen)).toEqual([])

    const counts = await storedCounts(service)
    const lost = ledgers.flatMap((ledger) => ledger.acknowledged).filter((each) => counts.get(each) !== 1)
    expect(lost).toEqual([])
    expect(acknowledged()).toBeGreaterThanOrEqual(40)
    for (const { refused } of ledgers) {
      for (const code of refused) expect(code).toBeOneOf(['disconnected', 'no_responders', 'timeout', 'bad_reply'])
    }
  },
  isLong ? 180_000 : 60_000,
)
