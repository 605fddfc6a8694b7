// SPDX-License-Identifier: Apache-2.0
import { startNatsServer } from '@nats-edge/embedded-nats'
import { expect, inject, it, onTestFinished, vi } from 'vitest'
import { Island, islandFault } from './support/island.ts'
import { patience } from './support/program.ts'
import { reaches, RunningEdge } from './support/running-edge.ts'

const binary = inject('natsServers').at(-1) ?? expect.fail('no nats-server')
const fault = islandFault()

const lines = [
  'limits: { deadlines: { keepAlive: 500ms } }',
  'rest: { routes: [{ path: "/orders/{id}", subject: "orders.{id}", envelope: headers }] }',
  'ws:',
  '  channels:',
  '    chat/:room: { room: "{room}", heartbeat: 500ms, heartbeatTimeout: 2500ms }',
]

/** Says what it has: a WebSocket, a NATS client and an HTTP connection to come back to; nothing makes it give up. */
const client = `
import { get, Agent } from 'node:http'
import { connect } from 'node:net'
import { WebSocket } from 'ws'
process.on('uncaughtException', () => {})
setInterval(() => {}, 1000)
const [http, nats] = process.argv.slice(1).map((text) => new URL(text))
const socket = new WebSocket(http.href.replace('http', 'ws') + 'ws/chat/a')
socket.on('open', () => console.log('websocket'))
const wire = connect(nats.port, nats.hostname, () => wire.write('CONNECT {"verbose":false}\\r\\nSUB a 1\\r\\nPING\\r\\n'))
wire.on('data', (data) => {
  if (data.includes('PONG')) console.log('nats')
  if (data.includes('PING')) wire.write('PONG\\r\\n')
})
const agent = new Agent({ keepAlive: true })
const ask = () => get(http.href + 'orders/1', { agent }, (response) => {
  console.log('http ' + response.statusCode)
  response.resume().on('end', () => setTimeout(ask, 100))
})
ask()
`

it.skipIf(fault !== undefined)(
  `reliability F10: clients whose network is gone are let go, and nobody else${fault === undefined ? '' : ` (${fault})`}`,
  async () => {
    const config = 'ping_interval: "1s"\nping_max: 2'
    const broker = await startNatsServer({ binary, jetstream: false, config })
    onTestFinished(() => broker.stop())
    const island = Island.make()
    const edge = await RunningEdge.start([broker.url], lines, { host: island.host })
    const [ada, bob] = await Promise.all([edge.open('/ws/chat/a'), edge.open('/ws/chat/a')])
    const far = island.run(client, [edge.url, edge.wireUrl])
    for (const each of [/(websocket)/, /(nats)/, /(http 503)/]) await far.printed(each)
    const counts = async (): Promise<number[]> => {
      const value = await edge.metrics()
      return [
        value('ws_connections{surface="ws",route="/chat/:room"}'),
        value('ws_room_members{surface="ws"}'),
        value('wire_connections{surface="wire",transport="tcp"}'),
        value('connections_open{listener="public"}'),
      ]
    }
    await expect.poll(counts, patience).toEqual([3, 3, 1, 4])

    island.cut()
    await expect.poll(counts, { ...patience, timeout: 30_000 }).toEqual([2, 2, 0, 2])
    // It has not gone, and could not have said so.
    expect(far.exitCode).toBeUndefined()
    expect(await edge.metric('ws_heartbeats_missed_total{surface="ws",route="/chat/:room"}')).toBe(1)
    await reaches(ada, bob, 'still here')
    expect([ada, bob].map(({ isOpen }) => isOpen)).toEqual([true, true])
    await vi.waitUntil(async () => (await edge.health('readyz')) === 200, patience)
  },
  60_000,
)
