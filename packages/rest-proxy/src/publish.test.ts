// SPDX-License-Identifier: Apache-2.0
import { compilePermissions, type Principal } from '@nats-edge/wire-parser'
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream'
import type { Msg } from '@nats-io/transport-node'
import { Hono } from 'hono'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { hostKinds } from './http-host.test-support.ts'
import { restProxy, type RouteOptions } from './index.ts'
import { type RawClient, rawRequestText } from './raw-client.test-support.ts'
import { type Broker, type Rig, startBroker, startRig, until } from './rig.test-support.ts'

function callerOf(id: string): Principal {
  return { id, name: id, claims: {}, permissions: compilePermissions({ publish: { allow: ['>'] } }) }
}

function route(path: string, subject: string, publish: RouteOptions['publish'] = {}): RouteOptions {
  return { path, method: ['POST', 'PUT', 'HEAD'], subject, envelope: 'publish', publish }
}

const routes: readonly RouteOptions[] = [
  route('/none', 'pub.none'),
  route('/flush', 'pub.flush', { confirm: 'flush' }),
  route('/orders', 'js.orders', { confirm: 'jetstream' }),
  route('/also-orders', 'js.orders', { confirm: 'jetstream' }),
  { ...route('/split', 'js.orders', { confirm: 'jetstream' }), method: 'POST' },
  { ...route('/split', 'js.orders', { confirm: 'jetstream' }), method: 'PUT' },
  route('/create/{id}', 'js.created.{id}', { confirm: 'jetstream', expect: { lastSubjectSequence: 0 } }),
  route('/other-stream', 'js.orders', { confirm: 'jetstream', expect: { stream: 'ELSEWHERE' } }),
  route('/sequence', 'js.orders', { confirm: 'jetstream', expect: { lastSequence: 999_999 } }),
  route('/after', 'js.orders', { confirm: 'jetstream', expect: { lastMessageId: 'never-seen' } }),
  route('/full', 'full.x', { confirm: 'jetstream' }),
  route('/small', 'small.x', { confirm: 'jetstream' }),
  route('/sealed', 'sealed.x', { confirm: 'jetstream' }),
  route('/no-stream', 'pub.nobody', { confirm: 'jetstream' }),
  route('/not-an-ack', 'pub.service', { confirm: 'jetstream' }),
]

describe.each(inject('natsServers'))('the envelope publish, nats-server $version', (binary) => {
  let broker: Broker
  let manager: JetStreamManager
  let received: Msg[] = []

  beforeAll(async () => {
    broker = await startBroker(binary, { jetstream: true })
    manager = await jetstreamManager(broker.peer)
    await manager.streams.add({ name: 'ORDERS', subjects: ['js.>'] })
    await manager.streams.add({ name: 'FULL', subjects: ['full.>'], max_msgs: 1, discard: 'new' })
    await manager.streams.add({ name: 'SMALL', subjects: ['small.>'], max_msg_size: 64 })
    await manager.streams.add({ name: 'SEALED', subjects: ['sealed.>'] })
    const sealed = { subjects: ['sealed.>'], sealed: true }
    await manager.streams.update('SEALED', sealed)
    broker.peer.subscribe('pub.none', { callback: (_error, message) => void received.push(message) })
    broker.peer.subscribe('pub.flush', { callback: (_error, message) => void received.push(message) })
    broker.peer.subscribe('pub.service', { callback: (_error, message) => void message.respond('hello') })
    await broker.peer.flush()
  })
  afterAll(() => broker.stop())
  beforeEach(() => {
    received = []
  })

  describe.each(hostKinds)('on a %s host', (kind) => {
    let rig: Rig
    let client: RawClient

    beforeAll(async () => {
      rig = await startRig({ nats: broker.nats, routes }, kind)
      await rig.proxy.ready()
    })
    afterAll(() => rig.stop())
    beforeEach(async () => {
      client = await rig.client()
    })

    async function post(
      path: string,
      lines: readonly string[] = [],
      body: string | Buffer = 'x',
    ): Promise<[number, Record<string, unknown>]> {
      const response = await client.send(rawRequestText(`POST ${path}`, lines, body))
      return [response.status, response.json()]
    }

    it.each(['none', 'flush'])('accepts with confirm %s and delivers body and headers', async (confirm) => {
      const lines = ['Content-Type: text/x', 'X-Request-Id: r-1', 'X-Own: 1', 'Nats-Rollup: all', 'Idempotency-Key: k']
      const response = await client.send(rawRequestText(`POST /${confirm}`, lines, 'the body'))
      expect([response.status, response.json(), response.get('x-request-id')]).toEqual([202, { accepted: true }, 'r-1'])
      await until('the message', () => received.length === 1)
      const [message] = received
      expect(message?.string()).toBe('the body')
      expect(message?.reply).toBeFalsy()
      expect([...(message?.headers?.keys() ?? [])].toSorted()).toEqual([
        'Content-Type',
        'Idempotency-Key',
        'Nats-Edge-Request-Id',
        'Nats-Msg-Id',
      ])
    })

    it('accepts with a flush only after the server has the message', async () => {
      const posts = Array.from({ length: 20 }, async () => {
        const own = await rig.client()
        return await own.send(rawRequestText('POST /flush', [], 'x'))
      })
      const answers = await Promise.all(posts)
      expect(answers.every(({ status }) => status === 202)).toBe(true)
      await broker.peer.flush()
      expect(received).toHaveLength(20)
    })

    it('answers with what the stream stored, and HEAD without a body', async () => {
      const [status, ack] = await post('/orders', [], '{"n":1}')
      expect(status).toBe(202)
      expect(ack).toEqual({ stream: 'ORDERS', seq: expect.any(Number), duplicate: false })
      const stored = await manager.streams.getMessage('ORDERS', { seq: Number(ack['seq']) })
      expect(stored?.string()).toBe('{"n":1}')
      const head = await client.send(rawRequestText('HEAD /orders'), { head: true })
      expect(head.status).toBe(202)
    })

    it('stores a repeated key once per route', async () => {
      const key = [`Idempotency-Key: key-${kind}`]
      const [, first] = await post('/orders', key)
      const [status, again] = await post('/orders', key)
      expect(status).toBe(202)
      expect(again).toEqual({ ...first, duplicate: true })
      const [, elsewhere] = await post('/also-orders', key)
      expect(elsewhere).toMatchObject({ duplicate: false })
    })

    it('tells apart two routes on one path that take the same key', async () => {
      const key = [`Idempotency-Key: split-${kind}`]
      expect((await post('/split', key))[1]).toMatchObject({ duplicate: false })
      const put = await client.send(rawRequestText('PUT /split', key, 'x'))
      expect(put.json()).toMatchObject({ duplicate: false })
      expect((await post('/split', key))[1]).toMatchObject({ duplicate: true })
    })

    it.each(['', ' ', 'a b', 'é'.repeat(2), 'x'.repeat(256)])('refuses the key %.10j', async (key) => {
      const [status, answer] = await post('/orders', [`Idempotency-Key: ${key}`])
      expect([status, answer['code']]).toEqual([400, 'bad_request'])
    })

    it.each([
      ['/other-stream', 409, 'conflict', 10060],
      ['/sequence', 412, 'precondition_failed', 10071],
      ['/after', 412, 'precondition_failed', 10070],
      ['/small', 413, 'body_too_large', 10054],
      ['/sealed', 502, 'bad_reply', 10109],
    ])('answers what the stream refuses on %s with %i %s', async (path, status, code, errCode) => {
      const [answered, problem] = await post(path, [], 'x'.repeat(100))
      expect([answered, problem]).toEqual([status, expect.objectContaining({ code, errCode, status })])
    })

    it('answers 412 where the message is not the first on its subject', async () => {
      expect((await post(`/create/${kind}`))[0]).toBe(202)
      expect(await post(`/create/${kind}`)).toEqual([
        412,
        expect.objectContaining({ code: 'precondition_failed', errCode: 10071 }),
      ])
    })

    it("answers 502 with the server's number for what has no status of its own", async () => {
      await post('/full')
      expect(await post('/full')).toEqual([502, expect.objectContaining({ code: 'bad_reply', errCode: 10_077 })])
    })

    it('answers 503 without a stream and 502 where a service answers instead', async () => {
      expect(await post('/no-stream')).toEqual([503, expect.objectContaining({ code: 'no_stream' })])
      expect(await post('/not-an-ack')).toEqual([502, expect.objectContaining({ code: 'bad_reply' })])
    })
  })

  it('keeps callers apart who use the same key', async () => {
    const callers = new Map([
      ['a', callerOf('jwt:a')],
      ['b', callerOf('jwt:b')],
    ])
    const proxy = restProxy({
      nats: broker.nats,
      routes,
      principal: (c) => callers.get(c.req.header('x-caller') ?? ''),
    })
    const app = new Hono().route('/', proxy.routes)
    const seen = []
    for (const who of ['a', 'b', '', 'a']) {
      const response = await app.request('/orders', {
        method: 'POST',
        body: 'x',
        headers: { 'x-caller': who, 'idempotency-key': 'shared' },
      })
      seen.push(((await response.json()) as Record<string, unknown>)['duplicate'])
    }
    expect(seen).toEqual([false, false, false, true])
    await proxy.close()
  })
})

describe.each(inject('natsServers'))('a server without room for another message, nats-server $version', (binary) => {
  it('answers 507 and stays well', async () => {
    const broker = await startBroker(binary, { jetstream: true, config: 'jetstream { max_file_store: 100000 }' })
    const manager = await jetstreamManager(broker.peer)
    await manager.streams.add({ name: 'ORDERS', subjects: ['js.>'] })
    const proxy = restProxy({ nats: broker.nats, routes })
    await proxy.ready()
    const app = new Hono().route('/', proxy.routes)
    const statuses: number[] = []
    let refusal: unknown
    for (let round = 0; round < 8; round++) {
      const response = await app.request('/orders', { method: 'POST', body: 'x'.repeat(30_000) })
      statuses.push(response.status)
      if (response.status !== 202) refusal = await response.json()
    }
    expect(statuses[0]).toBe(202)
    expect(statuses.at(-1)).toBe(507)
    expect(refusal).toMatchObject({ code: 'insufficient_resources', status: 507 })
    await proxy.close()
    await broker.stop()
  })
})
