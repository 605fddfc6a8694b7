// SPDX-License-Identifier: Apache-2.0
import { jsonCodec, wsGateway, type WsEvent } from '@nats-edge/ws-toolkit'
import { natsPublish, natsSubscribe } from '@nats-edge/ws-toolkit/nats'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { Hono } from 'hono'
import { describe, expect, inject, it, onTestFinished, vi } from 'vitest'
import { storedCounts } from '../support/ledger.ts'
import { RestartableBroker } from '../support/restartable-broker.ts'
import { serveUpgrades } from '../support/served-app.ts'
import { WsClient } from './ws-client.ts'
import { WsLedger } from './ws-ledger.ts'

const isLong = inject('propertyRuns') >= 100_000
const restarts = isLong ? 50 : 3
const perRound = 10

async function connectTo(url: string): Promise<NatsConnection> {
  const nats = await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 50, reconnectJitter: 20 })
  onTestFinished(() => nats.close())
  return nats
}

describe.each(inject('natsServers'))('reliability F2: nats-server $version', (binary) => {
  it(
    `killed or restarted ${restarts} times: sockets stay, nothing acknowledged is lost or stored twice`,
    async () => {
      const broker = await RestartableBroker.start({ binary })
      onTestFinished(() => broker.stop())
      const nats = await connectTo(broker.url)
      const peer = await connectTo(broker.url)
      const manager = await jetstreamManager(peer)
      await manager.streams.add({ name: 'LEDGER', subjects: ['ledger.>'] })
      const events: WsEvent[] = []
      const gateway = wsGateway({ observe: (event) => events.push(event) })
      gateway
        .channel('/ledger', { codec: jsonCodec(), messagesPerSecond: Infinity })
        .route('put', natsPublish(nats, 'ledger.put', { ack: 'jetstream', timeoutMs: 1000 }))
      const news = natsSubscribe(nats, { allow: ['news.>'] })
      gateway.channel('/news', { codec: jsonCodec(), onOpen: (connection) => news.subscribe(connection, 'news.x') })
      const server = await serveUpgrades(new Hono().route('/', gateway.routes))
      onTestFinished(async () => {
        await gateway.close({ drainMs: 0 })
        server.close()
      })
      const url = `ws://127.0.0.1:${server.port}`
      const reader = await WsClient.open(`${url}/news`)
      const clients = await Promise.all(['a', 'b', 'c'].map(() => WsClient.open(`${url}/ledger`)))
      const ledgers = clients.map((client, index) => new WsLedger(client, `client${index}`))
      const running = Promise.all(ledgers.map((ledger) => ledger.run()))
      running.catch(() => undefined)
      const goOn = async (): Promise<void> => {
        const least = (): number => Math.min(...ledgers.map(({ acknowledged }) => acknowledged.length))
        const due = least() + perRound
        await vi.waitUntil(() => least() >= due || clients.some(({ isOpen }) => !isOpen), {
          timeout: 30_000,
          interval: 5,
        })
      }
      for (let i = 0; i < restarts; i++) {
        await goOn()
        await broker.restart(i % 2 === 0 ? 'killed' : 'stopped')
      }
      await goOn()
      for (const ledger of ledgers) ledger.stop()
      await running

      const counts = await storedCounts(peer)
      const acknowledged = ledgers.flatMap((ledger) => ledger.acknowledged)
      expect(acknowledged.length).toBeGreaterThanOrEqual(perRound * (restarts + 1) * ledgers.length)
      expect(acknowledged.filter((id) => counts.get(id) !== 1)).toEqual([])
      for (const { refused } of ledgers)
        for (const code of refused) expect(code).toBeOneOf(['disconnected', 'no_responders', 'timeout', 'bad_reply'])
      expect(events.filter(({ type }) => type === 'connection.closed')).toEqual([])
      const of = (type: WsEvent['type']): number => events.filter((event) => event.type === type).length
      expect(of('connection.lost')).toBeGreaterThanOrEqual(restarts)
      await vi.waitUntil(() => of('connection.restored') === of('connection.lost'))
      // Subscribed once, before the first of them; again by now.
      peer.publish('news.x', '"after"')
      await vi.waitUntil(() => reader.texts.some((text) => text.includes('after')))
    },
    isLong ? 600_000 : 60_000,
  )
})
