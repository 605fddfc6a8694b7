// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { Hono, type Context, type MiddlewareHandler } from 'hono'
import { cors } from 'hono/cors'
import { logger } from 'hono/logger'
import { secureHeaders } from 'hono/secure-headers'
import { describe, expect, it, vi } from 'vitest'
import { handshake, headerOf, hosts, open, rawRequestTo, rawSocket } from './hosts.test-support.ts'
import type { SocketEvents } from './socket-events.ts'
import type { SocketOptions } from './socket-options.ts'
import { upgradeSignal, upgradeWebSocket } from './upgrade-web-socket.ts'

const echo: SocketEvents = { onMessage: (event, ws) => ws.send(`echo ${String(event.data)}`) }

function appWith(
  events: (c: Context) => SocketEvents | Response | Promise<SocketEvents | Response>,
  options?: SocketOptions,
): Hono {
  return new Hono().get('/ws', upgradeWebSocket(events, options))
}

function choosing(subprotocol: string): MiddlewareHandler {
  return upgradeWebSocket((c) => {
    c.header('Sec-WebSocket-Protocol', subprotocol)
    return echo
  })
}

describe.each(hosts)('upgradeWebSocket under $name', ({ name, start }) => {
  it('loses no frame the client glued to its handshake, however long the events function takes', async () => {
    const host = await start(
      appWith(async () => {
        await Promise.all([1, 2, 3].map((turn) => new Promise((resolve) => setImmediate(resolve, turn))))
        return echo
      }),
    )
    const socket = rawSocket(host)
    // One masked text frame, "hi", with a zero mask.
    socket.write(Buffer.concat([Buffer.from(handshake('/ws')), Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69])]))
    let bytes = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk])
    })
    await vi.waitFor(() => expect(bytes.toString('latin1')).toContain('echo hi'))
    expect(bytes.toString('latin1')).toMatch(/^HTTP\/1\.1 101 /)
  })

  it('puts what c.header() said onto the 101, repeats included', async () => {
    const host = await start(
      appWith((c) => {
        c.header('Set-Cookie', 'a=1')
        c.header('Set-Cookie', 'b=2', { append: true })
        c.header('X-Route', 'orders')
        // Bytes of UTF-8 as header text, as values that come from elsewhere are.
        c.header('X-Utf8', Buffer.from('grün', 'utf8').toString('latin1'))
        c.header('Sec-WebSocket-Accept', 'forged')
        c.header('Connection', 'close')
        return echo
      }),
    )
    const { response } = await open(host, '/ws')
    expect(response.headers).toMatchObject({
      'set-cookie': ['a=1', 'b=2'],
      'x-route': 'orders',
      connection: 'Upgrade',
    })
    expect(Buffer.from(String(response.headers['x-utf8']), 'latin1').toString('utf8')).toBe('grün')
    expect(response.headers).not.toHaveProperty('content-type')
    expect(response.headers['sec-websocket-accept']).not.toContain('forged')
  })

  it('works below a prefix and behind middleware of others, whose headers are on the 101', async () => {
    const lines: string[] = []
    const api = new Hono().get(
      '/rooms/:room',
      upgradeWebSocket((c) => ({ onOpen: (_event, ws) => ws.send(c.req.param('room') ?? '') })),
    )
    const app = new Hono()
    app.use(logger((line) => lines.push(line)))
    app.use(secureHeaders())
    app.use(cors())
    app.route('/api/v1', api)
    const host = await start(app)
    const client = await open(host, '/api/v1/rooms/a%20b')
    expect(await client.next()).toBe('a b')
    expect(client.response.headers).toMatchObject({
      'access-control-allow-origin': '*',
      'x-content-type-options': 'nosniff',
    })
    expect(lines.join('\n')).toContain('200')
    const missing = await rawRequestTo(host, handshake('/api/v1/nothing'))
    expect(missing.status).toBe(404)
    expect(headerOf(missing, 'x-content-type-options')).toBe('nosniff')
  })

  it('says what a proxy has removed when Connection is missing', async () => {
    const host = await start(appWith(() => echo))
    const reply = await rawRequestTo(host, handshake('/ws', { Connection: 'close' }))
    expect(reply.status).toBe(400)
    expect(JSON.parse(reply.body)).toMatchObject({ detail: expect.stringContaining('Connection: Upgrade') })
  })

  it('leaves a request without Upgrade to the next handler', async () => {
    const app = appWith(() => echo)
    app.get('/ws', (c) => c.text('plain'))
    const host = await start(app)
    const response = await fetch(`http://127.0.0.1:${host.port}/ws`)
    expect(await response.text()).toBe('plain')
  })

  it('holds each route to its own limits', async () => {
    const app = new Hono()
    app.get(
      '/small',
      upgradeWebSocket(() => echo, { maxMessageBytes: 10 }),
    )
    app.get(
      '/few',
      upgradeWebSocket(() => echo, { maxFragments: 3 }),
    )
    app.get(
      '/default',
      upgradeWebSocket(() => echo),
    )
    const host = await start(app)

    const small = await open(host, '/small')
    small.ws.send('1234567890')
    expect(await small.next()).toBe('echo 1234567890')
    small.ws.send('12345678901')
    expect(await small.code).toBe(1009)

    const few = await open(host, '/few')
    for (const last of [false, false, true]) few.ws.send('x', { fin: last })
    expect(await few.next()).toBe('echo xxx')
    for (const last of [false, false, false, true]) few.ws.send('x', { fin: last })
    expect(await few.code).toBe(1008)

    const wide = await open(host, '/default')
    wide.ws.send('y'.repeat(1_048_576))
    expect(await wide.next()).toHaveLength(1_048_581)
    wide.ws.send('y'.repeat(1_048_577))
    expect(await wide.code).toBe(1009)
  })

  it('chooses the first offered subprotocol it speaks, and none it was not offered', async () => {
    const host = await start(appWith(() => echo, { subprotocols: ['b', 'a'] }))
    expect((await open(host, '/ws', { protocols: ['x', 'a', 'b'] })).ws.protocol).toBe('a')
    expect((await open(host, '/ws')).ws.protocol).toBe('')
  })

  it('answers the subprotocol the route has set, and never echoes one by itself', async () => {
    const app = new Hono()
    app.get('/v2', choosing('v2'))
    app.get('/v9', choosing('v9'))
    app.get(
      '/none',
      upgradeWebSocket(() => echo),
    )
    const host = await start(app)
    const offers = { 'Sec-WebSocket-Protocol': 'bearer.secret, v2' }
    const chosen = await open(host, '/v2', { protocols: ['bearer.secret', 'v2'] })
    expect(chosen.ws.protocol).toBe('v2')
    for (const path of ['/v9', '/none']) {
      const socket = rawSocket(host)
      socket.write(handshake(path, offers))
      const [head] = (await once(socket, 'data')) as [Buffer]
      expect(head.toString()).toMatch(/^HTTP\/1\.1 101 /)
      expect(head.toString()).not.toMatch(/sec-websocket-protocol/i)
    }
  })

  it('negotiates compression only where the route has switched it on', async () => {
    const app = new Hono()
    app.get(
      '/off',
      upgradeWebSocket(() => echo),
    )
    app.get(
      '/on',
      upgradeWebSocket(() => echo, { compression: { level: 6, thresholdBytes: 100 } }),
    )
    app.get(
      '/takeover',
      upgradeWebSocket(() => echo, { compression: { contextTakeover: true } }),
    )
    const host = await start(app)
    const options = { perMessageDeflate: true }
    expect((await open(host, '/off', options)).ws.extensions).toBe('')
    const on = await open(host, '/on', options)
    expect(on.response.headers['sec-websocket-extensions']).toBe(
      'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
    )
    const takeover = await open(host, '/takeover', options)
    expect(takeover.response.headers['sec-websocket-extensions']).toBe('permessage-deflate')

    // `echo ` and 90 bytes stay below the threshold, 10,000 do not.
    const received = (): number => Number(Reflect.get(Reflect.get(on.ws, '_socket') as object, 'bytesRead'))
    let before = received()
    on.ws.send('z'.repeat(90))
    expect(await on.next()).toHaveLength(95)
    expect(received() - before).toBe(97)
    before = received()
    on.ws.send('z'.repeat(10_000))
    expect(await on.next()).toHaveLength(10_005)
    expect(received() - before).toBeLessThan(200)
  })

  it('counts a message as large as it is inflated', async () => {
    const host = await start(appWith(() => echo, { compression: {}, maxMessageBytes: 1000 }))
    const client = await open(host, '/ws', { perMessageDeflate: { threshold: 0 } })
    client.ws.send('0'.repeat(100_000))
    expect(await client.code).toBe(1009)
  })

  it('refuses with the Response of the events function', async () => {
    const host = await start(
      appWith(async (c) => {
        await Promise.resolve()
        c.header('X-Trace', 't')
        return c.json({ title: 'No', detail: 'Bitte anmelden: schön' }, 401, { 'WWW-Authenticate': 'Bearer' })
      }),
    )
    const reply = await rawRequestTo(host, handshake('/ws'))
    expect(reply.status).toBe(401)
    expect(headerOf(reply, 'www-authenticate')).toBe('Bearer')
    expect(headerOf(reply, 'x-trace')).toBe('t')
    if (name !== 'serve()') {
      expect(JSON.parse(Buffer.from(reply.body, 'latin1').toString())).toEqual({
        title: 'No',
        detail: 'Bitte anmelden: schön',
      })
    } else {
      expect(headerOf(reply, 'nats-edge-hint')).toBe('Bitte anmelden: sch n')
    }
    await host.closed()
  })

  it('answers 500 and lives on when the events function throws or gives nothing', async () => {
    const app = new Hono()
    app.onError((error, c) => c.text(error.message, 500))
    app.get(
      '/throws',
      upgradeWebSocket(() => {
        throw new Error('boom')
      }),
    )
    app.get(
      '/rejects',
      upgradeWebSocket(() => Promise.reject(new Error('boom'))),
    )
    app.get('/nothing', upgradeWebSocket((() => undefined) as never))
    app.get(
      '/ws',
      upgradeWebSocket(() => echo),
    )
    const host = await start(app)
    for (const path of ['/throws', '/rejects', '/nothing']) {
      expect((await rawRequestTo(host, handshake(path))).status, path).toBe(500)
    }
    await open(host, '/ws')
  })

  it('keeps its sockets apart from those of another options object', async () => {
    const shared: SocketOptions = { maxMessageBytes: 5 }
    const app = new Hono()
    app.get(
      '/a',
      upgradeWebSocket(() => echo, shared),
    )
    app.get(
      '/b',
      upgradeWebSocket(() => echo, shared),
    )
    app.get(
      '/c',
      upgradeWebSocket(() => echo, { maxMessageBytes: 50 }),
    )
    const host = await start(app)
    const [a, b, c] = await Promise.all([open(host, '/a'), open(host, '/b'), open(host, '/c')])
    for (const client of [a, b, c]) client.ws.send('123456')
    expect([await a.code, await b.code, await c.next()]).toEqual([1009, 1009, 'echo 123456'])
  })
})

describe('upgradeWebSocket', () => {
  it('carries the brand by which other packages know it', () => {
    expect(Reflect.get(upgradeWebSocket, Symbol.for('nats-edge.upgrade'))).toBe(true)
  })

  it('throws a TypeError for the form it does not have', async () => {
    const app = new Hono().onError((error, c) => c.text(`${error.name}: ${error.message}`))
    app.get('/', (c) => upgradeWebSocket(c, {}))
    expect(await (await app.request('/')).text()).toMatch(/^TypeError: .*\(c\) => events/)
  })

  it('checks its options when the route is made', () => {
    expect(() => upgradeWebSocket(() => ({}), { maxMessageBytes: 0 })).toThrow(RangeError)
  })

  it('says what is missing where there is no host for it', async () => {
    const app = appWith(() => echo)
    const response = await app.request('/ws', { headers: { Upgrade: 'websocket' } })
    expect(response.status).toBe(501)
    expect(await response.json()).toMatchObject({ code: 'unsupported', detail: expect.stringContaining('node:http') })
  })
})

describe('upgradeSignal', () => {
  it('throws outside of a handshake', async () => {
    const app = new Hono()
      .onError((error, c) => c.text(error.message))
      .get('/', (c) => c.json(upgradeSignal(c).aborted))
    expect(await (await app.request('/')).text()).toContain('inside the events function')
  })
})
