// SPDX-License-Identifier: Apache-2.0
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { RestartableBroker } from '../../support/restartable-broker.ts'
import type { Binary } from '../client-rig.ts'
import { plainConnect } from '../web-socket-rig.ts'
import { CrowdClient } from './crowd.ts'
import { GatewayProcess, type GatewayProcessState } from './gateway-process.ts'
import { type Random, randomFrom, whole } from './random.ts'

const newest = inject('natsServers').at(-1) as Binary
const isLong = inject('propertyRuns') >= 100_000
const resets = isLong ? 500 : 60
const kills = isLong ? 20 : 2
const clientsAtKill = 20
const seed = 20_261_121
// After that the gateway gives up who has not finished CONNECT.
const authTimeoutMs = 2000

const payload = 'x'.repeat(1000)
const headers = 'NATS/1.0\r\nA: b\r\n\r\n'

/** What a client says in a life; its end comes anywhere in it. */
const life = [
  plainConnect,
  'SUB a 1\r\nSUB b.> queue 2\r\nPING\r\n',
  `PUB a 1000\r\n${payload}\r\n`.repeat(50),
  `HPUB b.c 1 ${headers.length} ${headers.length + 5}\r\n${headers}hello\r\n`,
  `PUB a 200000\r\n${'y'.repeat(200_000)}\r\n`,
  'UNSUB 2 3\r\nPUB b.d 2\r\nhi\r\nUNSUB 1\r\nPING\r\n',
].join('')

/** An index in a life: often among its commands, which take up little of it. */
function anywhere(random: Random): number {
  const end = plainConnect.length + 100
  return random() < 0.5 ? whole([0, end], random) : whole([0, life.length], random)
}

interface Rig {
  readonly broker: RestartableBroker
  readonly gateway: GatewayProcess
  readonly before: GatewayProcessState
}

async function start(): Promise<Rig> {
  const broker = await RestartableBroker.start({ binary: newest, jetstream: false })
  onTestFinished(() => broker.stop())
  const options = {
    backends: [{ url: broker.url }],
    limits: { maxConnectionsPerIp: 1000, authTimeoutMs },
    policies: { permissions: { publish: { deny: ['secret'] }, subscribe: { deny: ['b.secret'] } } },
  }
  const gateway = await GatewayProcess.start(options)
  onTestFinished(async () => void (await gateway.end()))
  // What is made once, is made.
  const first = await CrowdClient.connected(gateway.addresses.tcp)
  first.socket.destroy()
  const before = await gateway.settled(({ held }) => held['tcp'] === 0 && held['sockets'] === 0)
  return { broker, gateway, before }
}

async function backToStart({ gateway, before }: Rig): Promise<GatewayProcessState> {
  const after = await gateway.settled(({ held }) => JSON.stringify(held) === JSON.stringify(before.held), 30_000)
  expect(after.held).toEqual(before.held)
  return after
}

/** A client in some state, and its end. */
interface Life {
  /** Reads again what it has left unread. */
  resume(): void
  end(): void
  readonly closed: Promise<unknown>
}

async function live(gateway: GatewayProcess, random: Random): Promise<Life> {
  return random() < 0.5 ? liveOverTcp(gateway.addresses.tcp, random) : liveOverWebSocket(gateway.addresses.ws, random)
}

async function liveOverTcp(address: string, random: Random): Promise<Life> {
  const client = new CrowdClient(address)
  if (random() < 0.8) await client.until('INFO ')
  const said = life.slice(0, anywhere(random))
  const cut = whole([0, said.length], random)
  client.send(said.slice(0, cut))
  if (random() < 0.5) await new Promise((resolve) => setImmediate(resolve))
  client.send(said.slice(cut))
  if (random() < 0.2) client.socket.pause()
  const way = random()
  return {
    resume: () => void client.socket.resume(),
    end: () => {
      client.socket.resume()
      if (way < 0.5) client.socket.resetAndDestroy()
      else if (way < 0.75) client.socket.end()
      else client.socket.destroy()
    },
    closed: client.closed(),
  }
}

async function liveOverWebSocket(url: string, random: Random): Promise<Life> {
  const socket = new WebSocket(url, { perMessageDeflate: false })
  socket.on('error', () => undefined)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  const way = random()
  if (random() < 0.8) {
    await Promise.race([new Promise((resolve) => socket.once('message', resolve)), closed])
    const said = Buffer.from(life.slice(0, anywhere(random)), 'latin1')
    const cut = whole([0, said.length], random)
    if (socket.readyState === WebSocket.OPEN)
      for (const part of [said.subarray(0, cut), said.subarray(cut)]) socket.send(part)
  }
  return { resume: () => undefined, end: () => (way < 0.7 ? socket.terminate() : socket.close()), closed }
}

describe('reliability F22: connections that end anywhere in their life', () => {
  it(`by ${resets} resets and ends of clients, leave nothing behind`, async () => {
    const rig = await start()
    const random = randomFrom(seed)
    for (let done = 0; done < resets; done += 10) {
      const lives = await Promise.all(Array.from({ length: 10 }, () => live(rig.gateway, random)))
      for (const each of lives) each.end()
      await Promise.all(lives.map(({ closed }) => closed))
    }
    const { closed } = await backToStart(rig)
    expect(Object.keys(closed).filter((cause) => !harmless.has(cause))).toEqual([])
    expect(Object.values(closed).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(resets / 2)
  }, 120_000)

  it(`by ${kills} kills of their server, are all told, and leave nothing behind`, async () => {
    const rig = await start()
    const random = randomFrom(seed + 1)
    for (let done = 0; done < kills; done++) {
      const lives = await Promise.all(Array.from({ length: clientsAtKill }, () => live(rig.gateway, random)))
      // Nobody ends of its own: the gateway closes them all.
      const all = Promise.all(lives.map(({ closed }) => closed)).then(() => true)
      do {
        await rig.broker.restart('killed')
        for (const each of lives) each.resume()
        // Whom a gateway that was held up saw only now is served by the broker that is back, until that is killed too.
      } while (!(await Promise.race([all, delay(authTimeoutMs + 2000, false)])))
    }
    const { closed } = await backToStart(rig)
    expect(Object.keys(closed).filter((cause) => !harmless.has(cause))).toEqual([])
    expect(closed['backend_closed']).toBeGreaterThan(kills)
    await (await CrowdClient.connected(rig.gateway.addresses.tcp)).ping()
  }, 180_000)
})

// A client that paused, or that was between two lives of the server, may be given up for that.
const harmless = new Set(['client_closed', 'connection_error', 'backend_closed', 'backend_error', 'auth_timeout'])
