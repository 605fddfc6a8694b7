// SPDX-License-Identifier: Apache-2.0
import type { NatsServer } from '@nats-edge/embedded-nats'
import { upgradeWebSocket } from '@nats-edge/ws-toolkit/upgrade'
import { Hono } from 'hono'
import type { Context } from 'hono'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Capability, CloseOptions, Mount } from './capability.ts'
import { metricOf, RawClient, startBroker, startEdge, until } from './edge.test-support.ts'
import type { TestEdge } from './edge.test-support.ts'
import type { EdgeOptions } from './edge.ts'
import { rawHostKey } from './exchange.ts'

let broker: NatsServer
const running: TestEdge[] = []
const clients: RawClient[] = []

beforeAll(async () => {
  broker = await startBroker()
})

afterAll(async () => {
  await broker.stop()
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  for (const each of running.splice(0)) await each.close({ delayMs: 0, graceMs: 0 })
})

async function started(
  config: Readonly<Record<string, unknown>> = {},
  options: Omit<EdgeOptions, 'config'> = {},
): Promise<TestEdge> {
  const each = await startEdge(broker.url, config, { mounts: () => [probe()], ...options })
  running.push(each)
  await each.ready()
  return each
}

function client(url: string): RawClient {
  const each = new RawClient(url)
  clients.push(each)
  return each
}

const closedWith: CloseOptions[] = []
let sendSecondPart = (): void => {}
let secondPart = Promise.resolve()

/** A capability whose routes do what a handler may do. */
function probe(path = '/probe'): Mount {
  const routes = new Hono()
  routes.get('/response', (c: Context) => {
    c.set('routeLabel', '/response')
    return new Response('plain', { headers: { 'X-Own': 'own', 'X-Seen-Id': c.get('requestId') } })
  })
  routes.all('/raw', (c: Context) => {
    c.set('routeLabel', '/raw')
    const raw = c.env?.[rawHostKey]
    const answer = raw.take()
    setImmediate(() => {
      c.env.outgoing.writeHead(207, { ...raw.head(207), 'Content-Length': 3 })
      c.env.outgoing.end('raw')
    })
    return answer
  })
  routes.get('/throw', () => {
    throw new Error('canary in a message')
  })
  routes.get('/reject', async () => Promise.reject(new Error('canary in a rejection')))
  routes.get('/throw-after-take', (c: Context) => {
    c.env?.[rawHostKey].take()
    throw new Error('too late')
  })
  routes.get('/bad-header', () => new Response('x', { headers: { 'X-Bad': 'a\nb' } }))
  routes.get('/stream', (c: Context) => {
    c.set('routeLabel', '/stream')
    const parts = ['first', 'second']
    const pull = async (controller: ReadableStreamDefaultController): Promise<void> => {
      const part = parts.shift()
      if (part === undefined) return controller.close()
      if (part === 'second') await secondPart
      controller.enqueue(new TextEncoder().encode(part))
    }
    return new Response(new ReadableStream({ pull }))
  })
  routes.get('/principal', (c: Context) => {
    c.set('principal', { id: 'jwt:ada', name: 'ada', claims: { secret: 'claim-canary' } })
    return new Response('known')
  })
  routes.post('/upload', async (c: Context) => new Response(String((await c.req.arrayBuffer()).byteLength)))
  routes.get('/next', (_c: Context, next) => next())
  routes.get(
    '/socket',
    upgradeWebSocket(async () => ({ onMessage: (event, ws) => ws.send(String(event.data)) }), {
      missingOrigin: 'allow',
    }),
  )
  const capability: Capability = {
    routes,
    stats: () => [{ name: 'probe_total', help: 'Probes.', kind: 'counter', samples: [{ labels: {}, value: 7 }] }],
    close: async (options = {}) => void closedWith.push(options),
  }
  return { surface: 'probe', path, capability }
}

async function metrics(each: TestEdge): Promise<string> {
  return (await fetch(`${each.adminUrl}/metrics`)).text()
}

async function inFlight(each: TestEdge): Promise<number | undefined> {
  return metricOf(await metrics(each), 'nats_edge_http_inflight{listener="public"}')
}

function requests(text: string, route: string, method: string, code: number, surface = 'probe'): number | undefined {
  return metricOf(
    text,
    `nats_edge_http_requests_total{surface="${surface}",route="${route}",method="${method}",code="${code}"}`,
  )
}

describe('a request', () => {
  it('keeps a valid id of the client, and gets a new one otherwise', async () => {
    const each = await started()
    const ids = await Promise.all(
      ['abc-1.2:3_', 'x'.repeat(128), 'x'.repeat(129), 'a b', '', 'é'].map(async (id) => {
        const response = await fetch(`${each.url}/probe/response`, { headers: { 'X-Request-Id': id } })
        expect(response.headers.get('x-seen-id')).toBe(response.headers.get('x-request-id'))
        return response.headers.get('x-request-id') === id
      }),
    )
    expect(ids).toEqual([true, true, false, false, false, false])
    const two = await Promise.all([fetch(`${each.url}/probe/response`), fetch(`${each.url}/probe/response`)])
    expect(new Set(two.map((response) => response.headers.get('x-request-id'))).size).toBe(2)
  })

  it.each([
    ['/response', 'GET', 200, 'plain'],
    ['/raw', 'GET', 207, 'raw'],
    ['/raw', 'POST', 207, 'raw'],
  ])('%s by %s is answered with the host headers, counted and logged', async (route, method, status, body) => {
    const each = await started()
    const init = method === 'POST' ? { method, body: 'x'.repeat(100_000) } : { method }
    const response = await fetch(`${each.url}/probe${route}`, init)
    expect(response.status).toBe(status)
    expect(await response.text()).toBe(body)
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    expect(response.headers.get('x-frame-options')).toBe('SAMEORIGIN')
    const requestId = response.headers.get('x-request-id')
    const text = await metrics(each)
    expect(requests(text, route, method, status)).toBe(1)
    expect(
      metricOf(
        text,
        `nats_edge_http_request_duration_seconds_count{surface="probe",route="${route}",method="${method}"}`,
      ),
    ).toBe(1)
    expect(metricOf(text, 'nats_edge_http_inflight{listener="public"}')).toBe(0)
    const line = each.lines.find((one) => one['requestId'] === requestId)
    expect(line).toMatchObject({
      msg: 'request',
      surface: 'probe',
      route,
      method,
      status,
      ip: '127.0.0.1',
      ms: expect.any(Number),
    })
  })

  it('by HEAD has the headers and no body', async () => {
    const each = await started()
    const response = await fetch(`${each.url}/probe/response`, { method: 'HEAD' })
    expect([response.status, await response.text(), response.headers.get('x-own')]).toEqual([200, '', 'own'])
    expect(requests(await metrics(each), '/response', 'HEAD', 200)).toBe(1)
  })

  it.each(['/throw', '/reject', '/throw-after-take', '/bad-header'])(
    '%s ends in 500 for itself alone, without internals (reliability F18)',
    async (path) => {
      const each = await started()
      const response = await fetch(`${each.url}/probe${path}`)
      expect(response.status).toBe(500)
      expect(response.headers.get('content-type')).toBe('application/problem+json')
      const problem = await response.json()
      expect(problem).toEqual({
        type: 'about:blank',
        title: 'Internal Server Error',
        status: 500,
        code: 'internal',
        requestId: response.headers.get('x-request-id'),
      })
      const line = each.lines.find((one) => one['msg'] === 'a handler threw')
      expect(line).toMatchObject({ level: 'error', surface: 'probe', err: { stack: expect.any(String) } })
      expect((await fetch(`${each.url}/probe/response`)).status).toBe(200)
    },
  )

  it('below a surface stays with it, whatever the REST proxy could do with it', async () => {
    const each = await started()
    for (const path of ['/probe/none', '/probe/next']) {
      const response = await fetch(`${each.url}${path}`)
      expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([404, 'not_found'])
    }
    expect((await fetch(`${each.url}/probes`)).status).toBe(503)
    const text = await metrics(each)
    expect(requests(text, 'unmatched', 'GET', 404)).toBe(2)
    expect(requests(text, '/{path*}', 'GET', 503, 'rest')).toBe(1)
  })

  it('for / gets the index page, as HTML or JSON, and 404 when there is none', async () => {
    const each = await started()
    const json = await fetch(`${each.url}/`)
    expect(json.headers.get('content-type')).toBe('application/json')
    expect(await json.json()).toMatchObject({
      name: 'nats-edge',
      mounted: [
        { surface: 'probe', path: '/probe' },
        { surface: 'wire', path: '/nats', description: `the NATS protocol; WebSocket here, ${each.wireUrl}` },
        { surface: 'rest', path: '/' },
      ],
    })
    const html = await fetch(`${each.url}/`, { headers: { accept: 'text/html,*/*' } })
    expect(html.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(html.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(await html.text()).toContain('<code>/probe</code>')
    expect(requests(await metrics(each), '/', 'GET', 200, 'edge')).toBe(2)
    const bare = await started({ index: false })
    expect((await fetch(`${bare.url}/`)).status).toBe(404)
  })

  it('whose client leaves is counted once, as 499, and leaves nothing behind (reliability F22)', async () => {
    const each = await started({ limits: { connectionsPerIp: 200 } })
    for (let index = 0; index < 100; index++)
      client(each.url).send('POST /probe/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc')
    await until('all arrived', async () => (await inFlight(each)) === 100)
    for (const one of clients) one.destroy()
    await until('none is left', async () => (await inFlight(each)) === 0)
    expect(requests(await metrics(each), 'unmatched', 'POST', 499)).toBe(100)
    const open = async (): Promise<number | undefined> =>
      metricOf(await metrics(each), 'nats_edge_connections_open{listener="public"}')
    await until('no connection is left', async () => (await open()) === 0)
  })
})

function handshake(host: string): string {
  return [
    `GET /probe/socket HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket`,
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Request-Id: mine\r\n\r\n',
  ].join('\r\n')
}

function head(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n`
}

describe('the connection', () => {
  it('carries several requests at once, answered in order and each counted', async () => {
    const each = await started()
    const raw = client(each.url).send(
      `${head('/probe/raw')}\r\n${head('/probe/response')}\r\n${head('/probe/throw')}\r\n`,
    )
    const text = await raw.until(/"code":"internal".*\}$/)
    const statuses = Array.from(text.matchAll(/HTTP\/1\.1 (\d{3})/g), ([, status]) => status)
    expect(statuses).toEqual(['207', '200', '500'])
    const ids = Array.from(text.matchAll(/X-Request-Id: (\S+)/gi), ([, id]) => id)
    expect(new Set(ids).size).toBe(3)
    const served = await metrics(each)
    expect([requests(served, '/raw', 'GET', 207), requests(served, '/response', 'GET', 200)]).toEqual([1, 1])
  })

  it('that asks for a protocol nobody speaks is served as it is, and counted once', async () => {
    const each = await started()
    const raw = client(each.url).send(
      `${head('/probe/response')}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n`,
    )
    expect(await raw.until(/plain$/)).toMatch(/^HTTP\/1\.1 200 /)
    const served = await metrics(each)
    expect(requests(served, '/response', 'GET', 200)).toBe(1)
    expect(metricOf(served, 'nats_edge_connections_open{listener="public"}')).toBe(1)
  })

  it('is closed after an answer to HTTP/1.0, and told to go on before a body it announces', async () => {
    const each = await started()
    const old = client(each.url).send('GET /probe/response HTTP/1.0\r\nHost: localhost\r\n\r\n')
    await old.untilClosed()
    expect(old.received).toMatch(/^HTTP\/1\.1 200 [\s\S]*plain$/)
    const careful = client(each.url).send(
      'POST /probe/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n',
    )
    await careful.until(/^HTTP\/1\.1 100 Continue\r\n\r\n/)
    expect(await careful.send('abc').until(/\r\n\r\n3$/)).toContain('HTTP/1.1 200 OK')
  })

  it('carries a stream as it comes, counted when it ends', async () => {
    const each = await started()
    secondPart = new Promise((resolve) => (sendSecondPart = resolve))
    const raw = client(each.url).send(`${head('/probe/stream')}\r\n`)
    await raw.until(/first/)
    expect(await inFlight(each)).toBe(1)
    sendSecondPart()
    await raw.until(/second/)
    await until('it has ended', async () => (await inFlight(each)) === 0)
    expect(requests(await metrics(each), '/stream', 'GET', 200)).toBe(1)
  })
})

describe('the access log', () => {
  it('at level debug tells path and headers, without query and secrets (reliability T22)', async () => {
    const each = await started()
    const path = `/probe/response${'/x'.repeat(100)}`
    await fetch(`${each.url}${path}?token=canary`, {
      headers: { authorization: 'Bearer canary', cookie: 'session=canary', 'x-seen': 'seen' },
    })
    const line = await until('it is logged', () => each.lines.find((one) => one['msg'] === 'request'))
    expect(line).toMatchObject({ path: path.slice(0, 128), headers: { authorization: '[redacted]', 'x-seen': 'seen' } })
    expect(JSON.stringify(each.lines)).not.toContain('canary')
  })

  it('can be turned off', async () => {
    const each = await started({ log: { access: false } })
    await fetch(`${each.url}/probe/response`)
    await fetch(`${each.url}/probe/throw`)
    expect(each.lines.map((one) => one['msg'])).toContain('a handler threw')
    expect(each.lines.map((one) => one['msg'])).not.toContain('request')
  })

  it('names the caller by id, and nothing else of him', async () => {
    const each = await started()
    await fetch(`${each.url}/probe/principal`)
    const line = await until('it is logged', () => each.lines.find((one) => one['msg'] === 'request'))
    expect(line).toMatchObject({ principalId: 'jwt:ada' })
    expect(JSON.stringify(line)).not.toContain('claim-canary')
  })
})

describe('a WebSocket', () => {
  it('opens through the same router, with a request id, counted as 101', async () => {
    const each = await started()
    const raw = client(each.url).send(handshake('localhost'))
    const head = await raw.until(/\r\n\r\n/)
    expect(head).toMatch(/^HTTP\/1\.1 101 /)
    expect(head).toMatch(/\r\nX-Request-Id: mine\r\n/i)
    // RFC 6455, 5.7: a text frame with "Hello", under a mask of zeros.
    raw.send('\x81\x85\0\0\0\0Hello')
    expect(await raw.until(/Hello/)).toContain('\x81\x05Hello')
    expect(requests(await metrics(each), 'unmatched', 'GET', 101)).toBe(1)
  })

  it('is refused for a foreign Host, as a request is', async () => {
    const each = await started()
    const raw = client(each.url).send(handshake('evil.example'))
    expect(await raw.until(/wrong_host/)).toMatch(/^HTTP\/1\.1 421 /)
  })
})

describe('admission', () => {
  const get = 'GET /probe/response HTTP/1.1\r\nHost: localhost\r\n'

  it.each([
    ['a foreign Host', 'GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n', 421, 'wrong_host'],
    ['no Host in HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n', 421, 'wrong_host'],
    ['a long target', `GET /${'x'.repeat(9000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`, 414, 'uri_too_long'],
    ['many headers', `${get}${'A: b\r\n'.repeat(100)}\r\n`, 431, 'headers_too_large'],
    ['a large header', `${get}A: ${'b'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
    ['a backslash in the target', 'GET /a\\b HTTP/1.1\r\nHost: localhost\r\n\r\n', 400, 'bad_request'],
    ['no HTTP at all', 'EHLO example.org\r\n\r\n', 400, 'bad_request'],
    ['two lengths', `${get}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`, 400, 'bad_request'],
    ['a bare CR', 'GET / HTTP/1.1\r\nHost: localhost\r\nA: b\rc\r\n\r\n', 400, 'bad_request'],
    ['a second Host', 'GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n', 400, 'bad_request'],
    ['an absolute target', 'GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n', 400, 'bad_request'],
    [
      'chunks in HTTP/1.0',
      'POST / HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'bad_request',
    ],
  ])('answers %s and closes the connection', async (_, text, status, code) => {
    const each = await started({ rest: { defaultRoute: false } })
    const raw = client(each.url).send(text)
    const answer = await raw.until(/\r\n\r\n\{.*\}$/s)
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(answer).toMatch(/\r\nContent-Type: application\/problem\+json\r\n/)
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n{')))).toMatchObject({
      status,
      code,
      requestId: expect.any(String),
    })
    await raw.untilClosed()
    expect(await metrics(each)).toMatch(
      new RegExp(
        `nats_edge_http_requests_total\\{surface="(edge|rest)",route="[^"]*",method="\\w+",code="${status}"\\} 1`,
      ),
    )
  })

  it('takes exactly as many headers as allowed', async () => {
    const each = await started()
    const raw = client(each.url).send(`${get}${'A: b\r\n'.repeat(99)}\r\n`)
    expect(await raw.until(/plain$/)).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('answers 503 above the connections of one address, closes at once far above, and recovers (reliability T15)', async () => {
    const each = await started({ limits: { connectionsPerIp: 3 } })
    const held = [client(each.url), client(each.url), client(each.url)]
    for (const one of held) await one.send(`${get}\r\n`).until(/plain$/)
    const refused = client(each.url).send(`${get}\r\n`)
    const answer = await refused.until(/\}$/)
    expect(answer).toMatch(/^HTTP\/1\.1 503 /)
    expect(answer).toMatch(/\r\nRetry-After: [123]\r\n/)
    expect(answer).toContain('"too_many_connections"')
    await refused.untilClosed()
    const crowd = Array.from({ length: 40 }, () => client(each.url))
    await until('those far above are closed', () => crowd.filter((one) => one.closed).length >= 20)
    const refusals = async (): Promise<number | undefined> =>
      metricOf(await metrics(each), 'nats_edge_connections_refused_total{listener="public",reason="ip"}')
    await until('all have been looked at', async () => ((await refusals()) ?? 0) >= 41)
    expect(await refusals()).toBe(41)
    for (const one of [...held, ...crowd]) one.destroy()
    await until(
      'all are gone',
      async () => metricOf(await metrics(each), 'nats_edge_connections_open{listener="public"}') === 0,
    )
    expect(
      await client(each.url)
        .send(`${get}\r\n`)
        .until(/plain$/),
    ).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('exempts trusted proxies from the limit of one address, and believes them about the client', async () => {
    const listen = {
      public: { address: '127.0.0.1:0', trustedProxies: ['127.0.0.1'] },
      admin: { address: '127.0.0.1:0' },
    }
    const each = await started({ listen, limits: { connectionsPerIp: 1 } })
    for (let index = 0; index < 5; index++) {
      await client(each.url)
        .send(`${get}X-Forwarded-For: 192.0.2.${index}\r\n\r\n`)
        .until(/plain$/)
    }
    await until('all are logged', () => each.lines.filter((one) => one['msg'] === 'request').length === 5)
    const ips = each.lines.filter((one) => one['msg'] === 'request').map((one) => one['ip'])
    expect(new Set(ips)).toEqual(new Set(['192.0.2.0', '192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4']))
  })

  it('never refuses health, however many connections the public listener holds', async () => {
    const each = await started({ limits: { connections: 2 } })
    const held = [client(each.url), client(each.url)]
    for (const one of held) await one.send(`${get}\r\n`).until(/plain$/)
    expect(await client(each.url).send(`${get}\r\n`).until(/\}$/)).toMatch(/^HTTP\/1\.1 503 /)
    const health = client(each.adminUrl)
    expect(await health.send('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n').until(/\}$/)).toMatch(/^HTTP\/1\.1 200 /)
    const scraped = await health.send('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n').until(/lag_seconds/)
    expect(metricOf(scraped, 'nats_edge_connections_refused_total{listener="public",reason="global"}')).toBe(1)
  })
})

describe('the admin listener', () => {
  it('serves both metric formats, of all capabilities, under one prefix', async () => {
    const each = await started()
    const text = await metrics(each)
    expect(metricOf(text, 'nats_edge_probe_total{surface="probe"}')).toBe(7)
    expect(metricOf(text, 'nats_edge_nats_connected')).toBe(1)
    expect(text).toMatch(/^nats_edge_build_info\{version="[^"]+",node="v\d+/m)
    expect(text).toMatch(/^nats_edge_event_loop_lag_seconds\{quantile="0\.99"\} \d/m)
    expect(text).toMatch(/^process_resident_memory_bytes \d+/m)
    expect(text).toMatch(/^nodejs_version_info\{/m)
    expect(text).toMatch(/^nats_edge_nats_request_duration_seconds_count\{surface="rest"\} 0$/m)
    const open = await fetch(`${each.adminUrl}/metrics`, {
      headers: { accept: 'application/openmetrics-text; version=1.0.0' },
    })
    expect(open.headers.get('content-type')).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8')
    expect(await open.text()).toMatch(/# TYPE nats_edge_probe counter\n(.*\n)*.*# EOF\n$/)
  })

  it('names every family once, with help and type before its samples', async () => {
    const each = await started()
    const types = (await metrics(each)).split('\n').filter((line) => line.startsWith('# TYPE '))
    expect(new Set(types.map((line) => line.split(' ')[2])).size).toBe(types.length)
    expect(types.length).toBeGreaterThan(30)
  })

  it('answers 404 for metrics that are off', async () => {
    const each = await started({ metrics: { enabled: false } })
    expect((await fetch(`${each.adminUrl}/metrics`)).status).toBe(404)
    expect((await fetch(`${each.adminUrl}/livez`)).status).toBe(200)
  })

  it('lists each check when asked', async () => {
    const each = await started()
    const ready = await fetch(`${each.adminUrl}/readyz?verbose`)
    expect(await ready.json()).toEqual({
      status: 'ok',
      checks: { nats: 'ok', surfaces: 'ok', drain: 'ok', wire: 'ok' },
    })
    expect(await (await fetch(`${each.adminUrl}/readyz`)).json()).toEqual({ status: 'ok' })
  })

  it('wants its token for what tells more than yes or no', async () => {
    const listen = { public: { address: '127.0.0.1:0' }, admin: { address: '0.0.0.0:0', token: 'admin-canary' } }
    const each = await started({ listen })
    const at = `http://127.0.0.1:${new URL(each.adminUrl).port}`
    const status = async (path: string, authorization?: string): Promise<number> =>
      (await fetch(at + path, authorization === undefined ? {} : { headers: { authorization } })).status
    expect(await status('/readyz')).toBe(200)
    for (const path of ['/metrics', '/readyz?verbose']) {
      expect(await status(path)).toBe(401)
      expect(await status(path, 'Bearer wrong')).toBe(401)
      expect(await status(path, 'Basic admin-canary')).toBe(401)
      expect(await status(path, 'Bearer admin-canary')).toBe(200)
    }
    expect(JSON.stringify(each.lines)).not.toContain('admin-canary')
  })

  it('is not reachable under a name it does not list (reliability T29)', async () => {
    const each = await started()
    const raw = client(each.adminUrl).send('GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n')
    expect(await raw.until(/wrong_host/)).toMatch(/^HTTP\/1\.1 421 /)
  })

  it('answers no request whose framing two readers may understand differently (reliability T10)', async () => {
    const each = await started()
    const raw = client(each.adminUrl).send('GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n')
    expect(await raw.until(/bad_request/)).toMatch(/^HTTP\/1\.1 400 /)
    await raw.untilClosed()
  })

  it('has its health on the public listener only when told to', async () => {
    const closed = await started({ rest: { defaultRoute: false } })
    expect((await fetch(`${closed.url}/livez`)).status).toBe(404)
    const listen = { public: { address: '127.0.0.1:0', health: true }, admin: { address: '127.0.0.1:0' } }
    const open = await started({ listen, rest: { defaultRoute: false } })
    expect((await fetch(`${open.url}/readyz`)).status).toBe(200)
    expect((await fetch(`${open.url}/metrics`)).status).toBe(404)
  })
})

describe('a capability', () => {
  it('is told to drain first and to end last', async () => {
    closedWith.length = 0
    const each = await started()
    await each.close({ delayMs: 0, graceMs: 5000 })
    expect(closedWith).toEqual([
      { drainMs: expect.any(Number), serveRequests: true },
      { drainMs: 0, serveRequests: false },
    ])
    expect(closedWith[0]?.drainMs).toBeGreaterThan(2000)
  })

  it.each(['/', '/a/', 'a', '/a*', '/:a', '/a?b'])('cannot be mounted at %j', async (path) => {
    await expect(startEdge(broker.url, {}, { mounts: () => [probe(path)] })).rejects.toThrow(/path of probe/)
  })
})
