// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { connect as dial } from 'node:net'
import { type NatsServer, startNatsServer } from '@nats-edge/embedded-nats'
import { deny, type WireGatewayOptions } from '@nats-edge/wire-parser/gateway'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { type Binary, connectBy, Front, startFullBroker } from './client-rig.ts'
import { CrowdClient } from './faults/crowd.ts'
import { eventually, plainConnect, RawWebSocket, startRig } from './web-socket-rig.ts'

const newest = inject('natsServers').at(-1) as Binary
const full = 'maximum connections exceeded'
const atOnce = 20
// Nobody who was let in is sent away because the others take their time.
const authTimeoutMs = 60_000
// An address that may come once a second may come again after it.
const rateWindowMs = 1000

/** Everything a server or gateway says to one who sends nothing. */
async function heard(address: string): Promise<string> {
  const { hostname, port } = new URL(address)
  const socket = dial(Number(port), hostname)
  onTestFinished(() => void socket.destroy())
  let text = ''
  socket.on('data', (chunk) => (text += chunk.toString('latin1')))
  socket.on('error', () => undefined)
  await once(socket, 'close')
  return text
}

const refusals: readonly (readonly [what: string, text: string, options: Partial<WireGatewayOptions>])[] = [
  ['there are as many as there may be', full, { limits: { maxConnections: 1, authTimeoutMs } }],
  ['as many wait to be let in', full, { limits: { maxPendingAuth: 1, authTimeoutMs } }],
  ['its address comes too often', full, { limits: { connectsPerSecond: 1, connectBurst: 1 } }],
  [
    'a hook refuses it',
    'Go Home',
    { hooks: { onAccept: ({ transport }) => deny('Go Home', { close: transport === 'tcp' }) } },
  ],
]

interface TurnedAway {
  readonly errors: readonly string[]
  readonly said: string
  /** From before anybody came. */
  readonly tookMs: number
}

/** What those hear who come to a gateway of its own after the first. */
async function turnedAway(broker: NatsServer, options: Partial<WireGatewayOptions>): Promise<TurnedAway> {
  const front = await Front.before(broker, options)
  onTestFinished(() => front.close())
  const startMs = performance.now()
  const first = new CrowdClient(front.addresses.tcp)
  onTestFinished(() => void first.socket.destroy())
  await first.until('INFO ')
  // Whoever waits for 20 seconds hears TIMEOUT.
  const errors = await Promise.all(
    Array.from({ length: atOnce }, () =>
      connectBy('tcp', front.addresses, { timeout: 20_000 }).then(
        (nats) => nats.close().then(() => 'let in'),
        (error: unknown) => String(error),
      ),
    ),
  )
  const said = await heard(front.addresses.tcp)
  return { errors, said, tookMs: performance.now() - startMs }
}

describe.each(refusals)('nats.js that does not reconnect, where %s', (_what, text, options) => {
  it('is told so at once, and does not wait for its own timeout', async () => {
    const broker = await startFullBroker(newest)
    onTestFinished(() => broker.stop())
    for (;;) {
      const { errors, said, tookMs } = await turnedAway(broker, options)
      if (options.limits?.connectsPerSecond !== undefined && tookMs >= rateWindowMs) continue
      for (const error of errors) expect(error).toContain(text)
      expect(said).toMatch(/^INFO \{[^\r]*\}\r\n-ERR '[^\r]*'\r\n$/)
      return
    }
  })
})

describe.each(inject('natsServers'))('a full nats-server $version', (binary) => {
  it('says INFO and then why, as the gateway does', async () => {
    const broker = await startNatsServer({ binary, jetstream: false, config: 'max_connections: 1' })
    onTestFinished(() => broker.stop())
    // One of them gets in, or none while somebody else has the place.
    const said = await Promise.race([heard(broker.url), heard(broker.url), heard(broker.url)])
    expect(said).toMatch(/^INFO \{[^\r]*\} ?\r\n-ERR 'maximum connections exceeded'\r\n$/)
  })
})

describe('a client that is turned away', () => {
  it('gets in once there is room, without being told to try', async () => {
    const broker = await startFullBroker(newest)
    onTestFinished(() => broker.stop())
    const front = await Front.before(broker, { limits: { maxConnections: 1 } })
    onTestFinished(() => front.close())
    const first = await CrowdClient.connected(front.addresses.tcp)
    // One that reconnects goes on only when its timeout is over, at nats-server as well.
    const patient = { reconnect: true, waitOnFirstConnect: true, maxReconnectAttempts: -1, timeout: 500 }
    const late = connectBy('tcp', front.addresses, { ...patient, reconnectTimeWait: 20, reconnectJitter: 5 })
    await eventually(() => front.stat('wire_connections_refused_total', 'admission') > 1)
    first.socket.destroy()
    const nats = await late
    await nats.flush()
    await nats.close()
  })
})

describe('the drain of a gateway', () => {
  it('spreads the end of WebSockets over spreadMs, each served until its turn', async () => {
    const broker = await startFullBroker(newest)
    onTestFinished(() => broker.stop())
    const rig = await startRig({ backends: [{ url: broker.url }] })
    const clients = await Promise.all(Array.from({ length: 3 }, () => RawWebSocket.connected(rig.url, plainConnect)))
    const isOver = rig.gateway.close({ drainMs: 8000, spreadMs: 60_000 })
    const first = await Promise.race(clients.map(async (client) => (await client.closed(), client)))
    expect(first.closeCode).toBe(1001)
    const others = clients.filter((client) => client !== first)
    for (const client of others) {
      client.socket.send('SUB a 1\r\nPUB a 2\r\nhi\r\n')
      expect(await client.settled()).toContain('MSG a 1 2\r\nhi\r\n')
      expect(client.closeCode).toBe(0)
    }
    // A second call hurries the rest.
    await rig.gateway.close({ drainMs: 0 })
    for (const client of others) expect(await client.closed()).toBe(1001)
    await isOver
    for (const { received } of clients) expect(received).toContain('"ldm":true')
  }, 30_000)
})
