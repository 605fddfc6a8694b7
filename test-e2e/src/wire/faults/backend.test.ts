// SPDX-License-Identifier: Apache-2.0
import { setTimeout as delay } from 'node:timers/promises'
import { type NatsServer, startNatsServer, steadyPort } from '@nats-edge/embedded-nats'
import { jetstream, type JetStreamClient, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/nats-core'
import { describe, expect, inject, it, onTestFinished, vi } from 'vitest'
import { type Addresses, type Binary, connectBy, directly, type TransportName } from '../client-rig.ts'
import { eventually, RawWebSocket } from '../web-socket-rig.ts'
import { CrowdClient } from './crowd.ts'
import { GatewayProcess, type GatewayProcessState } from './gateway-process.ts'
import { Ledger, storedCounts } from '../../support/ledger.ts'
import { RestartableBroker } from '../../support/restartable-broker.ts'

const mebibyte = 1_048_576
const isLong = inject('propertyRuns') >= 100_000
// Buffers that are kept for the next flood, and those that every connection reads into.
const spareBytes = 8 * mebibyte

interface Scene {
  readonly gateway: GatewayProcess
  readonly before: GatewayProcessState
}

async function start(binary: Binary, { config = '', limits = {} } = {}): Promise<Scene & { broker: NatsServer }> {
  const broker = await startNatsServer({ binary, config, port: await steadyPort() })
  onTestFinished(() => broker.stop())
  return { broker, ...(await before(broker, limits)) }
}

async function before(broker: { readonly url: string }, limits: object = {}): Promise<Scene> {
  const gateway = await GatewayProcess.start({ backends: [{ url: broker.url }], limits })
  onTestFinished(async () => void (await gateway.end()))
  return { gateway, before: await gateway.state() }
}

/** Everything the gateway held for its clients has been given back. */
async function backToStart({ gateway, before }: Scene): Promise<GatewayProcessState> {
  const after = await gateway.settled(({ held }) => JSON.stringify(held) === JSON.stringify(before.held))
  expect(after.held).toEqual(before.held)
  return after
}

/** A ledger kept by publishes of nats.js. */
class NatsLedger extends Ledger {
  readonly #jetstream: JetStreamClient

  constructor(nats: NatsConnection, name: string) {
    super(name)
    // What was under way when the broker went is asked for again.
    this.#jetstream = jetstream(nats, { timeout: 250 })
  }

  protected async put(id: string): Promise<boolean> {
    try {
      await this.#jetstream.publish(`ledger.${id}`, JSON.stringify(id), { msgID: id, retries: 0 })
      return true
    } catch {
      return false
    }
  }
}

const patient = { reconnect: true, maxReconnectAttempts: -1, reconnectTimeWait: 50, reconnectJitter: 20 }

describe.each(inject('natsServers'))('reliability F1, F2: nats-server $version', (binary) => {
  const restarts = isLong ? 50 : 3

  // One transport at a time: a process of nats.js can only come back over the one it has used last.
  it.each<TransportName>(['tcp', 'ws'])(
    `killed or restarted ${restarts} times under load: clients come back by %s, nothing acknowledged is lost`,
    async (way) => {
      const broker = await RestartableBroker.start({ binary, websocket: true })
      onTestFinished(() => broker.stop())
      const scene = await before(broker)
      const { gateway } = scene
      const client = async (addresses: Addresses): Promise<NatsConnection> => {
        const nats = await connectBy(way, addresses, patient)
        onTestFinished(() => nats.close())
        return nats
      }
      const direct = await client(directly(broker))
      const manager = await jetstreamManager(direct)
      await manager.streams.add({ name: 'LEDGER', subjects: ['ledger.>'] })
      const clients = await Promise.all(['a', 'b', 'c'].map(() => client(gateway.addresses)))
      const ledgers = clients.map((nats, index) => new NatsLedger(nats, `client${index}`))
      const running = Promise.all(ledgers.map((ledger) => ledger.run()))
      onTestFinished(() => ledgers.forEach((ledger) => ledger.stop()))
      const least = (): number => Math.min(...ledgers.map(({ acknowledged }) => acknowledged.length))
      const goOn = (): Promise<void> => {
        const reached = least() + 20
        return eventually(() => least() >= reached, 30_000)
      }
      for (let i = 0; i < restarts; i++) {
        await goOn()
        await broker.restart(i % 2 === 0 ? 'killed' : 'stopped')
      }
      await goOn()
      for (const ledger of ledgers) ledger.stop()
      await running
      await Promise.all(clients.map((nats) => nats.close()))

      const counts = await storedCounts(direct)
      const acknowledged = ledgers.flatMap((ledger) => ledger.acknowledged)
      expect(acknowledged.length).toBeGreaterThanOrEqual(20 * (restarts + 1) * ledgers.length)
      expect(acknowledged.filter((id) => counts.get(id) !== 1)).toEqual([])
      const { closed } = await backToStart(scene)
      expect(closed['backend_closed']).toBeGreaterThanOrEqual(ledgers.length)
    },
    isLong ? 300_000 : 60_000,
  )

  it('gone: a crowd is told so at once, and served when it is back', async () => {
    const scene = await start(binary)
    const { broker, gateway } = scene
    const port = Number(new URL(broker.url).port)
    await broker.stop()
    const crowd = Array.from({ length: 90 }, () => new CrowdClient(gateway.addresses.tcp))
    for (const client of crowd) client.send('CONNECT {}\r\nPUB a 2\r\nhi\r\n')
    const ends = await Promise.all(crowd.map((client) => client.closed()))
    for (const end of ends) expect(end).toBe("-ERR 'No Backend Available'\r\n")
    const webSocket = new RawWebSocket(gateway.addresses.ws)
    await eventually(() => webSocket.failure !== '')
    expect(webSocket.failure).toContain('503')
    expect((await backToStart(scene)).dialsFailed).toBe(91)
    const again = await startNatsServer({ binary, port })
    onTestFinished(() => again.stop())
    await (await CrowdClient.connected(gateway.addresses.tcp)).ping()
  })
})

/** A client of a gateway that waits for no server for long: one that was held up for a moment has to be asked again. */
async function letIn(gateway: GatewayProcess, commands = ''): Promise<CrowdClient> {
  for (let tries = 0; tries < 20; tries++) {
    const client = await CrowdClient.connected(gateway.addresses.tcp, commands)
    if (!client.isClosed) return client
  }
  throw new Error('the gateway lets nobody in')
}

/** What the gateway says to somebody new, as far as it comes within a second. */
async function saidToNewcomer(gateway: GatewayProcess): Promise<string> {
  const client = new CrowdClient(gateway.addresses.tcp)
  await client.until('INFO ')
  client.send('CONNECT {"verbose":false}\r\nPING\r\n')
  await Promise.race([client.until('PONG'), delay(1000)])
  client.socket.destroy()
  return client.tail
}

describe.each(inject('natsServers'))('reliability F3: nats-server $version', (binary) => {
  it('frozen under load: publishers are held back, nothing grows, and all arrives when it goes on', async () => {
    const scene = await start(binary, { limits: { infoTimeoutMs: 500 } })
    const { broker, gateway, before } = scene
    const to = await letIn(gateway, 'SUB load 1\r\n')
    const publishers = await Promise.all(Array.from({ length: 3 }, () => letIn(gateway)))
    broker.kill('SIGSTOP')
    const count = 250
    const size = 60_000
    try {
      // The signal may take a moment: until then somebody gets in, or halfway.
      await vi.waitFor(async () => expect(await saidToNewcomer(gateway)).toContain('No Backend Available'))
      const message = `PUB load ${size}\r\n${'x'.repeat(size)}\r\n`
      for (const publisher of publishers) for (let i = 0; i < count; i++) publisher.send(message)
      const webSocket = new RawWebSocket(gateway.addresses.ws)
      await eventually(() => webSocket.failure !== '')
      expect(webSocket.failure).toContain('503')
      // High water, two reads of a flood, and as much again, as a read that filled half of its buffer is kept in it, and
      // what is kept for the next flood; a collection may leave the rest for the next one.
      const mostBytes = before.bufferBytes + publishers.length * 3 * mebibyte + spareBytes
      const during = await gateway.settled(({ bufferBytes }) => bufferBytes < mostBytes)
      expect(during.bufferBytes).toBeLessThan(mostBytes)
      // Most waits where it is: in the clients.
      for (const publisher of publishers) expect(publisher.socket.writableLength).toBeGreaterThan(4 * mebibyte)
      expect(during.residentBytes - before.residentBytes).toBeLessThan(60 * mebibyte)
    } finally {
      broker.kill('SIGCONT')
    }
    const expected = count * publishers.length * ('MSG load 1 60000\r\n\r\n'.length + size)
    const already = to.bytes
    // The server asks for signs of life as it likes.
    const pings = (): number => (to.bytes - already - expected) / 'PING\r\n'.length
    await eventually(() => [0, 1, 2].includes(pings()) || to.isClosed, 30_000)
    expect(pings()).toBeOneOf([0, 1, 2])
    for (const client of [to, ...publishers]) client.socket.destroy()
    await backToStart(scene)
  }, 60_000)

  it('frozen and then killed: its clients are closed, with the right code', async () => {
    const scene = await start(binary)
    const { broker, gateway } = scene
    const client = await CrowdClient.connected(gateway.addresses.tcp)
    const webSocket = await RawWebSocket.connected(gateway.addresses.ws)
    broker.kill('SIGSTOP')
    client.send('PUB a 2\r\nhi\r\nPING\r\n')
    broker.kill('SIGKILL')
    // The server asks for signs of life as it likes, and may give this one before it freezes.
    expect((await client.closed()).replaceAll(/P[IO]NG\r\n/g, '')).toBe('')
    expect(await webSocket.closed()).toBe(1001)
    expect((await backToStart(scene)).closed).toEqual({ backend_closed: 2 })
  })
})

describe.each(inject('natsServers'))('reliability F6: a lame duck, nats-server $version', (binary) => {
  const config = 'lame_duck_duration: "30s"\nlame_duck_grace_period: "2s"'

  it('sends its clients away by INFO, which leads nowhere around the gateway, then closes them', async () => {
    const scene = await start(binary, { config })
    const { broker, gateway } = scene
    const raw = await CrowdClient.connected(gateway.addresses.tcp)
    const told: string[] = []
    const nats = await connectBy('ws', gateway.addresses)
    void (async () => {
      for await (const status of nats.status()) told.push(status.type)
    })()
    broker.kill('SIGUSR2')
    await raw.until('"ldm":true')
    const json = /INFO (\{.*\})/.exec(raw.tail)?.[1]
    const info = JSON.parse(json ?? '') as Record<string, unknown>
    expect(info).toMatchObject({ ldm: true, port: Number(new URL(gateway.addresses.tcp).port) })
    expect(info).not.toHaveProperty('connect_urls')
    expect(JSON.stringify(info)).not.toContain(new URL(broker.url).port)
    await eventually(() => told.includes('ldm'))
    // It takes nobody any more, while those it has are still served.
    await raw.ping()
    const late = new CrowdClient(gateway.addresses.tcp)
    expect(await late.closed()).toContain("-ERR 'No Backend Available'\r\n")
    await raw.closed()
    await nats.closed()
    await backToStart(scene)
  }, 60_000)
})
