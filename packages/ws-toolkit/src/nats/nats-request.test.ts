// SPDX-License-Identifier: Apache-2.0
import { headers, type Msg } from '@nats-io/nats-core'
import type { NatsConnection } from '@nats-io/transport-node'
import { beforeEach, describe, expect, inject, it } from 'vitest'
import { jsonCodec, jsonRpc, type WsGateway } from '../index.ts'
import { tracing } from '../middleware/tracing.ts'
import { natsRequest } from '../nats.ts'
import { ask, brokerFor, connectTo, startEdge, until } from './nats-rig.test-support.ts'

function ignore(): void {}

describe.each(inject('natsServers'))('natsRequest over nats-server $version', (binary) => {
  const broker = brokerFor(binary)
  let nats: NatsConnection
  let peer: NatsConnection
  const heard: Msg[] = []

  beforeEach(async () => {
    heard.length = 0
    nats = await connectTo(broker.server)
    peer = await connectTo(broker.server)
  })

  function service(subject: string, answer: (message: Msg) => void): Promise<void> {
    peer.subscribe(subject, {
      callback: (_error, message) => {
        heard.push(message)
        answer(message)
      },
    })
    return peer.flush()
  }

  function raw(gateway: WsGateway): void {
    gateway.channel('/raw').default(natsRequest(nats, 'echo'))
  }

  it('answers a raw channel with text where the reply is UTF-8 and with bytes where it is not (F1)', async () => {
    await service('echo', (message) => void message.respond(message.data))
    const { ws } = await (await startEdge(raw)).open('/raw')
    const seen: [string, boolean][] = []
    ws.on('message', (data: Buffer, isBinary) => seen.push([data.toString('hex'), isBinary]))
    ws.send('text')
    await until('the first reply', () => seen.length === 1)
    ws.send(Buffer.from([0xff, 0x00]))
    await until('the second reply', () => seen.length === 2)
    expect(seen).toEqual([
      [Buffer.from('text').toString('hex'), false],
      ['ff00', true],
    ])
  })

  it.each([
    ['json', { name: 'x' }, { name: 'x' }],
    ['text', 'plain', 'plain'],
  ] as const)('sends and takes %s where the option says so', async (as, data, answer) => {
    await service('echo', (message) => void message.respond(message.data))
    const edge = await startEdge((gateway) => {
      gateway.channel('/json', { codec: jsonCodec() }).route('ask', natsRequest(nats, 'echo', { as }))
    })
    const client = await edge.open('/json')
    expect(await ask(client, { type: 'ask', id: 1, data })).toEqual({ type: 'ask', id: 1, data: answer })
    expect(heard[0]?.string()).toBe(as === 'json' ? '{"name":"x"}' : 'plain')
  })

  it('sends data as JSON over a JSON codec and answers an empty reply with null', async () => {
    await service('echo', (message) => void message.respond())
    const edge = await startEdge((gateway) => {
      gateway.channel('/rpc', { codec: jsonRpc() }).route('ask', natsRequest(nats, 'echo'))
    })
    const client = await edge.open('/rpc')
    expect(await ask(client, { jsonrpc: '2.0', id: 1, method: 'ask', params: ['a'] })).toEqual({
      jsonrpc: '2.0',
      id: 1,
      result: null,
    })
    expect(heard[0]?.json()).toEqual(['a'])
  })

  it('fills the subject from path, key, wildcards, message and principal', async () => {
    await service('>', (message) => void message.respond(JSON.stringify(message.subject)))
    const edge = await startEdge((gateway) => {
      gateway
        .channel('/rooms/:room', { codec: jsonCodec() })
        .route('path', natsRequest(nats, 'a.{room}.{symbol}'))
        .route('whole.key', natsRequest(nats, 'b.{key*}'))
        .route('get.*', natsRequest(nats, 'c.{match}'))
        .route('tail.>', natsRequest(nats, 'd.{match*}'))
        .route('who', natsRequest(nats, 'e.{{name}}.{{claim.tenant}}'))
        .route('free', natsRequest(nats, 'f.{symbol}', { encode: 'base32hex' }))
        .route(
          'own',
          natsRequest(nats, (request) => `g.${request.key}`),
        )
    })
    const client = await edge.open('/rooms/lobby', 'ann')
    const subjectOf = async (type: string, data?: unknown): Promise<unknown> =>
      ((await ask(client, { type, id: 1, data })) as { data: unknown }).data
    expect(await subjectOf('path', { symbol: 'ABC', room: 'other' })).toBe('a.lobby.ABC')
    expect(await subjectOf('path', { symbol: 7 })).toBe('a.lobby.7')
    expect(await subjectOf('whole.key')).toBe('b.whole.key')
    expect(await subjectOf('get.x')).toBe('c.x')
    expect(await subjectOf('tail.x.y')).toBe('d.x.y')
    expect(await subjectOf('who')).toBe('e.ann.t1')
    expect(await subjectOf('free', { symbol: 'a.b >' })).toMatch(/^f\.[0-9A-V]+$/)
    expect(await subjectOf('own')).toBe('g.own')
  })

  it("tells the service who asks and drops headers that are not the client's to give (F2)", async () => {
    await service('echo', (message) => void message.respond('1'))
    const given = { 'X-Tenant': 'a', 'Nats-Msg-Id': 'x', 'ws-user': 'root', Cookie: 'c', authorization: 'b' }
    const edge = await startEdge((gateway) => {
      gateway
        .channel('/json', { codec: jsonCodec() })
        .route('ask', natsRequest(nats, 'echo', { headers: () => given, payload: () => 'own' }))
        .route('bad', natsRequest(nats, 'echo', { headers: () => ({ 'X-Bad': 'a\r\nb' }) }))
    })
    const client = await edge.open('/json', 'ann')
    await ask(client, { type: 'ask', id: 1 })
    const [message] = heard
    const [info] = edge.gateway.connections()
    const seen = Object.fromEntries((message?.headers?.keys() ?? []).map((name) => [name, message?.headers?.get(name)]))
    expect(seen).toEqual({ 'Ws-Connection': info?.id, 'Ws-Ip': '127.0.0.1', 'Ws-User': 'test:ann', 'X-Tenant': 'a' })
    expect(message?.string()).toBe('own')
    expect(await ask(client, { type: 'bad', id: 2 })).toMatchObject({ id: 2, error: { code: 'bad_request' } })
    // What failed must not be in the next block.
    await ask(client, { type: 'ask', id: 3 })
    expect(heard.at(-1)?.headers?.has('X-Bad')).toBe(false)
  })

  it('passes the trace of the request on (D26)', async () => {
    await service('echo', (message) => void message.respond('1'))
    const span = { traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: 1 }
    const tracer = {
      startSpan: () => ({
        spanContext: () => span,
        setAttribute: ignore,
        setStatus: ignore,
        recordException: ignore,
        end: ignore,
      }),
    }
    const edge = await startEdge((gateway) => {
      gateway
        .channel('/json', { codec: jsonCodec() })
        .route('ask', tracing({ tracer }), natsRequest(nats, 'echo', { headers: () => ({ traceparent: 'forged' }) }))
    })
    await ask(await edge.open('/json'), { type: 'ask', id: 1 })
    expect(heard[0]?.headers?.values('traceparent')).toEqual([`00-${span.traceId}-${span.spanId}-01`])
  })

  it('answers with an error for each way to have none (F1)', async () => {
    await service('silent', () => {})
    await service('nonsense', (message) => void message.respond('{'))
    await service('broken', (message) => {
      const block = headers()
      block.set('Nats-Service-Error-Code', '404')
      block.set('Nats-Service-Error', 'no such order')
      message.respond('', { headers: block })
    })
    const edge = await startEdge((gateway) => {
      gateway
        .channel('/json', { codec: jsonCodec() })
        .route('nobody', natsRequest(nats, 'nobody'))
        .route('silent', natsRequest(nats, 'silent', { timeoutMs: 50 }))
        .route('nonsense', natsRequest(nats, 'nonsense'))
        .route('broken', natsRequest(nats, 'broken'))
        .route('big', natsRequest(nats, 'broken', { payload: () => 'x'.repeat(2_000_000) }))
        .route('token', natsRequest(nats, 'a.{symbol}'))
        .route(
          'reserved',
          natsRequest(nats, (request) => String(request.data)),
        )
        .route('who', natsRequest(nats, 'a.{{name}}'))
    })
    const client = await edge.open('/json')
    const errorOf = async (type: string, data?: unknown): Promise<unknown> =>
      ((await ask(client, { type, id: 1, data })) as { error: unknown }).error
    expect(await errorOf('nobody')).toMatchObject({ code: 'no_responders' })
    expect(await errorOf('silent')).toMatchObject({ code: 'timeout' })
    expect(await errorOf('nonsense')).toMatchObject({ code: 'bad_reply' })
    expect(await errorOf('broken')).toMatchObject({ code: 'bad_reply', message: 'no such order' })
    expect(await errorOf('big')).toMatchObject({ code: 'body_too_large' })
    for (const symbol of ['', 'a.b', '*', '>', 'a b', 'a\r\nb', 'a\u0000', '\ud800', {}, undefined]) {
      expect(await errorOf('token', { symbol })).toMatchObject({ code: 'invalid_params' })
    }
    for (const subject of ['$SYS.x', '$JS.API.INFO', '_INBOX.x', '_gw.x']) {
      expect(await errorOf('reserved', subject)).toMatchObject({ code: 'reserved_subject' })
    }
    expect(await errorOf('reserved', 'a..b')).toMatchObject({ code: 'invalid_params' })
    expect(await errorOf('who')).toMatchObject({ code: 'unauthorized' })
    expect(client.ws.readyState).toBe(1)
  })

  it('asks for permission: the hook, at once or later, else the principal', async () => {
    await service('>', (message) => void message.respond(JSON.stringify(message.subject)))
    const asked: unknown[] = []
    const edge = await startEdge(
      (gateway) => {
        gateway
          .channel('/json', { codec: jsonCodec() })
          .route('own', natsRequest(nats, 'orders.{symbol}'))
          .route(
            'hook',
            natsRequest(nats, 'orders.{symbol}', {
              authorize: async (principal, action, subject, context) => {
                asked.push([principal?.name, action, subject, context.route, context.surface])
                return subject === 'orders.yes'
              },
            }),
          )
      },
      { rules: { publish: { allow: ['orders.mine'] } } },
    )
    const client = await edge.open('/json', 'ann')
    const answerTo = (type: string, symbol: string): Promise<unknown> => ask(client, { type, id: 1, data: { symbol } })
    expect(await answerTo('own', 'mine')).toMatchObject({ data: 'orders.mine' })
    expect(await answerTo('own', 'other')).toMatchObject({ error: { code: 'forbidden' } })
    expect(await answerTo('hook', 'yes')).toMatchObject({ data: 'orders.yes' })
    expect(await answerTo('hook', 'no')).toMatchObject({ error: { code: 'forbidden' } })
    expect(asked).toContainEqual(['ann', 'request', 'orders.yes', '/json', 'ws'])
  })

  it('frees what waits when the client cancels, leaves, or the gateway closes (F1)', async () => {
    await service('silent', () => {})
    const backend = natsRequest(nats, 'silent', { maxPending: 2 })
    const edge = await startEdge((gateway) => {
      gateway.channel('/rpc', { codec: jsonRpc() }).route('ask', backend)
    })
    const client = await edge.open('/rpc')
    const call = (id: number): void => client.ws.send(JSON.stringify({ jsonrpc: '2.0', id, method: 'ask' }))
    call(1)
    call(2)
    call(3)
    expect(JSON.parse(await client.next())).toMatchObject({ id: 3, error: { data: { code: 'overloaded' } } })
    client.ws.send(JSON.stringify({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id: 1 } }))
    expect(JSON.parse(await client.next())).toMatchObject({ id: 1, error: { code: -32800 } })
    expect(backend.stats().pending).toBe(1)
    client.ws.terminate()
    await until('the request to be freed', () => backend.stats().pending === 0)
    const second = await edge.open('/rpc')
    second.ws.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ask' }))
    await until('the request to wait', () => backend.stats().pending === 1)
    backend.close()
    expect(JSON.parse(await second.next())).toMatchObject({ error: { data: { code: 'draining' } } })
  })
})
