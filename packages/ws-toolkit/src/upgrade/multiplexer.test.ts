// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import type { Server } from 'node:http'
import { createRequire } from 'node:module'
import { serve, upgradeWebSocket as nodeServerUpgrade, type WebSocketServerLike } from '@hono/node-server'
import { Hono } from 'hono'
import { describe, expect, it, vi } from 'vitest'
import { WebSocketServer, type WebSocket } from 'ws'
import {
  countingAdmission,
  handshake,
  headerOf,
  listening,
  open,
  rawRequestTo,
  startServe,
  type TestHost,
} from './hosts.test-support.ts'
import { webSocketServer } from './multiplexer.ts'
import { upgradeWebSocket } from './upgrade-web-socket.ts'

function serveWith(app: Hono, server: WebSocketServerLike): Promise<TestHost> {
  return listening(serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0, websocket: { server } }) as Server)
}

describe('webSocketServer', () => {
  it('serves two owners and a stranger with its own route, server and limits', async () => {
    const app = new Hono()
    app.get(
      '/one',
      upgradeWebSocket(() => ({ onOpen: (_event, ws) => ws.send('one') }), { maxMessageBytes: 10 }),
    )
    app.get(
      '/two',
      upgradeWebSocket(() => ({ onOpen: (_event, ws) => ws.send('two') }), { maxMessageBytes: 20 }),
    )
    app.get(
      '/stranger',
      nodeServerUpgrade((c) => {
        c.header('X-Stranger', '1')
        return {
          onOpen: (_event, ws) => ws.send('stranger'),
          onMessage: (event, ws) => ws.send(`re ${String(event.data)}`),
        }
      }),
    )
    app.use(async (c, next) => {
      await next()
      c.header('X-After', '1')
    })
    const own = new WebSocketServer({ noServer: true, maxPayload: 30 })
    const announced: WebSocket[] = []
    own.on('connection', (ws) => announced.push(ws))
    const heads: string[][] = []
    own.on('headers', (lines) => heads.push(lines))
    const admission = countingAdmission()
    const host = await startServe(app, { own, admission })

    const [one, two, stranger] = await Promise.all([open(host, '/one'), open(host, '/two'), open(host, '/stranger')])
    expect([await one.next(), await two.next(), await stranger.next()]).toEqual(['one', 'two', 'stranger'])
    stranger.ws.send('x')
    expect(await stranger.next()).toBe('re x')
    for (const { ws } of [one, two, stranger]) ws.send('y'.repeat(15))
    expect(await one.code).toBe(1009)
    expect(await stranger.next()).toBe(`re ${'y'.repeat(15)}`)
    for (const { ws } of [two, stranger]) ws.send('y'.repeat(31))
    expect([await two.code, await stranger.code]).toEqual([1009, 1009])
    expect(announced).toHaveLength(1)
    expect(heads).toHaveLength(1)
    await host.closed()
    await vi.waitFor(() => expect(admission).toMatchObject({ admitted: 2, released: 2 }))
  })

  it('lets the headers of a stranger reach its own 101', async () => {
    const app = new Hono()
    app.use(async (c, next) => {
      await next()
      c.header('X-After', 'yes')
    })
    app.get(
      '/stranger',
      nodeServerUpgrade(() => ({})),
    )
    const host = await startServe(app, { own: new WebSocketServer({ noServer: true }) })
    expect((await open(host, '/stranger')).response.headers).toMatchObject({ 'x-after': 'yes' })
  })

  it('answers 501 with what to pass when a stranger has a route and no server', async () => {
    const host = await startServe(
      new Hono().get(
        '/stranger',
        nodeServerUpgrade(() => ({})),
      ),
    )
    const reply = await rawRequestTo(host, handshake('/stranger'))
    expect(reply.status).toBe(501)
    expect(JSON.parse(reply.body)).toMatchObject({
      code: 'unsupported',
      detail: expect.stringContaining('webSocketServer(new WebSocketServer({ noServer: true }))'),
    })
    await host.closed()
  })

  it('is asked for with 501 when serve() was given a plain WebSocketServer', async () => {
    const plain = new WebSocketServer({ noServer: true })
    const app = new Hono().get(
      '/ws',
      upgradeWebSocket(() => ({})),
    )
    const host = await serveWith(app, plain as WebSocketServer & WebSocketServerLike)
    const reply = await rawRequestTo(host, handshake('/ws'))
    expect(reply.status).toBe(501)
    expect(headerOf(reply, 'nats-edge-hint')).toContain('webSocketServer()')
  })

  it('is asked for with 501 when serve() was given nothing', async () => {
    const app = new Hono().get(
      '/ws',
      upgradeWebSocket(() => ({})),
    )
    const host = await listening(serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }) as Server)
    const reply = await rawRequestTo(host, handshake('/ws', { Connection: 'Upgrade, close' }))
    expect(reply.status).toBe(501)
    expect(JSON.parse(reply.body)).toMatchObject({ detail: expect.stringContaining('webSocketServer()') })
  })

  it('names two copies of @hono/node-server', async () => {
    // The CommonJS build is another copy of the same package.
    const copy: unknown = createRequire(import.meta.url)('@hono/node-server')
    const { serve: serveOfCopy } = copy as { serve: typeof serve }
    let ran = false
    const app = new Hono().get(
      '/ws',
      upgradeWebSocket(() => {
        ran = true
        return {}
      }),
    )
    const server = serveOfCopy({
      fetch: app.fetch,
      hostname: '127.0.0.1',
      port: 0,
      websocket: { server: webSocketServer() },
    })
    const reply = await rawRequestTo(await listening(server as Server), handshake('/ws'))
    expect(reply.status).toBe(500)
    expect(headerOf(reply, 'nats-edge-hint')).toMatch(/two copies of @hono\/node-server.*npm ls/)
    expect(ran).toBe(false)
  })

  it('refuses a server of its own that listens by itself', () => {
    const own = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    expect(() => webSocketServer(own)).toThrow(/noServer: true/)
    own.close()
  })

  it('closes its own server with the http server, and takes nobody any more', async () => {
    const own = new WebSocketServer({ noServer: true })
    const closed = once(own, 'close')
    const multiplexer = webSocketServer(own)
    const app = new Hono().get(
      '/ws',
      upgradeWebSocket(() => ({ onOpen: (_event, ws) => ws.send('hello') })),
    )
    const host = await serveWith(app, multiplexer)
    await open(host, '/ws')
    multiplexer.close()
    await closed
    expect(own.listenerCount('headers')).toBe(0)
    const reply = await rawRequestTo(host, handshake('/ws'))
    expect(reply.status).toBe(503)
    expect(Number(headerOf(reply, 'retry-after'))).toBeGreaterThanOrEqual(1)
  })
})
