// SPDX-License-Identifier: Apache-2.0
import type { Msg, NatsConnection } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, onTestFinished } from 'vitest'
import { encodeResponse } from './envelope/nats-proxy.ts'
import { hostKinds } from './http-host.test-support.ts'
import type { HookRequest, RestProxyEvent, RestProxyOptions } from './index.ts'
import { rawRequestText, type RawResponse } from './raw-client.test-support.ts'
import { RecordingBroker } from './recording-broker.test-support.ts'
import {
  type Broker,
  connectTo,
  holdDeadlines,
  newestServer,
  type Rig,
  startBroker,
  startRig,
  timePasses,
  until,
} from './rig.test-support.ts'

let broker: Broker
/** Requests to paths that begin with /hold wait here for an answer. */
let held: Msg[] = []
const ok = encodeResponse({
  statusCode: 200,
  headers: ['X-From', 'service'],
  body: Buffer.from('body'),
  doUpgrade: false,
})

beforeAll(async () => {
  broker = await startBroker(newestServer(inject('natsServers')))
  for (const method of ['GET', 'POST', 'PUT']) {
    broker.peer.subscribe(`${method}:.hold.>`, { callback: (_error, message) => void held.push(message) })
    broker.peer.subscribe(`${method}:.ok.>`, { callback: (_error, message) => void message.respond(ok) })
  }
  await broker.peer.flush()
})
afterAll(() => broker.stop())
beforeEach(() => {
  held = []
})

const rigs: Rig[] = []
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.stop()
})

describe.each(hostKinds)('one request on a %s host', (kind) => {
  async function rigOf(options: Partial<RestProxyOptions> = {}, nats: NatsConnection = broker.nats): Promise<Rig> {
    const rig = await startRig({ nats, ...options }, kind)
    rigs.push(rig)
    await rig.proxy.ready()
    return rig
  }

  it('gets 504 when no reply comes in time, and the late one goes nowhere', async () => {
    const rig = await rigOf({ routes: [{ path: '/hold/1', subject: 'GET:.hold.1', timeoutMs: 60 }] })
    const client = await rig.client()
    const startedMs = performance.now()
    const response = await client.send(rawRequestText('GET /hold/1'))
    const ms = performance.now() - startedMs
    expect([response.status, response.json()['code']]).toEqual([504, 'timeout'])
    expect(ms).toBeGreaterThanOrEqual(59)
    await until('the request at the service', () => held.length === 1)
    held[0]?.respond(encodeResponse({ statusCode: 500, headers: [], body: Buffer.from('late'), doUpgrade: false }))
    await broker.peer.flush()
    expect((await client.send(rawRequestText('GET /ok/1'))).body.toString()).toBe('body')
  })

  it('tries again on a timeout only where the route asks for it, and only what is safe', async () => {
    const retry = { attempts: 2, backoffMs: 1, onTimeout: true }
    const routes = [
      { path: '/again', subject: 'GET:.hold.again', timeoutMs: 900, retry },
      { path: '/once', subject: 'GET:.hold.once', timeoutMs: 100, retry: { attempts: 2, backoffMs: 1 } },
    ]
    const events: RestProxyEvent[] = []
    holdDeadlines()
    const nats = await connectTo(broker.server.url)
    onTestFinished(() => nats.close())
    const rig = await rigOf({ routes, observe: (event) => events.push(event) }, nats)
    const client = await rig.client()
    const send = (line: string, body?: string): Promise<RawResponse> =>
      timePasses(client.send(rawRequestText(line, [], body)))
    const atService = async (): Promise<Msg[]> => {
      await nats.flush()
      await broker.peer.flush()
      return held
    }
    expect((await send('PUT /again', 'x')).status).toBe(504)
    expect(await atService()).toHaveLength(3)
    expect(new Set(held.map(({ reply }) => reply)).size).toBe(3)
    expect((await send('GET /once')).status).toBe(504)
    expect((await send('POST /again', 'x')).status).toBe(504)
    expect(await atService()).toHaveLength(5)
    expect(events.filter(({ type }) => type === 'request.retried')).toMatchObject([
      { attempt: 1, code: 'timeout', route: '/again', subject: 'GET:.hold.again' },
      { attempt: 2, code: 'timeout' },
    ])
  })

  it('is sent again until somebody listens', async () => {
    const routes = [
      { path: '/late', subject: `late.${kind}`, timeoutMs: 5000, retry: { attempts: 100, backoffMs: 10 } },
    ]
    const events: RestProxyEvent[] = []
    const rig = await rigOf({ routes, observe: (event) => events.push(event) })
    const answer = (await rig.client()).send(rawRequestText('GET /late'))
    await until('a retry', () => events.some(({ type }) => type === 'request.retried'))
    broker.peer.subscribe(`late.${kind}`, { callback: (_error, message) => void message.respond(ok) })
    expect((await answer).status).toBe(200)
  })

  it('frees its place at once when the client goes away', async () => {
    const events: RestProxyEvent[] = []
    const rig = await rigOf({ observe: (event) => events.push(event) })
    const clients = await Promise.all(Array.from({ length: 20 }, () => rig.client()))
    for (const [index, client] of clients.entries()) {
      client.write(index % 2 === 0 ? rawRequestText('GET /hold/1') : rawRequestText('POST /hold/1', [], 'x'))
    }
    await until('all requests to arrive', () => held.length === 20)
    expect(metric(rig, 'nats_requests_inflight')).toBe(20)
    for (const client of clients) client.close()
    await until('the places to be free', () => metric(rig, 'nats_requests_inflight') === 0)
    expect(metric(rig, 'requests_cancelled_total')).toBe(20)
    expect(events.filter(({ type }) => type === 'request.cancelled')).toHaveLength(20)
    expect(events.filter(({ type }) => type === 'request.failed' || type === 'request.finished')).toEqual([])
    for (const message of held) message.respond(ok)
    await broker.peer.flush()
    expect((await (await rig.client()).send(rawRequestText('GET /ok/1'))).status).toBe(200)
  })

  it('is given up while its body is still coming', async () => {
    const rig = await rigOf()
    const client = await rig.client()
    client.write('POST /ok/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf')
    await until('the request to begin', () => metric(rig, 'nats_requests_inflight') === 1)
    client.close()
    await until('its place to be free', () => metric(rig, 'nats_requests_inflight') === 0)
    expect(metric(rig, 'requests_cancelled_total')).toBe(1)
  })

  it('is told 503 above the number of requests that may be under way', async () => {
    const rig = await rigOf({ maxInFlight: 2 })
    const clients = await Promise.all([rig.client(), rig.client(), rig.client()])
    clients[0]?.write(rawRequestText('GET /hold/1'))
    clients[1]?.write(rawRequestText('GET /hold/2'))
    await until('two requests', () => held.length === 2)
    const refused = await clients[2]?.send(rawRequestText('GET /ok/1'))
    expect([refused?.status, refused?.json()['code']]).toEqual([503, 'overloaded'])
    for (const message of held) message.respond(ok)
    expect((await clients[0]?.read())?.status).toBe(200)
    expect((await clients[2]?.send(rawRequestText('GET /ok/1')))?.status).toBe(200)
  })

  it('may have a body up to the limit of its route, by length or counted', async () => {
    const rig = await rigOf({
      maxBodyBytes: 1000,
      routes: [{ path: '/small', subject: 'POST:.ok.1', maxBodyBytes: 10 }],
    })
    for (const [path, limit] of [
      ['/ok/1', 1000],
      ['/small', 10],
    ] as const) {
      const client = await rig.client()
      expect((await client.send(rawRequestText(`POST ${path}`, [], 'x'.repeat(limit)))).status).toBe(200)
      expect((await client.send(chunked(path, limit))).status).toBe(200)
      const byLength = await client.send(rawRequestText(`POST ${path}`, [], 'x'.repeat(limit + 1)))
      expect([byLength.status, byLength.json()['code'], byLength.get('connection')]).toEqual([
        413,
        'body_too_large',
        'close',
      ])
      const counted = await (await rig.client()).send(chunked(path, limit + 1))
      expect([counted.status, counted.get('connection')]).toEqual([413, 'close'])
    }
  })

  it('is refused by its Content-Length before the body is sent', async () => {
    const rig = await rigOf({ maxBodyBytes: 1000 })
    const client = await rig.client()
    const response = await client.send('POST /ok/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n')
    expect(response.status).toBe(413)
  })

  it('fits into the largest message of the broker with its envelope, to the byte', async () => {
    const recorder = await RecordingBroker.start({ maxPayload: 4096 })
    const nats = await connectTo(recorder.url)
    const routes = [{ path: '/h', subject: 'h', envelope: 'headers' as const }]
    const rig = await rigOf({ routes }, nats)
    const sizes = async (target: string): Promise<number[]> => {
      const passed: number[] = []
      const client = await rig.client()
      for (let size = 3500; size <= 4097; size++) {
        const { status } = await client.send(rawRequestText(`POST ${target}`, [], 'x'.repeat(size)))
        if (status === 413) break
        passed.push(size)
      }
      return passed
    }
    for (const target of ['/a', '/h']) {
      recorder.take()
      const passed = await sizes(target)
      const bytes = recorder.take().map(({ headers, payload }) => headers.length + payload.length)
      expect(passed.length).toBeGreaterThan(100)
      expect(bytes.at(-1)).toBe(4096)
      expect(recorder.garbage).toEqual([])
    }
    await rig.stop()
    await nats.close()
    await recorder.stop()
  })

  it('follows the broker when it lowers its limit, and when it raises it again', async () => {
    const recorder = await RecordingBroker.start({ maxPayload: 100_000 })
    const nats = await connectTo(recorder.url)
    const rig = await rigOf({}, nats)
    const statusOf = async (size: number): Promise<number> => {
      const client = await rig.client()
      return (await client.send(rawRequestText('POST /a', [], 'x'.repeat(size)))).status
    }
    expect(await statusOf(50_000)).toBe(200)
    recorder.announce(10_000)
    await nats.flush()
    expect([await statusOf(50_000), await statusOf(9000)]).toEqual([413, 200])
    recorder.announce(100_000)
    await nats.flush()
    expect(await statusOf(50_000)).toBe(200)
    await rig.stop()
    await nats.close()
    await recorder.stop()
  })

  it('may have a target and headers up to the limits', async () => {
    const rig = await rigOf({ maxUrlBytes: 50, maxHeaders: 5, maxHeaderBytes: 300 })
    const client = await rig.client()
    const asked = async (target: string, lines: readonly string[] = []): Promise<unknown[]> => {
      const response = await client.send(rawRequestText(`GET ${target}`, lines))
      return [response.status, response.status === 200 ? undefined : response.json()['code']]
    }
    expect(await asked(`/ok/${'x'.repeat(46)}`)).toEqual([200, undefined])
    expect(await asked(`/ok/${'x'.repeat(47)}`)).toEqual([414, 'uri_too_long'])
    expect(await asked('/ok/1', ['A: 1', 'B: 1', 'C: 1', 'D: 1'])).toEqual([200, undefined])
    // "Host: test" is 12 bytes with its line end, "A: " and the line end 5.
    expect(await asked('/ok/1', [`A: ${'x'.repeat(283)}`])).toEqual([200, undefined])
    expect(await asked('/ok/1', [`A: ${'x'.repeat(284)}`])).toEqual([431, 'headers_too_large'])
    const many = await (await rig.client()).send(rawRequestText('GET /ok/1', ['A: 1', 'B: 1', 'C: 1', 'D: 1', 'E: 1']))
    expect(many.status).toBe(431)
  })

  it('passes through hooks in the order they were added, then the one of its route', async () => {
    const order: string[] = []
    const seen: HookRequest[] = []
    const rig = await startRig(
      {
        nats: broker.nats,
        routes: [
          {
            path: '/hooked/{id}',
            subject: 'GET:.ok.1',
            onReply: (reply) => reply.headers.append('X-Order', order.join()),
          },
        ],
      },
      kind,
    )
    rigs.push(rig)
    rig.proxy.addHook(/hooked\/é/, async (reply, request) => {
      await Promise.resolve()
      seen.push(request)
      order.push('a')
      reply.status = 201
      reply.headers.set('x-from', '€ hook\r\nEvil: 1')
      reply.headers.append('Set-Cookie', 'a=1')
      reply.headers.append('Set-Cookie', 'b=2')
    })
    rig.proxy.addHook('^/hooked', (reply) => {
      order.push('b')
      reply.body = Buffer.from(`${Buffer.from(reply.body).toString()} and more`)
    })
    rig.proxy.addHook('^/hooked', () => void order.push('c'))
    rig.proxy.addHook('^/other', () => void order.push('never'))
    const response = await (
      await rig.client()
    ).send(rawRequestText('GET /hooked/%C3%A9?q', ['X-Request-Id: r-1', 'X-Seen: yes']))
    expect(response.status).toBe(201)
    expect(response.body.toString()).toBe('body and more')
    expect(response.get('content-length')).toBe('13')
    expect(response.all('x-from')).toEqual([`${Buffer.from('€').toString('latin1')} hook  Evil: 1`])
    expect(response.all('set-cookie')).toEqual(['a=1', 'b=2'])
    expect(response.get('x-order')).toBe('a,b,c')
    expect(seen).toMatchObject([
      { method: 'GET', path: '/hooked/é', query: 'q', route: '/hooked/{id}', requestId: 'r-1' },
    ])
    expect(seen[0]?.header('x-seen')).toBe('yes')
    expect(() => rig.proxy.addHook('x', () => {})).toThrow('before the first request')
  })

  it.each<[string, () => void | Promise<void>]>([
    [
      'throws',
      () => {
        throw new Error('secret words')
      },
    ],
    ['rejects', () => Promise.reject(new Error('secret words'))],
  ])('gets 500 from a hook that %s, and not its words', async (_name, hook) => {
    const events: RestProxyEvent[] = []
    const rig = await startRig({ nats: broker.nats, observe: (event) => events.push(event) }, kind)
    rigs.push(rig)
    rig.proxy.addHook('/ok', hook)
    const client = await rig.client()
    const response = await client.send(rawRequestText('GET /ok/1'))
    expect([response.status, response.json()['code']]).toEqual([500, 'internal'])
    expect(response.body.toString()).not.toContain('secret')
    expect(events.at(-1)).toMatchObject({
      type: 'request.failed',
      code: 'internal',
      cause: { message: 'secret words' },
    })
    expect((await client.send(rawRequestText('GET /nobody'))).status).toBe(503)
  })

  it('gets 500 from a hook that sets a body that is none, and numbers as text', async () => {
    const rig = await startRig({ nats: broker.nats }, kind)
    rigs.push(rig)
    rig.proxy.addHook('/ok/text', (reply) => void Object.assign(reply, { body: 'text' }))
    rig.proxy.addHook('/ok/number', (reply) => reply.headers.set('X-Number', 7))
    const client = await rig.client()
    expect((await client.send(rawRequestText('GET /ok/text'))).status).toBe(500)
    expect((await client.send(rawRequestText('GET /ok/number'))).get('x-number')).toBe('7')
  })

  it('gets 502 for a status that a hook made impossible', async () => {
    const rig = await startRig({ nats: broker.nats }, kind)
    rigs.push(rig)
    rig.proxy.addHook('/ok', (reply) => {
      reply.status = 42
    })
    expect((await (await rig.client()).send(rawRequestText('GET /ok/1'))).status).toBe(502)
  })

  it('is told of in events that hold templates and numbers, and no secret', async () => {
    const events: RestProxyEvent[] = []
    const rig = await rigOf({
      observe: (event) => events.push(event),
      routes: [{ path: '/c/{id}', subject: 'GET:.ok.{id}' }],
    })
    const client = await rig.client()
    const lines = [
      'Authorization: Bearer canary',
      'Cookie: canary=1',
      'X-Request-Id: r-1',
      'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    ]
    await client.send(rawRequestText('PUT /c/canary?canary', lines, 'canary body'))
    await client.send(rawRequestText('PUT /nobody/canary', lines, 'canary'))
    const base = { requestId: 'r-1', method: 'PUT' }
    expect(events).toEqual([
      { type: 'request.started', ...base, route: '/c/{id}', subject: 'GET:.ok.{id}' },
      {
        type: 'request.finished',
        ...base,
        route: '/c/{id}',
        subject: 'GET:.ok.{id}',
        status: 200,
        ms: expect.any(Number),
        requestBytes: 11,
        responseBytes: 4,
        trace: {
          traceId: '0af7651916cd43dd8448eb211c80319c',
          parentSpanId: 'b7ad6b7169203331',
          spanId: expect.stringMatching(/^[0-9a-f]{16}$/),
          flags: '01',
        },
      },
      { type: 'request.started', ...base, route: '/{path*}', subject: '{method}:.{path*}' },
      {
        type: 'request.failed',
        ...base,
        route: '/{path*}',
        subject: '{method}:.{path*}',
        status: 503,
        code: 'no_responders',
        ms: expect.any(Number),
        cause: expect.anything(),
      },
    ])
    expect(JSON.stringify(events)).not.toContain('canary')
  })

  it('is answered although the observer throws', async () => {
    const rig = await rigOf({
      observe: () => {
        throw new Error('no')
      },
    })
    expect((await (await rig.client()).send(rawRequestText('GET /ok/1'))).status).toBe(200)
    expect(metric(rig, 'observer_failures_total')).toBe(2)
  })

  it('is counted, and everything that can be is zero from the start', async () => {
    const rig = await rigOf()
    const errors = ['timeout', 'no_responders', 'disconnected', 'permission', 'overloaded'].map((reason) => ({
      labels: { kind: reason },
      value: 0,
    }))
    expect(samples(rig, 'nats_request_errors_total')).toEqual(errors)
    expect(samples(rig, 'permission_denied_total')).toEqual(
      ['request', 'publish'].map((action) => ({ labels: { action }, value: 0 })),
    )
    const client = await rig.client()
    await client.send(rawRequestText('GET /ok/1'))
    await client.send(rawRequestText('GET /nobody'))
    expect(samples(rig, 'nats_request_errors_total')).toContainEqual({ labels: { kind: 'no_responders' }, value: 1 })
    const [{ value } = { value: 0 }] = samples(rig, 'nats_request_duration_seconds')
    expect(value).toMatchObject({ counts: expect.arrayContaining([1]), sum: expect.any(Number) })
    for (const family of rig.proxy.stats()) {
      expect(family.help).toMatch(/\.$/)
      expect(family.name.endsWith('_total')).toBe(family.kind === 'counter')
      if (family.kind !== 'gauge') expect(family.created).toBeGreaterThan(1.6e9)
    }
  })
})

function samples(rig: Rig, name: string): { labels: Record<string, string>; value: unknown }[] {
  for (const family of rig.proxy.stats()) if (family.name === name) return [...family.samples]
  throw new Error(`no metric ${name}`)
}

function metric(rig: Rig, name: string): unknown {
  return samples(rig, name)[0]?.value
}

function chunked(path: string, size: number): Buffer {
  const head = `POST ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`
  return Buffer.from(`${head}${size.toString(16)}\r\n${'x'.repeat(size)}\r\n0\r\n\r\n`)
}
