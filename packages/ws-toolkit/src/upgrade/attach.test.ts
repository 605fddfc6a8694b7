// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { getRequestListener, upgradeWebSocket as nodeServerUpgrade } from '@hono/node-server'
import { Hono } from 'hono'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { WebSocket } from 'ws'
import { attachWebSockets } from './attach.ts'
import {
  connectionsOf,
  gate,
  handshake,
  headerOf,
  listening,
  open,
  rawRequestTo,
  rawSocket,
  startAttached,
  type TestHost,
} from './hosts.test-support.ts'
import type { UpgradeEvent } from './socket-options.ts'
import { cert, key } from './tls.test-support.ts'
import { upgradeSignal, upgradeWebSocket } from './upgrade-web-socket.ts'

const hello = upgradeWebSocket(() => ({ onOpen: (_event, ws) => ws.send('hello') }))

describe('attachWebSockets', () => {
  it('throws a TypeError where there is an upgrade listener already (D32)', () => {
    const server = createServer()
    server.on('upgrade', () => {})
    expect(() => attachWebSockets(server, new Hono())).toThrow(TypeError)
    const twice = createServer()
    attachWebSockets(twice, new Hono())
    expect(() => attachWebSockets(twice, new Hono())).toThrow(/already has an "upgrade" listener/)
  })

  it('answers a request for another route as that route does, and closes (D32)', async () => {
    const app = new Hono().get('/text', (c) => c.text('just text')).get('/empty', (c) => c.body(null, 204))
    const host = await startAttached(app)
    expect(await rawRequestTo(host, handshake('/text'))).toMatchObject({ status: 200, body: 'just text' })
    expect(await rawRequestTo(host, handshake('/empty'))).toMatchObject({ status: 204, body: '' })
    expect(await rawRequestTo(host, handshake('/nothing'))).toMatchObject({ status: 404, body: '404 Not Found' })
    await host.closed()
  })

  it('does not switch for a route of a stranger, nor for a 200 of one', async () => {
    const app = new Hono()
    app.get(
      '/stranger',
      nodeServerUpgrade(() => ({})),
    )
    app.get(
      '/imitation',
      () => new Response(null, { status: 200, headers: { Upgrade: 'websocket', Connection: 'Upgrade' } }),
    )
    const host = await startAttached(app)
    expect((await rawRequestTo(host, handshake('/stranger'))).status).toBe(500)
    const imitation = await rawRequestTo(host, handshake('/imitation'))
    expect(imitation.status).toBe(200)
    expect(headerOf(imitation, 'upgrade')).toBeUndefined()
    expect(headerOf(imitation, 'connection')).toBe('close')
  })

  it('streams a large refusal, cookies included, to its end (D32)', async () => {
    const text = 'x'.repeat(1_000_000)
    const app = new Hono().get(
      '/ws',
      upgradeWebSocket((c) => {
        c.header('Set-Cookie', 'a=1')
        c.header('Set-Cookie', 'b=2', { append: true })
        return c.text(text, 403)
      }),
    )
    const reply = await rawRequestTo(await startAttached(app), handshake('/ws'))
    expect(reply.status).toBe(403)
    expect(reply.head).toMatch(/set-cookie: a=1\r\nset-cookie: b=2/i)
    expect(reply.body).toHaveLength(text.length)
  })

  it('cuts the connection when the body of a refusal fails', async () => {
    const body = new ReadableStream({
      pull: (controller) => controller.error(new Error('boom')),
    })
    const app = new Hono().get(
      '/ws',
      upgradeWebSocket(() => new Response(body, { status: 403 })),
    )
    const host = await startAttached(app)
    const socket = rawSocket(host)
    socket.on('error', () => {})
    let received = ''
    socket.on('data', (chunk) => {
      received += chunk.toString()
    })
    socket.write(handshake('/ws'))
    await once(socket, 'close')
    expect(received).toContain('403')
    expect(received).not.toMatch(/0\r\n\r\n$/)
    await host.closed()
  })

  it('gives the answer to a client that has sent frames before it', async () => {
    const app = new Hono().get(
      '/ws',
      upgradeWebSocket((c) => c.text('no', 403)),
    )
    const host = await startAttached(app)
    const reply = await rawRequestTo(host, handshake('/ws') + '\x81\x80\0\0\0\0'.repeat(20_000))
    expect(reply).toMatchObject({ status: 403, body: 'no' })
  })

  it('answers 500, and reports, when the application throws', async () => {
    const events: UpgradeEvent[] = []
    const server = createServer()
    const failing = { fetch: () => Promise.reject(new Error('boom')) }
    attachWebSockets(server, failing, { observe: (event) => events.push(event) })
    const host = await listening(server.listen(0, '127.0.0.1'))
    const reply = await rawRequestTo(host, handshake('/ws'))
    expect(reply.status).toBe(500)
    expect(reply.body).not.toContain('boom')
    expect(events).toEqual([
      { type: 'handler.failed', handler: 'fetch', error: new Error('boom') },
      { type: 'upgrade.refused', code: 'internal', status: 500 },
    ])
  })

  it('looks fetch up for each request', async () => {
    const app = { fetch: new Hono().fetch }
    const server = createServer()
    attachWebSockets(server, app)
    const host = await listening(server.listen(0, '127.0.0.1'))
    expect((await rawRequestTo(host, handshake('/ws'))).status).toBe(404)
    app.fetch = new Hono().get('/ws', hello).fetch
    expect(await (await open(host, '/ws')).next()).toBe('hello')
  })

  it.each(['../x', 'a\\b', 'a b:1', 'a/b', 'a@b', 'a?b', 'a:b', '[::1', 'a:123456', ''])(
    'refuses the Host %j',
    async (value) => {
      const host = await startAttached(new Hono().get('*', hello))
      expect((await rawRequestTo(host, handshake('/ws', { Host: value }))).status).toBe(400)
    },
  )

  it('refuses a backslash in the target, which a URL would read as a slash', async () => {
    const host = await startAttached(new Hono().get('/a/b', hello))
    expect((await rawRequestTo(host, handshake('/a\\b'))).status).toBe(400)
  })

  it('knows its own origin behind an IPv6 Host', async () => {
    const host = await startAttached(new Hono().get('/ws', hello))
    const socket = rawSocket(host)
    socket.write(handshake('/ws', { Host: '[::1]:8080', Origin: 'http://[::1]:8080' }))
    const [head] = (await once(socket, 'data')) as [Buffer]
    expect(head.toString()).toMatch(/^HTTP\/1\.1 101 /)
  })

  it('serves a request for another protocol as the plain request it is too, again and again', async () => {
    const app = new Hono().post('/echo', async (c) => c.text(`${c.req.header('x-n')} ${await c.req.text()}`))
    const host = await startAttached(app)
    const warnings: Error[] = []
    const onWarning = (warning: Error): unknown => warnings.push(warning)
    process.on('warning', onWarning)
    const socket = rawSocket(host)
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString()
    })
    for (let n = 1; n <= 20; n += 1) {
      socket.write(
        `POST /echo HTTP/1.1\r\nHost: a\r\nX-N: ${n}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nContent-Length: 5\r\n\r\nhe`,
      )
      await new Promise((resolve) => setImmediate(resolve))
      socket.write('llo')
      await vi.waitFor(() => expect(text).toContain(`${n} hello`), { interval: 2 })
    }
    expect(text).not.toContain('101')
    expect(warnings).toEqual([])
    process.off('warning', onWarning)
    socket.end()
    await host.closed()
  })

  it.each([undefined, 100])(
    'makes no second request of a body whose length is behind %s headers',
    async (maxHeadersCount) => {
      const requests: string[] = []
      const app = new Hono().all('*', (c) => {
        requests.push(c.req.path)
        return c.text('answered')
      })
      const host = await startAttached(app)
      if (maxHeadersCount !== undefined) host.server.maxHeadersCount = maxHeadersCount
      const inner = 'GET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
      const padding = 'a:\r\n'.repeat((maxHeadersCount ?? 1000) + 100)
      const reply = await rawRequestTo(
        host,
        `POST /outer HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n${padding}Content-Length: ${inner.length}\r\n\r\n${inner}`,
      )
      expect(reply.status).toBe(431)
      expect(requests).toEqual([])
    },
  )

  it('cuts a handshake pipelined behind a request that is not answered yet', async () => {
    const slow = gate()
    const app = new Hono().get('/ws', hello)
    app.get('/slow', async (c) => {
      await slow.passed
      return c.text('slow')
    })
    const host = await startAttached(app)
    const socket = rawSocket(host)
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString()
    })
    socket.on('error', () => {})
    socket.write(`GET /slow HTTP/1.1\r\nHost: a\r\n\r\n${handshake('/ws')}`)
    await once(socket, 'close')
    slow.open()
    expect(text).toBe('')
  })

  it('is silent about a client that is reset', async () => {
    const host = await startAttached(
      new Hono().get(
        '/ws',
        upgradeWebSocket(
          (c) =>
            new Promise((resolve) => {
              upgradeSignal(c).addEventListener('abort', () => resolve({}))
            }),
        ),
      ),
    )
    const socket = rawSocket(host)
    socket.write(handshake('/ws'))
    await vi.waitFor(() => expect(socket.bytesWritten).toBeGreaterThan(0))
    socket.resetAndDestroy()
    await host.closed()
  })

  it('refuses with 503 what had not reached its route when close() was called', async () => {
    const door = gate()
    let arrived = false
    const calls: string[] = []
    const app = new Hono()
    app.use(async (_c, next) => {
      arrived = true
      await door.passed
      await next()
    })
    app.get(
      '/ws',
      upgradeWebSocket(() => ({ onOpen: () => void calls.push('open'), onAbort: () => void calls.push('abort') })),
    )
    const server = createServer()
    const attached = attachWebSockets(server, app)
    const host = await listening(server.listen(0, '127.0.0.1'))
    const reply = rawRequestTo(host, handshake('/ws'))
    await vi.waitFor(() => expect(arrived).toBe(true))
    attached.close()
    door.open()
    expect((await reply).status).toBe(503)
    expect(calls).toEqual(['abort'])
  })

  it('answers a route that itself has closed the host', async () => {
    const abort = vi.fn<() => void>()
    const server = createServer()
    const app = new Hono().get(
      '/ws',
      upgradeWebSocket(() => {
        attached.close()
        return Promise.resolve({ onAbort: abort })
      }),
    )
    const attached = attachWebSockets(server, app)
    const host = await listening(server.listen(0, '127.0.0.1'))
    expect((await rawRequestTo(host, handshake('/ws'))).status).toBe(503)
    expect(abort).toHaveBeenCalledTimes(1)
  })

  it('lets go of a refused client at once when it leaves, after a second when it stays', async () => {
    const host = await startAttached(new Hono())
    // A busy machine may take some of that second for itself, but not every time.
    let leftMs = Infinity
    for (let round = 0; round < 5 && leftMs >= 700; round++) leftMs = Math.min(leftMs, await letGoMs(host, false))
    expect(leftMs).toBeLessThan(700)
    expect(await letGoMs(host, true)).toBeGreaterThanOrEqual(900)
  })

  /** From its first byte on: that it was refused may be seen late here, but not before that. */
  async function letGoMs(host: TestHost, allowHalfOpen: boolean): Promise<number> {
    const start = performance.now()
    const socket = connect({ port: host.port, host: '127.0.0.1', allowHalfOpen })
    onTestFinished(() => void socket.destroy())
    socket.resume()
    // Frames the server will not read: they must not hide the end of the connection.
    socket.write(`${handshake('/nothing')}${'\x81\x80\0\0\0\0'.repeat(20_000)}`, 'latin1')
    await once(socket, 'end')
    await vi.waitFor(async () => expect(await connectionsOf(host)).toBe(0), { interval: 5 })
    return performance.now() - start
  }

  it('refuses with 503 after close(), keeps what is open, and may be attached again', async () => {
    const app = new Hono().get('/ws', hello)
    let isWaiting = false
    const waiting = vi.fn<(reason: unknown) => void>()
    const onAbort = vi.fn<() => void>()
    app.get(
      '/slow',
      upgradeWebSocket(
        (c) =>
          new Promise((resolve) => {
            isWaiting = true
            upgradeSignal(c).addEventListener('abort', () => {
              waiting(upgradeSignal(c).reason)
              resolve({ onAbort })
            })
          }),
      ),
    )
    const listener = getRequestListener(app.fetch)
    const server = createServer((incoming, outgoing) => void listener(incoming, outgoing))
    const attached = attachWebSockets(server, app)
    const host = await listening(server.listen(0, '127.0.0.1'))
    const client = await open(host, '/ws')
    expect(await client.next()).toBe('hello')
    const slow = rawRequestTo(host, handshake('/slow'))
    await vi.waitFor(() => expect(isWaiting).toBe(true))
    attached.close()
    expect(await slow).toMatchObject({ status: 503 })
    expect(waiting).toHaveBeenCalledWith(expect.objectContaining({ name: 'AbortError' }))
    expect(onAbort).toHaveBeenCalledTimes(1)
    const late = await rawRequestTo(host, handshake('/ws'))
    expect(late.status).toBe(503)
    expect(JSON.parse(late.body)).toMatchObject({ code: 'draining' })
    expect(Number(headerOf(late, 'retry-after'))).toBeGreaterThanOrEqual(1)
    expect(client.ws.readyState).toBe(client.ws.OPEN)

    attachWebSockets(server, app)
    expect(server.listenerCount('upgrade')).toBe(1)
    expect(await (await open(host, '/ws')).next()).toBe('hello')
  })

  it('works on https, where the own origin is an https one and a plain request stays one', async () => {
    const app = new Hono().get('/ws', hello).get('/text', (c) => c.text('over TLS'))
    const listener = getRequestListener(app.fetch)
    const server = createTlsServer({ key, cert }, (incoming, outgoing) => void listener(incoming, outgoing))
    attachWebSockets(server, app)
    const host = await listening(server.listen(0, '127.0.0.1'))
    const client = async (origin: string): Promise<WebSocket> => {
      const ws = new WebSocket(`wss://127.0.0.1:${host.port}/ws`, { ca: cert, origin })
      onTestFinished(() => ws.terminate())
      await once(ws, 'open')
      return ws
    }
    await client(`https://127.0.0.1:${host.port}`)
    await expect(client(`http://127.0.0.1:${host.port}`)).rejects.toThrow('403')

    const socket = connectTls({ port: host.port, host: '127.0.0.1', ca: cert })
    onTestFinished(() => void socket.destroy())
    socket.write('GET /text HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n')
    const [reply] = (await once(socket, 'data')) as [Buffer]
    expect(reply.toString()).toMatch(/^HTTP\/1\.1 200 /)
    expect(reply.toString()).toContain('over TLS')
  })
})
