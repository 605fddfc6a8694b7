// SPDX-License-Identifier: Apache-2.0
import { describe, expect, expectTypeOf, it } from 'vitest'
import { startChannel, until } from '../backend/service.test-support.ts'
import { jsonCodec } from '../codec/json.ts'
import { jsonRpc } from '../codec/json-rpc.ts'
import {
  breaker,
  cache,
  errors,
  measure,
  rateLimit,
  retry,
  throttle,
  timeout,
  wsGateway,
  WsError,
  type Channel,
  type Codec,
  type Handler,
  type Middleware,
  type WsErrorCode,
} from '../index.ts'

const never: Handler = () => new Promise(() => {})

function failing(code: WsErrorCode): Handler {
  return () => {
    throw new WsError(code)
  }
}

/** What makes each of the errors of middleware, at the second request at the latest. */
const causes: readonly (readonly [WsErrorCode, () => readonly [...Middleware[], Handler], boolean])[] = [
  ['timeout', () => [timeout(30), never], false],
  ['rate_limited', () => [rateLimit({ limit: 1, windowMs: 60_000 }), () => 'ok'], true],
  ['overloaded', () => [throttle({ limit: 1, queue: 0 }), never], false],
  ['circuit_open', () => [breaker({ minCalls: 1 }), failing('bad_reply')], true],
  ['no_responders', () => [retry({ attempts: 2, delay: () => 0 }), failing('no_responders')], false],
  [
    'conflict',
    () => [
      errors(() => {
        throw new WsError('conflict')
      }),
      failing('internal'),
    ],
    false,
  ],
]

describe.each([
  ['jsonCodec()', jsonCodec(), (id: number) => ({ type: 'x', id })],
  ['jsonRpc()', jsonRpc(), (id: number) => ({ jsonrpc: '2.0', id, method: 'x' })],
] as [string, Codec, (id: number) => object][])('a client that speaks %s', (_name, codec, message) => {
  it.each(causes)('is told of %s (D28)', async (code, chain, isTimed) => {
    const { connect, events } = await startChannel(chain(), { codec })
    const { ws, next } = await connect()
    for (const id of [1, 2]) ws.send(JSON.stringify(message(id)))
    for (;;) {
      const { error } = JSON.parse(await next()) as { error?: { code: unknown; data?: unknown; retryAfterMs?: number } }
      const told = (error?.data ?? error) as { code: string; retryAfterMs?: number } | undefined
      if (told?.code !== code) continue
      expect(told.retryAfterMs !== undefined).toBe(isTimed)
      break
    }
    expect(events).toContainEqual(expect.objectContaining({ type: 'request.finished', route: '(none)', code }))
  })
})

describe('middleware at a gateway', () => {
  it('shares a cache between clients, and keeps the opcode', async () => {
    let calls = 0
    const { connect } = await startChannel([
      cache({ key: ({ key }) => key, ttlMs: 60_000 }),
      async () => {
        calls += 1
        return Buffer.from('bytes')
      },
    ])
    const seen: [string, boolean][] = []
    const clients = await Promise.all([connect(), connect(), connect()])
    for (const { ws } of clients) {
      ws.on('message', (data, binary) => seen.push([String(data), binary]))
      ws.send('x')
    }
    await until('all have an answer', () => seen.length === 3)
    expect(seen).toStrictEqual([1, 2, 3].map(() => ['bytes', true]))
    expect(calls).toBe(1)
  })

  it('tells of a breaker by the names of channel and route', async () => {
    const { connect, events } = await startChannel([breaker({ minCalls: 1 }), failing('bad_reply')], {
      codec: jsonRpc(),
    })
    const { ws, next } = await connect()
    ws.send('{"jsonrpc":"2.0","id":1,"method":"x"}')
    await next()
    expect(events).toContainEqual({ type: 'breaker.changed', channel: '/', route: '(none)', state: 'open' })
  })

  it('is closed with the gateway', async () => {
    const closed: string[] = []
    const part = (name: string): Middleware =>
      Object.assign((_request: unknown, next: () => unknown) => next(), { close: () => void closed.push(name) })
    const store = { take: () => 0, close: () => void closed.push('store') }
    const kept = cache({ key: () => 'k', ttlMs: 60_000 })
    const { gateway, connect } = await startChannel([part('mine'), rateLimit({ limit: 1, store }), kept, () => 'x'])
    const { ws, next } = await connect()
    ws.send('x')
    expect(await next()).toBe('x')
    expect(kept.stats().entries).toBe(1)
    await gateway.close({ drainMs: 0 })
    expect(closed.toSorted()).toStrictEqual(['mine', 'store'])
    expect(kept.stats().entries).toBe(0)
  })

  it('ends a throttled stream with its client, and gives its place back', async () => {
    async function* ticks(): AsyncGenerator<string> {
      yield 'first'
      await new Promise(() => {})
    }
    const { connect } = await startChannel([throttle({ limit: 1, queue: 0 }), () => ticks()], { codec: jsonRpc() })
    const one = await connect()
    one.ws.send('{"jsonrpc":"2.0","id":1,"method":"x"}')
    expect(await one.next()).toContain('first')
    const other = await connect()
    other.ws.send('{"jsonrpc":"2.0","id":1,"method":"x"}')
    expect(await other.next()).toContain('overloaded')
    one.ws.terminate()
    let answer = ''
    while (!answer.includes('first')) {
      other.ws.send('{"jsonrpc":"2.0","id":2,"method":"x"}')
      answer = await other.next()
    }
  })

  it('fits channels of any data, and shows its hooks the data', () => {
    const channel: Channel<{ user: string }> = wsGateway().channel('/', { onConnect: () => ({ user: 'jo' }) })
    const shared = timeout(50)
    channel
      .use(shared, breaker(), retry(), throttle({ limit: 1, scope: ({ connection }) => connection.data.user }))
      .use(
        measure(({ connection }) => {
          expectTypeOf(connection.data).toEqualTypeOf<{ user: string }>()
        }),
      )
      .route(
        'x',
        rateLimit({ limit: 1, key: ({ connection }) => connection.data.user }),
        cache({ key: ({ connection }) => connection.data.user, ttlMs: 1 }),
        errors((_error, { connection }) => connection.data.user),
        shared,
        ({ connection }) => connection.data.user,
      )
    // @ts-expect-error connections of this channel have no such member
    channel.use(measure(({ connection }) => connection.data.missing))
  })
})
