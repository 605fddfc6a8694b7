// SPDX-License-Identifier: Apache-2.0
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { serve, upgradeWebSocket as strangersUpgrade } from '@hono/node-server'
import { startNatsServer, type NatsServer } from '@nats-edge/embedded-nats'
import { restProxy } from '@nats-edge/rest-proxy'
import { natsService } from '@nats-edge/rest-proxy/service'
import { upgradeWebSocket, webSocketServer, type SocketEvents } from '@nats-edge/ws-toolkit/upgrade'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { logger } from 'hono/logger'
import { secureHeaders } from 'hono/secure-headers'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'

const binary = inject('natsServers').at(-1)
if (binary === undefined) throw new Error('no nats-server under test')
let broker: NatsServer
let nats: NatsConnection
let port: number
let stop: () => Promise<void>
const logged: string[] = []

const echo = (greeting: string) => async (): Promise<SocketEvents> => ({
  onOpen: (_, ws) => ws.send(greeting),
  onMessage: (event, ws) => ws.send(String(event.data)),
})

beforeAll(async () => {
  broker = await startNatsServer({ binary })
  nats = await connect({ servers: broker.url })
  const service = natsService(nats)
  service.get('/hello/:name', (c) => c.json(200, { hello: c.pathVariable('name') }))
  service.get('/missing', (c) => c.json(404, { error: 'not here' }))
  await service.ready()
  nats.subscribe('GET:.silent', { callback: () => undefined })
  await nats.flush()

  const proxy = restProxy({ nats })
  const hasty = restProxy({ nats, timeoutMs: 300 })
  const app = new Hono()
  app.use(logger((line) => void logged.push(line)))
  app.use(secureHeaders())
  app.use('/api/*', cors({ origin: 'https://page.example', exposeHeaders: ['X-Request-Id'] }))
  const small = { maxMessageBytes: 10 }
  const large = { maxMessageBytes: 1000 }
  app.get('/small', upgradeWebSocket(echo('small'), small))
  app.get('/large', upgradeWebSocket(echo('large'), large))
  app.get(
    '/strange',
    strangersUpgrade(() => ({ onOpen: (_event, ws) => ws.send('strange') })),
  )
  app.route('/api/v1', proxy.routes)
  app.route('/api/hasty', hasty.routes)
  const own = new WebSocketServer({ noServer: true })
  const server = serve({
    fetch: app.fetch,
    hostname: '127.0.0.1',
    port: 0,
    websocket: { server: webSocketServer(own) },
  })
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
  stop = async () => {
    await Promise.all([proxy.close(), hasty.close()])
    server.close()
    await service.close()
    await nats.close()
    await broker.stop()
  }
})
afterAll(() => stop())

describe("a stranger's Hono app under cors(), secureHeaders(), a logger and a path prefix", () => {
  it.each([
    ['/api/v1/hello/ada', 200],
    ['/api/v1/missing', 404],
    ['/api/hasty/silent', 504],
    ['/api/v1/nobody', 503],
  ])('GET %s keeps their headers and its status %i', async (path, status) => {
    logged.length = 0
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { Origin: 'https://page.example' } })
    const body = await response.text()
    expect(response.status).toBe(status)
    expect(response.headers.get('access-control-allow-origin')).toBe('https://page.example')
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    expect(response.headers.get('x-frame-options')).toBe('SAMEORIGIN')
    expect(body.length).toBeGreaterThan(0)
    expect(logged.some((line) => line.includes(path) && line.includes(String(status)))).toBe(true)
  })

  it('answers 200 with what the service wrote', async () => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/hello/ada`)
    expect(await response.json()).toEqual({ hello: 'ada' })
  })
})

describe("two WebSocket owners and a stranger's own route on one server", () => {
  it.each(['small', 'large', 'strange'])('/%s answers for itself', async (name) => {
    const ws = new WebSocket(`ws://127.0.0.1:${port}/${name}`)
    const [greeting] = await once(ws, 'message')
    expect(String(greeting)).toBe(name)
    ws.close()
    await once(ws, 'close')
  })

  it.each([
    ['small', 1009],
    ['large', undefined],
  ])('/%s has limits of its own', async (name, code) => {
    const ws = new WebSocket(`ws://127.0.0.1:${port}/${name}`)
    await once(ws, 'message')
    ws.send('more than ten bytes')
    if (code === undefined) {
      const [echo] = await once(ws, 'message')
      expect(String(echo)).toBe('more than ten bytes')
      ws.close()
    } else {
      const [closed] = await once(ws, 'close')
      expect(closed).toBe(code)
    }
  })
})
