// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { startNatsServer, type NatsServer } from '@nats-edge/embedded-nats'
import { hashCredential } from '@nats-edge/ws-toolkit'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { edge, type Edge, type EdgeConfigInput } from 'nats-edge'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { WebSocketServer } from 'ws'
import { patience } from '../support/program.ts'
import { together } from '../support/running-edge.ts'
import { WsClient } from './ws-client.ts'

const binary = inject('natsServers').at(-1)
let broker: NatsServer
let nats: NatsConnection
const edges: Edge[] = []
const clients: WsClient[] = []

beforeAll(async () => {
  broker = await startNatsServer(binary === undefined ? {} : { binary })
  nats = await connect({ servers: broker.url })
})

afterAll(async () => {
  await nats.close()
  await broker.stop()
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.end()
  for (const each of edges.splice(0)) await each.close({ graceMs: 0 })
})

/** An edge with these channels, once it is ready. */
async function serve(channels: EdgeConfigInput, ws: EdgeConfigInput = {}): Promise<Edge> {
  const listen = { public: { address: '127.0.0.1:0' }, admin: { address: '127.0.0.1:0' } }
  const started = await edge({
    config: { nats: { servers: broker.url }, listen, log: { level: 'silent' }, ws: { ...ws, channels } },
  })
  edges.push(started)
  await started.ready()
  // The broker knows what the test subscribed to before anybody asks for it.
  await nats.flush()
  return started
}

async function open(
  each: Edge,
  path: string,
  ...options: Parameters<typeof WsClient.open> extends [string, ...infer R] ? R : never
): Promise<WsClient> {
  const client = await WsClient.open(each.url + path, ...options)
  clients.push(client)
  return client
}

function listening(server: Server): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      resolve(`127.0.0.1:${port}`)
    })
  })
}

describe('a route over NATS', () => {
  it('asks a service by a subject made of path, message and principal, with the headers it names', async () => {
    nats.subscribe('orders.eu.7.get', {
      max: 1,
      callback: (_error, message) => {
        const { headers } = message
        const told = ['X-Who', 'X-Client', 'Ws-User', 'Cookie'].map((name) => headers?.get(name))
        message.respond(JSON.stringify({ told, asked: message.json() }))
      },
    })
    const each = await serve({
      'shop/:region': {
        codec: 'json',
        http: [{ basicAuth: { users: { ada: hashCredential('secret') } } }],
        routes: {
          'order.*': {
            nats: 'request',
            subject: 'orders.{region}.{item}.{match}',
            headers: { 'X-Who': '{{name}}' },
            forwardHeaders: ['X-Client', 'Cookie'],
          },
        },
      },
    })
    await expect(open(each, '/ws/shop/eu')).rejects.toThrow('status 401')
    const authorization = `Basic ${Buffer.from('ada:secret').toString('base64')}`
    const headers = { 'X-Client': 'test', Cookie: 'a=b', authorization }
    const client = await open(each, '/ws/shop/eu', { headers, origin: each.url })
    expect(await client.ask({ type: 'order.get', id: 1, data: { item: '7' } })).toEqual({
      type: 'order.get',
      id: 1,
      data: { told: ['ada', 'test', 'basic:ada', ''], asked: { item: '7' } },
    })
    const refused = await client.ask({ type: 'order.get', id: 2, data: { item: '7.>' } })
    expect(refused).toMatchObject({ error: { code: 'invalid_params' } })
    const unknown = await client.ask({ type: 'other', id: 3, data: {} })
    expect(unknown).toMatchObject({ error: { code: 'not_found' } })
  })

  it('publishes, and answers once a stream has stored the message', async () => {
    const manager = await jetstreamManager(nats)
    await manager.streams.add({ name: 'LOG', subjects: ['log.>'] })
    const each = await serve({
      in: {
        codec: 'json-rpc',
        routes: {
          log: { nats: 'publish', subject: 'log.{level}', ack: 'jetstream' },
          tell: { nats: 'publish', subject: 'told.{key}' },
        },
      },
    })
    const client = await open(each, '/ws/in')
    const told = new Promise<string>((resolve) => {
      nats.subscribe('told.tell', { max: 1, callback: (_error, message) => resolve(message.string()) })
    })
    await nats.flush()
    const answer = await client.ask({ jsonrpc: '2.0', id: 1, method: 'log', params: { level: 'info' } })
    expect(answer).toMatchObject({ result: { stream: 'LOG', seq: 1, duplicate: false } })
    client.sendJson({ jsonrpc: '2.0', method: 'tell', params: [1] })
    expect(JSON.parse(await told)).toEqual([1])
  })

  it('hands requests to workers who answer as often as they like', async () => {
    nats.subscribe('jobs', {
      queue: 'workers',
      max: 1,
      callback: (_error, message) => {
        for (const part of ['1', '2']) nats.publish(message.reply ?? '', part)
        void import('@nats-io/transport-node').then(({ headers }) => {
          const end = headers()
          end.set('Ws-End', 'true')
          nats.publish(message.reply ?? '', '3', { headers: end })
        })
      },
    })
    const each = await serve({ jobs: { codec: 'json', default: { nats: 'queue', subject: 'jobs', stream: true } } })
    const client = await open(each, '/ws/jobs')
    client.sendJson({ type: 'render', id: 1, data: null })
    await client.received(4)
    expect(client.values.map((value) => Object(value).data ?? Object(value).done)).toEqual([1, 2, 3, true])
  })

  it('subscribes to what is allowed, and ends that again', async () => {
    const each = await serve({
      quotes: {
        codec: 'json',
        routes: {
          off: { nats: 'unsubscribe' },
          on: { nats: 'subscribe', allow: ['quote.{symbol}'], event: 'quote' },
        },
      },
    })
    const client = await open(each, '/ws/quotes')
    expect(await client.ask({ type: 'on', id: 1, data: 'quote.acme' })).toMatchObject({
      data: { subject: 'quote.acme' },
    })
    expect(await client.ask({ type: 'on', id: 2, data: 'quote.>' })).toMatchObject({
      error: { code: /unauthorized|forbidden/ },
    })
    nats.publish('quote.acme', '42')
    await vi.waitUntil(() => client.texts.some((text) => text.includes('"quote"')), patience)
    expect(client.values).toContainEqual({ type: 'quote', data: { subject: 'quote.acme', data: 42 } })
    expect(await client.ask({ type: 'off', id: 3, data: 'quote.acme' })).toMatchObject({
      data: { subject: 'quote.acme' },
    })
    const before = client.texts.length
    nats.publish('quote.acme', '43')
    await nats.flush()
    await client.ask({ type: 'off', id: 4, data: 'quote.acme' })
    expect(client.texts.slice(before)).toHaveLength(1)
  })
})

describe('a route to a service', () => {
  it('asks over HTTP: path and query from values, body and type from the message', async () => {
    const asked: unknown[] = []
    const server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        asked.push([request.method, request.url, request.headers['content-type'], request.headers['x-tenant'], body])
        response.setHeader('Content-Type', 'application/json').end('{"total":3}')
      })
    })
    const address = await listening(server)
    try {
      const each = await serve({
        'shop/:tenant': {
          codec: 'json',
          routes: {
            add: { http: `http://${address}/carts/{tenant}/items?note={note}`, headers: { 'X-Tenant': '{tenant}' } },
            get: { http: `http://${address}/carts/{tenant}`, method: 'GET' },
          },
        },
      })
      const client = await open(each, '/ws/shop/a%20b')
      expect(await client.ask({ type: 'add', id: 1, data: { note: 'x/y&z' } })).toMatchObject({ data: { total: 3 } })
      expect(await client.ask({ type: 'get', id: 2, data: {} })).toMatchObject({ data: { total: 3 } })
      expect(asked).toEqual([
        ['POST', '/carts/a%20b/items?note=x%2Fy%26z', 'application/json', 'a b', '{"note":"x/y&z"}'],
        ['GET', '/carts/a%20b', undefined, undefined, ''],
      ])
      const missing = await client.ask({ type: 'add', id: 3, data: {} })
      expect(missing).toMatchObject({ error: { code: 'invalid_params' } })
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })

  it('passes messages on to a WebSocket service, with the path and the headers of the client', async () => {
    const service = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    const arrived: string[] = []
    service.on('connection', (socket, request) => {
      arrived.push(`${request.url} ${request.headers['x-token']}`)
      socket.on('message', (data: Buffer, isBinary) => socket.send(data, { binary: isBinary }))
    })
    try {
      await once(service, 'listening')
      const { port } = service.address() as AddressInfo
      const each = await serve({
        'feed/:name': {
          default: { ws: `ws://127.0.0.1:${port}/feeds/{name}`, forwardHeaders: ['X-Token'], eager: true },
        },
      })
      const client = await open(each, '/ws/feed/a%2Fb', { headers: { 'X-Token': 't' } })
      await vi.waitUntil(() => arrived.length === 1, patience)
      expect(arrived).toEqual(['/feeds/a%2Fb t'])
      client.send('hello').send(Buffer.from([1, 2, 255]))
      await vi.waitUntil(() => client.binaries.length === 1, patience)
      expect([client.texts, client.binaries]).toEqual([['hello'], [Buffer.from([1, 2, 255])]])
      for (const socket of service.clients) socket.close(4321, 'enough')
      expect(await client.untilClosed()).toMatchObject({ code: 4321, reason: 'enough' })
      await expect(open(each, '/ws/feed/%2e%2e')).rejects.toThrow('status 404')
    } finally {
      for (const socket of service.clients) socket.terminate()
      service.close()
    }
  })

  it.each([
    ['when the client connects', true],
    ['at its first message', false],
  ])('closes a client with 1011 whose service cannot be reached %s', async (_when, eager) => {
    const each = await serve({ feed: { default: { ws: 'ws://127.0.0.1:9', eager } } })
    const client = await open(each, '/ws/feed')
    if (!eager) client.send('hello')
    expect(await client.untilClosed()).toMatchObject({ code: 1011, reason: 'the service cannot be reached' })
  })

  it('spreads requests over services, and leaves out one that a probe finds ill', async () => {
    const hits = [0, 0]
    const isWell = [true, true]
    const servers = hits.map((_, index) =>
      createServer((request, response) => {
        if (request.url === '/health') response.writeHead(isWell[index] === true ? 204 : 503).end()
        else {
          hits[index] = (hits[index] ?? 0) + 1
          response.setHeader('Content-Type', 'application/json').end(String(index))
        }
      }),
    )
    const addresses = await Promise.all(servers.map(listening))
    try {
      const each = await serve({
        spread: {
          codec: 'json',
          default: {
            balance: addresses.map((address) => ({ http: `http://${address}/`, weight: 1, name: address })),
            probe: { path: '/health', interval: '50ms' },
          },
        },
      })
      const client = await open(each, '/ws/spread')
      for (let id = 1; id <= 10; id++) await client.ask({ type: 'a', id, data: {} })
      expect(hits).toEqual([5, 5])
      isWell[0] = false
      let id = 10
      await vi.waitUntil(async () => {
        id += 1
        await client.ask({ type: 'a', id, data: {} })
        const { data } = await client.ask({ type: 'a', id: (id += 1), data: {} })
        const next = await client.ask({ type: 'a', id: (id += 1), data: {} })
        return data === 1 && next['data'] === 1
      }, patience)
    } finally {
      for (const server of servers) {
        server.closeAllConnections()
        server.close()
      }
    }
  })
})

describe('a room', () => {
  it('is joined by the path: members get what members send, type preserved', async () => {
    const each = await serve({ 'chat/:room': { room: '{room}' }, quiet: { room: { name: 'lobby', self: false } } })
    const [ada, bob, other] = await Promise.all([
      open(each, '/ws/chat/lobby'),
      open(each, '/ws/chat/lobby'),
      open(each, '/ws/chat/elsewhere'),
    ])
    const quiet = await open(each, '/ws/quiet')
    await together(ada, bob, quiet)
    ada.send('hello')
    await Promise.all([ada.received(1), bob.received(1), quiet.received(1)])
    bob.send(Buffer.from([1, 0, 255]))
    await vi.waitUntil(() => ada.binaries.length === 1 && bob.binaries.length === 1, patience)
    expect(ada.binaries).toEqual([Buffer.from([1, 0, 255])])
    quiet.send('from me')
    await Promise.all([ada.received(2), bob.received(2)])
    expect([quiet.texts, ada.texts, other.texts]).toEqual([['hello'], ['hello', 'from me'], []])
    // What a service publishes reaches the members as well.
    await vi.waitUntil(() => {
      nats.publish('ws.rooms.lobby', 'from a service')
      return ada.texts.includes('from a service')
    }, patience)
  })

  it('is joined and left by messages, and takes messages of members alone', async () => {
    const each = await serve({
      rooms: {
        codec: 'json',
        routes: {
          join: { room: 'join', name: '{room}' },
          leave: { room: 'leave', name: '{room}' },
          say: { room: 'send', name: '{room}' },
          shout: { room: 'send', name: '{room}', anyone: true, self: false },
        },
      },
    })
    const [ada, bob] = await Promise.all([open(each, '/ws/rooms'), open(each, '/ws/rooms')])
    const lobby = { room: 'lobby' }
    expect(await ada.ask({ type: 'join', id: 1, data: lobby })).toMatchObject({ data: { room: 'lobby', size: 1 } })
    expect(await bob.ask({ type: 'say', id: 1, data: lobby })).toMatchObject({ error: { code: 'forbidden' } })
    expect(await bob.ask({ type: 'shout', id: 2, data: { ...lobby, text: 'hey' } })).toMatchObject({ data: lobby })
    await ada.received(2)
    expect(ada.values.at(-1)).toEqual({ type: 'shout', data: { room: 'lobby', text: 'hey' } })
    await ada.ask({ type: 'leave', id: 2, data: lobby })
    expect(await ada.ask({ type: 'say', id: 3, data: lobby })).toMatchObject({ error: { code: 'forbidden' } })
  })

  it('keeps its past where a stream is named, and gives it to who comes later', async () => {
    const rooms = { history: { stream: 'ROOMS', perRoom: 10 }, prefix: 'past.rooms' }
    const each = await serve({ 'chat/:room': { room: { name: '{room}', rewind: 2 } } }, { rooms })
    const ada = await open(each, '/ws/chat/lobby')
    for (const text of ['one', 'two', 'three']) ada.send(text)
    await ada.received(3)
    const { streams } = await jetstreamManager(nats)
    await vi.waitUntil(async () => (await streams.info('ROOMS')).state.messages === 3, patience)
    const bob = await open(each, '/ws/chat/lobby')
    expect(await bob.received(2)).toEqual(['two', 'three'])
  })

  it('refuses a client whose room cannot be named', async () => {
    const each = await serve({ 'own/:x': { room: '{{id}}' }, 'any/:room': { room: '{room}' } })
    await expect(open(each, '/ws/own/a')).rejects.toThrow('status 401')
    await expect(open(each, `/ws/any/${'a'.repeat(300)}`)).rejects.toThrow('status 400')
  })
})

describe('middleware and limits', () => {
  it('act as the file says', async () => {
    let asked = 0
    let tried = 0
    nats.subscribe('slow', { callback: () => {} })
    nats.subscribe('tried', { callback: () => void (tried += 1) })
    nats.subscribe('fast.*', {
      callback: (_error, message) => {
        asked += 1
        message.respond(JSON.stringify(asked))
      },
    })
    const each = await serve({
      tools: {
        codec: 'json',
        maxMessage: '1KiB',
        routes: {
          limited: { echo: true, use: [{ rateLimit: { limit: 2, window: '1m', key: 'connection' } }] },
          cached: {
            nats: 'request',
            subject: 'fast.{x}',
            use: [{ cache: { ttl: '1m', key: '{x}' } }, { breaker: {} }, { throttle: { limit: 5, scope: '{x}' } }],
          },
          late: {
            nats: 'request',
            subject: 'slow',
            use: [{ timeout: '50ms' }, { retry: { attempts: 2, delay: '1ms' } }],
          },
          tried: {
            nats: 'request',
            subject: 'tried',
            timeout: '40ms',
            use: [{ retry: { attempts: 3, delay: '1ms' } }],
          },
        },
      },
    })
    const client = await open(each, '/ws/tools')
    const ask = (id: number, type: string): Promise<Record<string, unknown>> =>
      client.ask({ type, id, data: { x: 'a' } })
    expect(await ask(1, 'limited')).toMatchObject({ data: { x: 'a' } })
    expect(await ask(2, 'limited')).toMatchObject({ data: { x: 'a' } })
    expect(await ask(3, 'limited')).toMatchObject({
      error: { code: 'rate_limited', retryAfterMs: expect.any(Number) },
    })
    const first = await ask(4, 'cached')
    expect((await ask(5, 'cached'))['data']).toEqual(first['data'])
    expect(await ask(6, 'late')).toMatchObject({ error: { code: 'timeout' } })
    expect(await ask(7, 'tried')).toMatchObject({ error: { code: 'timeout' } })
    // What takes the same way afterwards has arrived after all of them.
    expect(await client.ask({ type: 'cached', id: 8, data: { x: 'b' } })).toMatchObject({ data: 2 })
    expect(tried).toBe(3)
    client.send('x'.repeat(1025))
    expect((await client.untilClosed()).code).toBe(1009)
  })

  it('refuse foreign pages, strangers, and one connection too many', async () => {
    const each = await serve(
      {
        echo: { default: { echo: true } },
        open: { origins: ['https://*.example.com'], default: { echo: true }, maxConnections: 1 },
        closed: {
          http: [{ bearer: { tokens: { ci: hashCredential('t0ken') }, from: ['header', 'query:t'] } }],
          default: { echo: true },
        },
      },
      { maxConnections: 2 },
    )
    const evil = { origin: 'https://evil.example.net' }
    await expect(open(each, '/ws/echo', evil)).rejects.toThrow('status 403')
    await expect(open(each, '/ws/open', evil)).rejects.toThrow('status 403')
    await expect(open(each, '/ws/closed')).rejects.toThrow('status 401')
    await expect(open(each, '/ws/closed?t=wrong')).rejects.toThrow('status 401')
    await open(each, '/ws/open', { origin: 'https://app.example.com' })
    await expect(open(each, '/ws/open')).rejects.toThrow('status 503')
    await open(each, '/ws/closed?t=t0ken')
    await expect(open(each, '/ws/echo')).rejects.toThrow('status 503')
  })

  it('answer a plain request with what it takes, and an unknown channel with 404', async () => {
    const each = await serve({ '/echo': { default: { echo: true } } })
    const answer = await fetch(`${each.url}/ws/echo`)
    expect([answer.status, answer.headers.get('upgrade')]).toEqual([426, 'websocket'])
    expect(await answer.json()).toMatchObject({ code: 'upgrade_required', detail: expect.stringContaining('/ws/echo') })
    expect((await fetch(`${each.url}/ws`)).status).toBe(426)
    expect((await fetch(`${each.url}/ws/other`)).status).toBe(404)
    await expect(open(each, '/ws/other')).rejects.toThrow('status 404')
    const index = await (await fetch(each.url)).text()
    expect(index).toContain('WebSocket channels: /ws/echo')
  })
})

describe('what a package refuses', () => {
  it.each([
    [{ 'a/:b': { subprotocols: ['b c'] } }, '"ws.channels.a/:b.subprotocols": "b c" is not a token'],
    [{ a: { lowWater: '2MiB' } }, '"ws.channels.a.lowWater": 2097152 is above sendBufferBytes'],
    [
      { a: { routes: { b: { nats: 'request', subject: '$SYS.x' } } } },
      '"ws.channels.a.routes.b.subject": "$SYS.x" begins',
    ],
    [{ a: { routes: { b: { nats: 'unsubscribe' } } } }, '"ws.channels.a.routes.b.nats": unsubscribe needs one route'],
    [{ a: { routes: { b: { nats: 'unsubscribe', of: 'c' } } } }, '"ws.channels.a.routes.b.of": no route "c"'],
    [{ a: { routes: { b: { ws: 'ws://a', share: 2 } } } }, '"ws.channels.a.routes.b.share": needs `match`'],
    [{ a: { routes: { 'b.>.c': { echo: true } } } }, '"ws.channels.a.routes.b.>.c"'],
    [
      { a: { default: { balance: [{ nats: 'request', subject: 'a' }], probe: { path: '/' } } } },
      'default.probe": asks http',
    ],
    [{ a: { default: { balance: [{ http: 'http://a', weight: 0 }] } } }, 'default.targets": every weight is 0'],
    [{ a: {}, '/a': {} }, '"ws.channels./a'],
    [
      { a: { http: [{ bearer: { tokens: { a: hashCredential('a') }, from: ['cookie:t'] } }], origins: '*' } },
      'bearer.from": a cookie',
    ],
    [{ a: { room: '{room' } }, '"ws.channels.a.room"'],
    [{ a: { room: { name: 'r', rewind: 3 } } }, '"ws.channels.a.room.rewind": there is nothing to give'],
    [{ a: { default: { room: 'join', name: 'r', rewind: 3 } } }, '"ws.channels.a.default.rewind": there is nothing'],
  ])('is told with its place before anything starts: %j', async (channels, expected) => {
    await expect(serve(channels)).rejects.toThrow(expected)
  })

  it('is told of rooms that are to stay here, and yet have what only rooms over NATS have', async () => {
    const rooms = { bus: 'none', history: { stream: 'ROOMS' } }
    await expect(serve({ a: {} }, { rooms })).rejects.toThrow('"ws.rooms.history": is for rooms over NATS')
  })
})
