// SPDX-License-Identifier: Apache-2.0
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { cors } from 'hono/cors'
import { logger } from 'hono/logger'
import { requestId } from 'hono/request-id'
import { secureHeaders } from 'hono/secure-headers'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { encodeResponse, type ResponseFields } from './envelope/nats-proxy.ts'
import { restProxy, type RestProxy } from './index.ts'
import { RawClient, rawRequestText } from './raw-client.test-support.ts'
import { type Broker, newestServer, startBroker } from './rig.test-support.ts'
import { natsService } from './service.ts'

describe("a proxy in a stranger's app, behind cors, secureHeaders, a logger and a path prefix", () => {
  let broker: Broker
  let proxy: RestProxy
  let server: Server
  let client: RawClient
  let logged: string[] = []
  let reply: Uint8Array = Buffer.alloc(0)
  const rejections: unknown[] = []
  const noteRejection = (reason: unknown): void => void rejections.push(reason)

  beforeAll(async () => {
    process.on('unhandledRejection', noteRejection)
    broker = await startBroker(newestServer(inject('natsServers')))
    const service = natsService(broker.peer)
    service.get('/hello/:name', (c) => c.json(200, { hello: c.pathVariable('name') }))
    service.post('/echo', (c) => c.json(200, c.bindJSON()))
    service.get('/slow', () => new Promise(() => {}))
    await service.ready()
    broker.peer.subscribe('GET:.bytes', { callback: (_error, message) => void message.respond(reply) })
    await broker.peer.flush()
    proxy = restProxy({
      nats: broker.nats,
      routes: [{ path: '/slow', subject: 'GET:.slow', timeoutMs: 50 }],
    })
    await proxy.ready()
    const app = new Hono()
    app.use(
      '*',
      logger((line) => logged.push(line)),
    )
    app.use('/api/*', cors({ origin: 'https://app.example', credentials: true }), secureHeaders(), requestId())
    app.use('/api/echo', bodyLimit({ maxSize: 10_000 }))
    app.route('/api', proxy.routes)
    app.get('/own', (c) => c.text('theirs'))
    server = await new Promise<Server>((resolve) => {
      const started = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () => resolve(started as Server))
    })
    client = await RawClient.open((server.address() as AddressInfo).port)
  })
  afterAll(async () => {
    client.close()
    await new Promise((resolve) => server.close(resolve))
    await proxy.close()
    await broker.stop()
    process.off('unhandledRejection', noteRejection)
  })
  beforeEach(() => {
    logged = []
  })

  it.each([
    ['GET /api/hello/ada', 200, 'application/json; charset=utf-8'],
    ['GET /api/nobody//x', 404, 'application/problem+json'],
    ['GET /api/nobody', 503, 'application/problem+json'],
    ['GET /api/slow', 504, 'application/problem+json'],
  ])('keeps their headers and the real status on %s', async (line, status, type) => {
    const response = await client.send(rawRequestText(line, ['Origin: https://app.example']))
    expect(response.status).toBe(status)
    expect(response.all('content-type')).toEqual([type])
    expect(response.get('access-control-allow-origin')).toBe('https://app.example')
    expect(response.get('access-control-allow-credentials')).toBe('true')
    expect(response.get('strict-transport-security')).toContain('max-age')
    expect(response.all('x-content-type-options')).toEqual(['nosniff'])
    expect(logged.at(-1)).toContain(String(status))
    if (status !== 200) expect(response.json()).toMatchObject({ status, requestId: response.get('x-request-id') })
  })

  it('leaves preflights to their middleware and other paths to their routes', async () => {
    const preflight = await client.send(
      rawRequestText('OPTIONS /api/hello/ada', ['Origin: https://app.example', 'Access-Control-Request-Method: PUT']),
    )
    expect([preflight.status, preflight.get('access-control-allow-methods')]).toEqual([
      204,
      expect.stringContaining('PUT'),
    ])
    expect((await client.send(rawRequestText('GET /own'))).body.toString()).toBe('theirs')
  })

  it('reads a body that their middleware has looked at, counted or not', async () => {
    const text = JSON.stringify({ n: 'é'.repeat(1000) })
    const known = await client.send(rawRequestText('POST /api/echo', ['Content-Type: application/json'], text))
    expect([known.status, known.body.toString()]).toEqual([200, text])
    const bytes = Buffer.from(text)
    const head =
      'POST /api/echo HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n'
    const chunked = Buffer.concat([
      Buffer.from(`${head}${bytes.length.toString(16)}\r\n`),
      bytes,
      Buffer.from('\r\n0\r\n\r\n'),
    ])
    const counted = await client.send(chunked)
    expect([counted.status, counted.body.toString()]).toEqual([200, text])
  })

  it.each<[string, Partial<ResponseFields>, number]>([
    ['a euro sign as text', { headers: ['X-Price', Buffer.from('1 €').toString('latin1')] }, 200],
    ['line ends', { headers: ['X-Split', 'a\r\nSet-Cookie: evil=1'] }, 200],
    ['NUL', { headers: ['X-Nul', 'a\0b', 'Content-Type', 'text/\0x'] }, 200],
    ['an impossible name', { headers: ['X\r\nY', '1', '', '2'] }, 200],
    ['an impossible status', { statusCode: 99 }, 502],
    ['a status beyond Response', { statusCode: 777 }, 502],
    ['a body where none may be', { statusCode: 304, body: Buffer.from('x') }, 304],
  ])('lives through a reply with %s', async (_name, fields, status) => {
    reply = encodeResponse({ statusCode: 200, headers: [], body: Buffer.from('x'), doUpgrade: false, ...fields })
    const response = await client.send(rawRequestText('GET /api/bytes'))
    expect(response.status).toBe(status)
    expect(response.get('set-cookie')).toBeUndefined()
    expect((await client.send(rawRequestText('GET /api/hello/ada'))).status).toBe(200)
    expect(rejections).toEqual([])
  })

  it('works in an app that is not strict about trailing slashes', async () => {
    const app = new Hono({ strict: false }).route('/api', proxy.routes)
    expect((await app.request('/api/hello/ada')).status).toBe(200)
    expect((await app.request('/api/hello/ada/')).status).toBe(404)
  })

  it('says so where it was mounted with app.mount()', async () => {
    const inner = new Hono().route('/', proxy.routes)
    const app = new Hono().mount('/mounted', inner.fetch)
    const mounted = await new Promise<Server>((resolve) => {
      const started = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () => resolve(started as Server))
    })
    const visitor = await RawClient.open((mounted.address() as AddressInfo).port)
    const response = await visitor.send(rawRequestText('GET /mounted/hello/ada'))
    expect([response.status, response.json()['code']]).toEqual([501, 'unsupported'])
    expect(response.json()['detail']).toContain('app.route()')
    visitor.close()
    await new Promise((resolve) => mounted.close(resolve))
  })
})
