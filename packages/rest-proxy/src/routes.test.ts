// SPDX-License-Identifier: Apache-2.0
import { compilePermissions, type Principal } from '@nats-edge/wire-parser'
import type { NatsConnection } from '@nats-io/transport-node'
import { Hono } from 'hono'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { restProxy, type RestProxy, type RestProxyEvent, type RestProxyOptions } from './index.ts'
import { type RecordedPublish, RecordingBroker } from './recording-broker.test-support.ts'
import { connectTo } from './rig.test-support.ts'

// Where a request goes is all these tests look at, so the broker only has to write it down.
let broker: RecordingBroker
let nats: NatsConnection

beforeAll(async () => {
  broker = await RecordingBroker.start()
  nats = await connectTo(broker.url)
  await nats.flush()
})
afterAll(async () => {
  await nats.close()
  await broker.stop()
})
beforeEach(async () => {
  // What a test published without waiting for it has arrived by then.
  await nats.flush()
  broker.take()
})

const ada: Principal = {
  id: 'jwt:ada',
  name: 'ada',
  claims: { tenant: 'acme', spaced: 'a b' },
  permissions: compilePermissions({ publish: { allow: ['orders.>'], deny: ['orders.secret.>'] } }),
}

function proxyOf(options: Omit<RestProxyOptions, 'nats'>): RestProxy {
  return restProxy({ nats, ...options })
}

async function ask(
  proxy: RestProxy,
  target: string,
  init?: RequestInit & { principal?: Principal },
): Promise<Response> {
  const app = new Hono<{ Variables: { principal: Principal } }>()
  app.use('*', async (c, next) => {
    if (init?.principal !== undefined) c.set('principal', init.principal)
    await next()
  })
  return await app.route('/', proxy.routes).request(target, init)
}

function bytes(size: number): ReadableStream {
  return new Blob(['x'.repeat(size / 2), 'y'.repeat(size / 2)]).stream()
}

async function problem(response: Response): Promise<unknown> {
  return await response.json()
}

function only(): RecordedPublish {
  const [first, ...more] = broker.take()
  if (first === undefined || more.length > 0)
    throw new Error(`published ${JSON.stringify([first, ...more].map((each) => each?.subject))}`)
  return first
}

describe('a configured route', () => {
  it.each([
    ['/orders/7', 'orders.7.get'],
    ['/orders/a%2Fb', 'orders.a/b.get'],
    ['/orders/%E2%82%AC', 'orders.\xe2\x82\xac.get'],
    ['/lines/7/x', 'lines.x.7.GET'],
    ['/files/a/b/c', 'files.a.b.c'],
    ['/any/%20%2e%2a', 'any.40N2K'],
    ['/url/a.b', 'url.YS5i'],
    ['/plain', 'plain'],
    ['/mapped/7', 'GET:.mapped.7'],
  ])('sends %s to %s', async (target, subject) => {
    const proxy = proxyOf({
      routes: [
        { path: '/orders/{id}', subject: 'orders.{id}.get' },
        { path: '/lines/:order/:line', subject: 'lines.{line}.{order}.{method}' },
        { path: '/files/{path*}', subject: 'files.{path*}' },
        { path: '/any/{name}', subject: 'any.{name}', params: { name: { encode: 'base32hex' } } },
        { path: '/url/{name}', subject: 'url.{name}', params: { name: { encode: 'base64url' } } },
        { path: '/plain', subject: 'plain' },
        { path: '/mapped/{id}' },
      ],
    })
    expect((await ask(proxy, target)).status).toBe(200)
    expect(only().subject).toBe(subject)
  })

  it.each([
    ['/orders/a.b', 400, 'bad_request'],
    ['/orders/%2A', 400, 'bad_request'],
    ['/orders/>', 400, 'bad_request'],
    ['/orders/a%20b', 400, 'bad_request'],
    ['/orders/%0d%0a', 400, 'bad_request'],
    ['/orders/%zz', 400, 'bad_request'],
    ['/orders/%ff', 400, 'bad_request'],
    ['/orders/', 404, 'not_found'],
    ['/orders', 404, 'not_found'],
    ['/files/a//b', 404, 'not_found'],
    ['/numbers/12x', 400, 'bad_request'],
    ['/numbers/x12', 400, 'bad_request'],
    ['/first/$SYS', 403, 'reserved_subject'],
    ['/first/_INBOX', 403, 'reserved_subject'],
    [`/orders/${'x'.repeat(1024)}`, 414, 'subject_too_long'],
    [`/files/${Array.from({ length: 32 }, () => 't').join('/')}`, 414, 'subject_too_long'],
  ])('answers %.40s with %i and publishes nothing', async (target, status, code) => {
    const proxy = proxyOf({
      defaultRoute: false,
      routes: [
        { path: '/orders/{id}', subject: 'orders.{id}.get' },
        { path: '/files/{path*}', subject: 'files.{path*}' },
        { path: '/numbers/{n}', subject: 'numbers.{n}', params: { n: { pattern: /\d+/g } } },
        { path: '/first/{token}', subject: '{token}.rest' },
      ],
    })
    const app = new Hono().route('/api', proxy.routes)
    const response = await app.request(`/api${target}`)
    expect(response.status).toBe(status)
    expect(await problem(response)).toMatchObject({ code, status })
    expect(broker.take()).toEqual([])
  })

  it('tests a global pattern afresh for each request', async () => {
    const proxy = proxyOf({ routes: [{ path: '/n/{n}', subject: 'n.{n}', params: { n: { pattern: /\d+/g } } }] })
    for (let round = 0; round < 3; round++) expect((await ask(proxy, '/n/12')).status).toBe(200)
  })

  it('matches the whole value with a pattern, line ends and alternatives included', async () => {
    const params = { n: { pattern: /^a|b$/m, encode: 'base64url' as const } }
    const proxy = proxyOf({ routes: [{ path: '/n/{n}', subject: 'n.{n}', params }] })
    const statuses: number[] = []
    for (const value of ['a', 'b', 'ab', 'a%0ax', 'x%0ab', 'a%0a']) {
      statuses.push((await ask(proxy, `/n/${value}`)).status)
    }
    expect(statuses).toEqual([200, 200, 400, 400, 400, 400])
    expect(broker.take()).toHaveLength(2)
  })

  it('keeps its raw target where the default mapping decodes a slash', async () => {
    const proxy = proxyOf({ routes: [{ path: '/a/{id}', subject: 'configured.{id}' }] })
    await ask(proxy, '/a%2Fb')
    expect(only().subject).toBe('GET:.a.b')
    await ask(proxy, '/a/b')
    expect(only().subject).toBe('configured.b')
  })

  it('answers 405 with Allow, OPTIONS with 204, HEAD by way of GET', async () => {
    const proxy = proxyOf({ routes: [{ path: '/a', method: ['GET', 'PUT'], subject: 'a.{method}' }] })
    const refused = await ask(proxy, '/a', { method: 'DELETE' })
    expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS, PUT'])
    expect(await problem(refused)).toMatchObject({ code: 'method_not_allowed' })
    const options = await ask(proxy, '/a', { method: 'OPTIONS' })
    expect([options.status, options.headers.get('allow'), await options.text()]).toEqual([
      204,
      'GET, HEAD, OPTIONS, PUT',
      '',
    ])
    expect(broker.take()).toEqual([])
    expect((await ask(proxy, '/a', { method: 'HEAD' })).status).toBe(200)
    expect(only().subject).toBe('a.GET')
  })

  it('lets configured subjects begin with a reserved token only where that is allowed', async () => {
    const routes = [{ path: '/info', subject: '$SRV.INFO.{{name}}' }]
    expect(() => proxyOf({ routes })).toThrow('dangerouslyAllowReserved')
    expect((await ask(proxyOf({ routes, dangerouslyAllowReserved: true }), '/info', { principal: ada })).status).toBe(
      403,
    )
    const open = proxyOf({ routes, dangerouslyAllowReserved: true, authorize: () => true })
    expect((await ask(open, '/info', { principal: ada })).status).toBe(200)
    expect(only().subject).toBe('$SRV.INFO.ada')
    const sneaky = proxyOf({ routes: [{ path: '/{x}/{y}', subject: '{x}.{y}' }], dangerouslyAllowReserved: true })
    expect((await ask(sneaky, '/$SRV/PING')).status).toBe(403)
    expect(broker.take()).toEqual([])
  })
})

describe('the default route', () => {
  it.each([
    ['/a/b', 'api.GET.a.b'],
    ['/a%2Fb', 'api.GET.a/b'],
  ])('sends %s to %s under a prefix', async (target, subject) => {
    const proxy = proxyOf({ defaultRoute: { envelope: 'headers', prefix: 'api' } })
    expect((await ask(proxy, target)).status).toBe(200)
    expect(only().subject).toBe(subject)
  })

  it.each([
    ['/a.b', 400],
    ['/a/', 404],
    ['//a', 404],
    ['/', 404],
  ])('answers %s with %i under a prefix', async (target, status) => {
    const proxy = proxyOf({ defaultRoute: { envelope: 'headers', prefix: 'api' } })
    const app = new Hono().route('/p', proxy.routes)
    const response = await app.request(`http://localhost/p${target}`)
    expect(response.status).toBe(status)
    expect(broker.take()).toEqual([])
  })

  it('leaves paths it has no route for to the app it shares the root with', async () => {
    const proxy = proxyOf({ routes: [{ path: '/orders', subject: 'orders' }], defaultRoute: false })
    const app = new Hono()
      .route('/', proxy.routes)
      .get('/', (c) => c.text('home'))
      .get('/other', (c) => c.text('theirs'))
      .notFound((c) => c.text('nobody', 404))
    expect(await (await app.request('/')).text()).toBe('home')
    expect(await (await app.request('/other')).text()).toBe('theirs')
    expect(await (await app.request('/else')).text()).toBe('nobody')
    expect((await app.request('/orders')).status).toBe(200)
  })

  it('says 404 itself below a path of its own', async () => {
    const proxy = proxyOf({ routes: [{ path: '/orders', subject: 'orders' }], defaultRoute: false })
    const app = new Hono().route('/api', proxy.routes).all('*', (c) => c.text('theirs'))
    const response = await app.request('/api/else')
    expect(response.status).toBe(404)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(await (await app.request('/apix')).text()).toBe('theirs')
  })

  it('leaves the bare root to the app even with the default mapping', async () => {
    const app = new Hono().route('/', proxyOf({}).routes).get('/', (c) => c.text('home'))
    expect(await (await app.request('/')).text()).toBe('home')
    expect((await app.request('/a')).status).toBe(200)
  })
})

describe('a trailing slash', () => {
  it('is stripped where the option says so, for both mappings', async () => {
    const proxy = proxyOf({ trailingSlash: 'strip', routes: [{ path: '/orders/{id}', subject: 'orders.{id}' }] })
    for (const [target, subject] of [
      ['/a/', 'GET:.a'],
      ['/a/b/', 'GET:.a.b'],
      ['/', 'GET:'],
      ['/orders/7/', 'orders.7'],
    ]) {
      expect((await ask(proxy, target ?? '')).status).toBe(200)
      expect(only().subject).toBe(subject)
    }
    expect((await ask(proxy, '/a//')).status).toBe(404)
  })
})

describe('the mount path', () => {
  it.each(['/api', '/v1/api', '/:tenant/api'])('is cut from the target under %s', async (base) => {
    const app = new Hono().route(base, proxyOf({}).routes)
    const prefix = base.replace(':tenant', 'acme%20x')
    expect((await app.request(`${prefix}/a/b?c`)).status).toBe(200)
    const { subject, payload } = only()
    expect(subject).toBe('GET:.a.b')
    expect(payload.subarray(2, 8).toString()).toBe('/a/b?c')
  })

  it('may be given in two steps', async () => {
    const app = new Hono().basePath('/x').route('/y', new Hono().route('/z', proxyOf({}).routes))
    expect((await app.request('/x/y/z/a')).status).toBe(200)
    expect(only().subject).toBe('GET:.a')
  })
})

describe('who is asking', () => {
  const orders = { path: '/orders/{id}', subject: 'orders.{id}' }

  it('must be known where the route says so, before anything is published', async () => {
    const proxy = proxyOf({ routes: [{ ...orders, auth: true }] })
    const refused = await ask(proxy, '/orders/7')
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
    expect(await problem(refused)).toMatchObject({ code: 'unauthorized' })
    expect(broker.take()).toEqual([])
    expect((await ask(proxy, '/orders/7', { principal: ada })).status).toBe(200)
  })

  it('is held to the permissions it has', async () => {
    const proxy = proxyOf({ routes: [{ path: '/s/{rest*}', subject: '{rest*}' }] })
    expect((await ask(proxy, '/s/orders/7', { principal: ada })).status).toBe(200)
    broker.take()
    for (const target of ['/s/orders/secret/7', '/s/other']) {
      const refused = await ask(proxy, target, { principal: ada })
      expect(refused.status).toBe(403)
      expect(await problem(refused)).toMatchObject({ code: 'forbidden' })
    }
    expect(broker.take()).toEqual([])
  })

  it('is nobody any more once the credential has expired', async () => {
    const proxy = proxyOf({ routes: [orders] })
    const expired = { ...ada, expiresAt: Date.now() - 1 }
    const refused = await ask(proxy, '/orders/7', { principal: expired })
    expect(refused.status).toBe(401)
    expect(await problem(refused)).toMatchObject({ code: 'credential_expired' })
    expect((await ask(proxy, '/orders/7', { principal: { ...ada, expiresAt: Date.now() + 60_000 } })).status).toBe(200)
  })

  it('comes from the option where there is one', async () => {
    const proxy = proxyOf({
      routes: [{ ...orders, auth: true }],
      principal: (c) => (c.req.header('x-key') === 'k' ? ada : undefined),
    })
    expect((await ask(proxy, '/orders/7')).status).toBe(401)
    expect((await ask(proxy, '/orders/7', { headers: { 'x-key': 'k' } })).status).toBe(200)
  })

  it('becomes part of the subject', async () => {
    const proxy = proxyOf({ routes: [{ path: '/mine', subject: 'orders.{{claim.tenant}}.{{name}}' }] })
    expect((await ask(proxy, '/mine', { principal: ada })).status).toBe(200)
    expect(only().subject).toBe('orders.acme.ada')
    expect((await ask(proxy, '/mine')).status).toBe(401)
    const named = { ...ada, claims: { tenant: 'a.b' } }
    expect((await ask(proxy, '/mine', { principal: named })).status).toBe(403)
    const spaced = proxyOf({ routes: [{ path: '/mine', subject: 'orders.{{claim.spaced}}' }] })
    expect((await ask(spaced, '/mine', { principal: ada })).status).toBe(403)
    expect(broker.take()).toEqual([])
  })

  it('is decided by the hook, which gets subject and plain context', async () => {
    const asked: unknown[] = []
    const proxy = proxyOf({
      routes: [orders, { path: '/events', method: 'POST', subject: 'events', envelope: 'publish' }],
      clientIp: () => '192.0.2.1',
      authorize: (principal, action, resource, context) => {
        asked.push([principal?.id, action, resource, context])
        return Promise.resolve(resource !== 'orders.9')
      },
    })
    const headers = { 'x-request-id': 'r-1' }
    expect((await ask(proxy, '/orders/7', { headers })).status).toBe(200)
    expect((await ask(proxy, '/orders/9', { headers, principal: ada })).status).toBe(403)
    expect((await ask(proxy, '/orders/9', { headers })).status).toBe(401)
    expect((await ask(proxy, '/events', { headers, method: 'POST' })).status).toBe(202)
    const context = { surface: 'rest', route: '/orders/{id}', ip: '192.0.2.1', requestId: 'r-1', method: 'GET' }
    expect(asked).toEqual([
      [undefined, 'request', 'orders.7', context],
      ['jwt:ada', 'request', 'orders.9', context],
      [undefined, 'request', 'orders.9', context],
      [undefined, 'publish', 'events', { ...context, route: '/events', method: 'POST' }],
    ])
  })

  it.each<[string, NonNullable<RestProxyOptions['authorize']>]>([
    [
      'throws',
      () => {
        throw new Error('no')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no'))],
    ['says something else than true', () => 'yes' as unknown as boolean],
  ])('is refused by a hook that %s', async (_name, authorize) => {
    const proxy = proxyOf({ routes: [orders], authorize })
    expect((await ask(proxy, '/orders/7', { principal: ada })).status).toBe(403)
    expect(broker.take()).toEqual([])
  })

  it('decides which connection is taken', async () => {
    const other = await RecordingBroker.start()
    const second = await connectTo(other.url)
    await second.flush()
    const proxy = restProxy({
      nats: (principal) => (principal === undefined ? nats : Promise.resolve(second)),
      routes: [orders],
    })
    await proxy.ready()
    expect((await ask(proxy, '/orders/7')).status).toBe(200)
    expect(other.take()).toEqual([])
    expect(only().subject).toBe('orders.7')
    expect((await ask(proxy, '/orders/8', { principal: ada })).status).toBe(200)
    expect(broker.take()).toEqual([])
    expect(other.take().map(({ subject }) => subject)).toEqual(['orders.8'])
    await second.close()
    await other.stop()
  })

  it('waits for a connection of its own as long as for a reply, then says so', async () => {
    const failures: unknown[] = []
    const connections = [
      () => new Promise<never>(() => {}),
      () => Promise.reject(new Error('no such account')),
      () => Promise.reject(new Error('secret words')),
      async () => {
        await nats.flush()
        return nats
      },
    ]
    const proxy = restProxy({
      nats: () => connections.shift()?.() ?? nats,
      routes: [{ ...orders, timeoutMs: 60 }],
      observe: (event) => event.type === 'request.failed' && failures.push(event.cause),
    })
    const answers = [await ask(proxy, '/orders/1'), await ask(proxy, '/orders/2'), await ask(proxy, '/orders/3')]
    for (const answer of answers) {
      expect([answer.status, await problem(answer)]).toEqual([
        503,
        expect.objectContaining({ code: 'disconnected', detail: 'The message broker cannot be reached.' }),
      ])
    }
    expect(failures).toEqual([
      undefined,
      expect.objectContaining({ message: 'no such account' }),
      expect.objectContaining({ message: 'secret words' }),
    ])
    expect((await ask(proxy, '/orders/4')).status).toBe(200)
    expect((await ask(proxy, '/orders/5')).status).toBe(200)
    expect(broker.take().map(({ subject }) => subject)).toEqual(['orders.4', 'orders.5'])
  })
})

describe('a body on a host without node:http', () => {
  it('is read to its end and no further than the limit, whatever its length is said to be', async () => {
    const app = new Hono().route('/', proxyOf({ maxBodyBytes: 1000 }).routes)
    const post = async (size: number, headers: Record<string, string> = {}): Promise<number> => {
      const init = { method: 'POST', body: bytes(size), headers, duplex: 'half' }
      return (await app.request('/a', init as RequestInit)).status
    }
    expect(await post(1000)).toBe(200)
    expect(only().payload.includes(`${'x'.repeat(500)}${'y'.repeat(500)}`)).toBe(true)
    expect(await post(1002)).toBe(413)
    expect(await post(1002, { 'content-length': '5' })).toBe(413)
    expect(await post(10, { 'content-length': '1001' })).toBe(413)
    expect(broker.take()).toEqual([])
    expect((await app.request('/a', { method: 'POST' })).status).toBe(200)
  })

  it('may have been read by somebody before', async () => {
    const app = new Hono().use('*', async (c, next) => {
      await c.req.text()
      await next()
    })
    expect((await app.route('/', proxyOf({}).routes).request('/a', { method: 'POST', body: 'seen' })).status).toBe(200)
    expect(only().payload.includes('seen')).toBe(true)
  })

  it('is refused where it breaks off', async () => {
    const broken = new ReadableStream({ pull: (controller) => controller.error(new Error('secret')) })
    const init = { method: 'POST', body: broken, duplex: 'half' }
    const response = await proxyOf({}).routes.request('/a', init as RequestInit)
    expect(response.status).toBe(400)
    expect(await response.text()).not.toContain('secret')
  })
})

describe('a rate limit', () => {
  it('answers 429 with its headers, counts, and asks nobody', async () => {
    const events: RestProxyEvent[] = []
    const rateLimit = [
      { by: 'ip' as const, ratePerSecond: 0.001, burst: 3 },
      { by: 'principal' as const, ratePerSecond: 0.001, burst: 2 },
    ]
    const proxy = proxyOf({
      routes: [{ path: '/a', subject: 'orders.a', rateLimit }],
      observe: (event) => events.push(event),
    })
    const answers = []
    for (let round = 0; round < 4; round++) answers.push(await ask(proxy, '/a', { principal: ada }))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429, 429])
    expect(answers.map(({ headers }) => headers.get('ratelimit-remaining'))).toEqual(['1', '0', '0', '0'])
    expect(answers[0]?.headers.get('ratelimit-limit')).toBe('2')
    expect(answers[2]?.headers.get('ratelimit-limit')).toBe('2')
    expect(answers[3]?.headers.get('ratelimit-limit')).toBe('3')
    expect(Number(answers[2]?.headers.get('retry-after'))).toBeGreaterThan(900)
    expect(broker.take()).toHaveLength(2)
    const limited = [...proxy.stats()].find(({ name }) => name === 'rate_limited_total')
    expect([...(limited?.samples ?? [])]).toEqual([
      { labels: { scope: 'ip' }, value: 1 },
      { labels: { scope: 'principal' }, value: 1 },
      { labels: { scope: 'header' }, value: 0 },
    ])
    expect(events.filter(({ type }) => type === 'request.failed')).toMatchObject([
      { code: 'rate_limited' },
      { code: 'rate_limited' },
    ])
  })
})
