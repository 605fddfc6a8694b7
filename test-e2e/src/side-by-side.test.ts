// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { startNatsServer, type NatsServer } from '@nats-edge/embedded-nats'
import { restProxy, type RestProxyOptions } from '@nats-edge/rest-proxy'
import { jsonCodec, wsGateway } from '@nats-edge/ws-toolkit'
import { webSocketServer } from '@nats-edge/ws-toolkit/upgrade'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { WebSocket } from 'ws'

const binary = inject('natsServers').at(-1)
if (binary === undefined) throw new Error('no nats-server under test')
let broker: NatsServer
let nats: NatsConnection
let address: string
let stop: () => Promise<void>

type Principal = NonNullable<ReturnType<NonNullable<RestProxyOptions['principal']>>>

const ada: Principal = {
  id: 'test:ada',
  name: 'ada',
  claims: {},
  permissions: { allows: (_, resource) => resource === 'orders.7.get', covers: () => 'none' },
}

beforeAll(async () => {
  broker = await startNatsServer({ binary })
  nats = await connect({ servers: broker.url })
  // Response: status 200, body "hi".
  const answer = new Uint8Array([0x08, 0xc8, 0x01, 0x1a, 0x02, 0x68, 0x69])
  nats.subscribe('orders.*.get', { callback: (_, message) => void message.respond(answer) })
  await nats.flush()

  const app = new Hono<{ Variables: { principal: Principal } }>()
  app.use('/api/*', cors(), (c, next) => {
    c.set('principal', ada)
    return next()
  })
  const rest = restProxy({ nats, routes: [{ path: '/orders/{id}', subject: 'orders.{id}.get' }] })
  app.route('/api', rest.routes)
  const ws = wsGateway()
  ws.channel('/chat/:room', { codec: jsonCodec() }).route('say', (request) => request.data)
  app.route('/ws', ws.routes)
  const websocket = { server: webSocketServer() }
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0, websocket })
  await once(server, 'listening')
  address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  stop = async () => {
    await Promise.all([rest.close({ drainMs: 0 }), ws.close({ drainMs: 0 })])
    server.close()
    await nats.close()
    await broker.stop()
  }
})
afterAll(() => stop())

describe('capabilities side by side in one Hono app, on one server', () => {
  it('answer REST for the principal that a middleware has found, and refuse what it may not', async () => {
    const allowed = await fetch(`http://${address}/api/orders/7`, { headers: { Origin: 'https://page.example' } })
    expect([allowed.status, await allowed.text()]).toEqual([200, 'hi'])
    expect(allowed.headers.get('access-control-allow-origin')).toBe('*')
    const refused = await fetch(`http://${address}/api/orders/8`)
    expect([refused.status, await refused.json()]).toEqual([403, expect.objectContaining({ code: 'forbidden' })])
  })

  it('serve the channel beside it, with no other line for WebSockets', async () => {
    const ws = new WebSocket(`ws://${address}/ws/chat/lobby`, { origin: `http://${address}` })
    await once(ws, 'open')
    ws.send(JSON.stringify({ type: 'say', id: 1, data: 'hello' }))
    const [message] = await once(ws, 'message')
    expect(JSON.parse(String(message))).toMatchObject({ id: 1, data: 'hello' })
    ws.close()
    await once(ws, 'close')
  })
})
