// SPDX-License-Identifier: Apache-2.0
import { compilePermissions, type Principal } from '@nats-edge/wire-parser'
import { headers as natsHeaders, type Msg, type MsgHdrs } from '@nats-io/transport-node'
import { Hono } from 'hono'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { hostKinds } from './http-host.test-support.ts'
import { type RouteOptions, restProxy } from './index.ts'
import { type RawClient, rawRequestText } from './raw-client.test-support.ts'
import { type Broker, type Rig, startBroker, startRig } from './rig.test-support.ts'

interface ServiceReply {
  readonly headers?: readonly (readonly [string, string])[]
  readonly body?: string | Uint8Array
}

const routes: readonly RouteOptions[] = [
  { path: '/orders/{id}/{rest*}', subject: 'svc.orders.{id}', envelope: 'headers', timeoutMs: 4000 },
  {
    path: '/rules',
    subject: 'svc.rules',
    envelope: 'headers',
    requestHeaders: {
      allow: ['X-App-*', 'Cookie'],
      drop: ['Accept'],
      rename: { 'X-Old': 'X-New' },
      set: { 'X-Tenant': '{{claim.tenant}}', 'X-Ip': '{{ip}}' },
    },
    replyHeaders: {
      allow: ['Set-Cookie', 'X-*'],
      drop: ['ETag'],
      rename: { 'x-from': 'Location' },
      set: { 'X-Frame-Options': 'DENY', 'X-Who': '{{name}}' },
    },
  },
  { path: '/plain', subject: 'svc.plain', envelope: 'headers' },
  { path: '/unserved', subject: 'unserved', envelope: 'headers' },
]

describe.each(inject('natsServers'))('the envelope of NATS headers, nats-server $version', (binary) => {
  let broker: Broker
  let received: Msg | undefined
  let reply: ServiceReply = {}

  beforeAll(async () => {
    broker = await startBroker(binary)
    broker.peer.subscribe('svc.>', {
      callback(_error, message) {
        received = message
        const block = natsHeaders()
        for (const [name, value] of reply.headers ?? []) block.append(name, value)
        message.respond(reply.body ?? '', reply.headers === undefined ? {} : { headers: block })
      },
    })
    await broker.peer.flush()
  })
  afterAll(() => broker.stop())
  beforeEach(() => {
    received = undefined
    reply = {}
  })

  function sent(): MsgHdrs {
    if (received?.headers === undefined) throw new Error('nothing with headers was received')
    return received.headers
  }

  describe.each(hostKinds)('on a %s host', (kind) => {
    let rig: Rig
    let client: RawClient

    beforeAll(async () => {
      rig = await startRig({ nats: broker.nats, routes }, kind)
      await rig.proxy.ready()
      client = await rig.client()
    })
    afterAll(() => rig.stop())

    it('says everything about the request in headers and sends the body as it is', async () => {
      const lines = ['X-Request-Id: r-1', 'Nats-Edge-User: root', 'Nats-Edge-Status: 200']
      await client.send(rawRequestText('PUT /orders/7/a%2Db/%C3%A9?q=%20', lines, 'body'))
      const headers = sent()
      const facts = [...headers.keys()]
        .filter((key) => key.startsWith('Nats-Edge-'))
        .map((key) => [key, headers.values(key)])
      expect(Object.fromEntries(facts)).toEqual({
        'Nats-Edge-Method': ['PUT'],
        'Nats-Edge-Path': ['/orders/7/a%2Db/%C3%A9'],
        'Nats-Edge-Query': ['q=%20'],
        'Nats-Edge-Host': ['test'],
        'Nats-Edge-Scheme': ['http'],
        'Nats-Edge-Client-Ip': ['127.0.0.1'],
        'Nats-Edge-Route': ['/orders/{id}/{rest*}'],
        'Nats-Edge-Request-Id': ['r-1'],
        'Nats-Edge-Timeout-Ms': [expect.stringMatching(/^(?:4000|3\d{3})$/)],
        'Nats-Edge-Param-id': ['7'],
        'Nats-Edge-Param-rest': ['a%2Db/%C3%A9'],
      })
      expect(received?.string()).toBe('body')
      expect(received?.subject).toBe('svc.orders.7')
    })

    it('passes listed headers with repeats, latin1 as text, and nothing else', async () => {
      const lines = [
        'ACCEPT: a',
        'accept: b',
        'If-Match: "\xe9"',
        'Content-Type: text/x',
        'Cookie: c',
        'Authorization: d',
        'X-Own: e',
        'Nats-Msg-Id: 1',
      ]
      await client.send(rawRequestText('POST /plain', lines, 'x'))
      const headers = sent()
      expect([...headers.keys()].filter((key) => !key.startsWith('Nats-Edge-'))).toEqual([
        'Accept',
        'If-Match',
        'Content-Type',
      ])
      expect(headers.values('Accept')).toEqual(['a', 'b'])
      expect(headers.get('If-Match')).toBe('"é"')
    })

    it('continues a trace under lower-case names', async () => {
      const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
      await client.send(rawRequestText('GET /plain', [`Traceparent: ${parent}`, 'TRACESTATE: a=1']))
      expect(sent().get('traceparent')).toMatch(
        /^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-01$/,
      )
      expect(sent().get('tracestate')).toBe('a=1')
      await client.send(rawRequestText('GET /plain', ['traceparent: broken', 'tracestate: a=1']))
      expect([sent().get('traceparent'), sent().get('tracestate')]).toEqual(['', ''])
    })

    it('follows the rules of a route in both directions', async () => {
      reply = {
        headers: [
          ['Set-Cookie', 'a=1'],
          ['Set-Cookie', 'b=2'],
          ['ETag', '"x"'],
          ['X-From', '/elsewhere'],
          ['X-Any', '1'],
          ['Server', 'hidden'],
          ['X-Frame-Options', 'ALLOW'],
        ],
        body: '{}',
      }
      const response = await client.send(
        rawRequestText('GET /rules', [
          'X-App-A: 1',
          'Cookie: c=1',
          'Accept: x',
          'X-Old: o',
          'X-Tenant: forged',
          'Range: r',
        ]),
      )
      const own = [...sent().keys()].filter((key) => !key.startsWith('Nats-Edge-'))
      expect(own.map((key) => [key, sent().get(key)])).toEqual([
        ['X-App-A', '1'],
        ['Cookie', 'c=1'],
        ['X-New', 'o'],
        ['Range', 'r'],
        ['X-Ip', '127.0.0.1'],
      ])
      expect(response.all('set-cookie')).toEqual(['a=1', 'b=2'])
      expect(response.get('location')).toBe('/elsewhere')
      expect(response.get('x-any')).toBe('1')
      expect(response.all('x-frame-options')).toEqual(['DENY'])
      expect([response.get('etag'), response.get('server'), response.get('x-who')]).toEqual([
        undefined,
        undefined,
        undefined,
      ])
    })

    it.each<[string, ServiceReply, number]>([
      ['no headers', { body: 'x' }, 200],
      ['an empty body', {}, 200],
      ['a status', { headers: [['Nats-Edge-Status', '201']] }, 201],
      ['the highest status', { headers: [['Nats-Edge-Status', '599']] }, 599],
      ['status 600', { headers: [['Nats-Edge-Status', '600']] }, 502],
      ['status 199', { headers: [['Nats-Edge-Status', '199']] }, 502],
      ['status 2e2', { headers: [['Nats-Edge-Status', '2e2']] }, 502],
      ['an empty status', { headers: [['Nats-Edge-Status', '']] }, 502],
      [
        'a service error',
        {
          headers: [
            ['Nats-Service-Error-Code', '404'],
            ['Nats-Service-Error', 'no such order'],
          ],
        },
        404,
      ],
      [
        'a service error beyond HTTP',
        {
          headers: [
            ['Nats-Service-Error-Code', '1000'],
            ['Nats-Service-Error', 'x'],
          ],
        },
        500,
      ],
      ['a service error without code', { headers: [['Nats-Service-Error', 'x']] }, 500],
      ['a service error of status 200', { headers: [['Nats-Service-Error-Code', '200']] }, 500],
    ])('answers a reply with %s', async (_name, given, status) => {
      reply = given
      const response = await client.send(rawRequestText('GET /plain'))
      expect(response.status).toBe(status)
      if (status === 502) expect(response.json()).toMatchObject({ code: 'bad_reply' })
    })

    it('writes a service error as a problem unless it has a body of its own', async () => {
      const error = [
        ['Nats-Service-Error-Code', '409'],
        ['Nats-Service-Error', 'already shipped'],
        ['Content-Type', 'text/x'],
      ] as const
      reply = { headers: error }
      const bare = await client.send(rawRequestText('GET /plain', ['X-Request-Id: r-2']))
      expect(bare.all('content-type')).toEqual(['application/problem+json'])
      expect(bare.json()).toEqual({
        type: 'about:blank',
        title: 'Conflict',
        status: 409,
        code: 'service_error',
        detail: 'already shipped',
        requestId: 'r-2',
      })
      reply = { headers: error, body: 'own words' }
      const own = await client.send(rawRequestText('GET /plain'))
      expect([own.status, own.get('content-type'), own.body.toString()]).toEqual([409, 'text/x', 'own words'])
    })

    it('sends text as UTF-8 bytes and types what the service did not', async () => {
      reply = {
        headers: [
          ['ETag', '"1 €"'],
          ['Cache-Control', 'no-store'],
        ],
        body: '{"a":1}',
      }
      const response = await client.send(rawRequestText('GET /plain', ['X-Request-Id: r-3']))
      expect(response.get('etag')).toBe(Buffer.from('"1 €"').toString('latin1'))
      expect(response.get('cache-control')).toBe('no-store')
      expect(response.get('content-type')).toBe('application/json')
      expect(response.get('x-request-id')).toBe('r-3')
    })

    it('answers 503 where nobody listens', async () => {
      const response = await client.send(rawRequestText('GET /unserved'))
      expect([response.status, response.json()['code']]).toEqual([503, 'no_responders'])
      expect(Number(response.get('retry-after'))).toBeGreaterThan(0)
    })

    it('makes up an id where the client sends none that it may keep', async () => {
      const sane = await client.send(rawRequestText('GET /plain', ['X-Request-Id: ok.1:2_3-4']))
      const forged = await client.send(rawRequestText('GET /plain', ['X-Request-Id: a b']))
      const absent = await client.send(rawRequestText('GET /plain'))
      expect(sane.get('x-request-id')).toBe('ok.1:2_3-4')
      const made = [forged.get('x-request-id'), absent.get('x-request-id')]
      expect(new Set(made).size).toBe(2)
      for (const id of made) expect(id).toMatch(/^[A-Za-z0-9_-]{12}\.[0-9a-z]+$/)
    })
  })

  it('gives the service the caller and fills fixed headers with them', async () => {
    const ada: Principal = {
      id: 'jwt:ada',
      name: 'Ada\r\nEvil: 1',
      claims: { tenant: 'acme' },
      permissions: compilePermissions({ publish: { allow: ['>'] } }),
    }
    const proxy = restProxy({ nats: broker.nats, routes, principal: () => ada, clientIp: () => '2001:db8::1' })
    const response = await new Hono().route('/', proxy.routes).request('https://edge.example/rules')
    expect(sent().get('Nats-Edge-User')).toBe('jwt:ada')
    expect(sent().get('Nats-Edge-Host')).toBe('edge.example')
    expect(sent().get('Nats-Edge-Scheme')).toBe('https')
    expect(sent().get('Nats-Edge-Client-Ip')).toBe('2001:db8::1')
    expect(sent().get('X-Tenant')).toBe('acme')
    expect(response.headers.get('x-who')).toBe('Ada  Evil: 1')
    await proxy.close()
  })
})
