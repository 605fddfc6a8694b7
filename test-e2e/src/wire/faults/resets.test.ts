// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, inject, it, onTestFinished } from 'vitest'
import { type Binary, startFullBroker } from '../client-rig.ts'
import { plainConnect, RawWebSocket } from '../web-socket-rig.ts'
import { CrowdClient } from './crowd.ts'
import { GatewayProcess, type GatewayProcessState } from './gateway-process.ts'

const newest = inject('natsServers').at(-1) as Binary
const times = inject('propertyRuns') >= 100_000 ? 500 : 4

const payload = 'x'.repeat(1000)
const deliveries = `SUB a 1\r\n${`PUB a 1000\r\n${payload}\r\n`.repeat(300)}`

/** What a client has sent when it goes away; undefined: it does not wait for INFO. */
const states: readonly (readonly [name: string, sent: string | undefined])[] = [
  ['before INFO', undefined],
  ['before CONNECT', ''],
  ['in the middle of CONNECT', plainConnect.slice(0, 20)],
  ['in the middle of a control line', `${plainConnect}SUB a`],
  ['in the middle of a payload', `${plainConnect}PUB a 1000\r\nxxx`],
  ['in the middle of a payload that streams', `${plainConnect}PUB a 900000\r\n${payload.repeat(200)}`],
  ['with deliveries on their way', plainConnect + deliveries],
  ['idle', `${plainConnect}SUB idle 1\r\n`],
]

it.each(states)(
  `reliability F22: a client that resets or ends %s, ${times} times each, leaves nothing behind`,
  async (_name, sent) => {
    const broker = await startFullBroker(newest)
    onTestFinished(() => broker.stop())
    const gateway = await GatewayProcess.start({ backends: [{ url: broker.url }] })
    onTestFinished(async () => void (await gateway.end()))
    const before = await gateway.state()
    for (let i = 0; i < times; i++) {
      const clients = Array.from({ length: 6 }, () => new CrowdClient(gateway.addresses.tcp))
      for (const [index, client] of clients.entries()) {
        if (sent === undefined) await client.opened
        else await client.until('INFO ')
        client.send(sent ?? '')
        await new Promise((resolve) => setImmediate(resolve))
        if (index % 3 === 0) client.socket.resetAndDestroy()
        else if (index % 3 === 1) client.socket.end()
        else client.socket.destroy()
      }
      await overWebSocket(gateway.addresses.ws, sent)
      // Those that only ended are closed by the gateway.
      await Promise.all(clients.map((client) => client.closed()))
    }
    // The gateway may not have seen the last of them come, nor go.
    const after = await gateway.settled(
      (state) =>
        JSON.stringify(state.held) === JSON.stringify(before.held) && (sent === undefined || sumOf(state) >= times * 7),
    )
    expect(after.held).toEqual(before.held)
    expect(Object.keys(after.closed).filter((cause) => !harmless.has(cause))).toEqual([])
    if (sent !== undefined) expect(sumOf(after)).toBe(times * 7)
  },
  120_000,
)

function sumOf({ closed }: GatewayProcessState): number {
  return Object.values(closed).reduce((sum, count) => sum + count, 0)
}

const harmless = new Set(['client_closed', 'connection_error', 'backend_closed'])

/** The same by WebSocket; without waiting for INFO in the middle of the handshake. */
async function overWebSocket(url: string, sent: string | undefined): Promise<void> {
  if (sent === undefined) {
    const { port, hostname } = new URL(url)
    const socket = connect(Number(port), hostname).on('error', () => undefined)
    await once(socket, 'connect')
    socket.write('GET /nats HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n')
    socket.resetAndDestroy()
    return
  }
  const client = new RawWebSocket(url)
  await client.until('INFO ')
  // A message is only seen when it is whole: login first.
  const login = sent.startsWith(plainConnect) ? plainConnect.length : 0
  for (const message of [sent.slice(0, login), sent.slice(login)]) if (message !== '') client.socket.send(message)
  client.socket.terminate()
}
