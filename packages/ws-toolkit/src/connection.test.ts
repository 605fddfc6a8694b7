// SPDX-License-Identifier: Apache-2.0
import type { Principal } from '@nats-edge/wire-parser'
import { describe, expect, it, vi } from 'vitest'
import type { ChannelOptions } from './channel-options.ts'
import {
  codeOf,
  eventsOf,
  principalOf,
  startGateway,
  statOf,
  ways,
  type Rig,
  type TestClient,
} from './gateway.test-support.ts'
import { jsonCodec, jsonRpc, sharedFrame, type Connection, type Middleware } from './index.ts'
import { gate } from './upgrade/hosts.test-support.ts'

/** A channel whose connections the test gets hold of. */
async function startOpen<U = undefined>(
  options: ChannelOptions<U> = {},
  way: Parameters<typeof startGateway>[1] = {},
): Promise<Rig & { open(): Promise<{ client: TestClient; connection: Connection<U> }> }> {
  let opened: ((connection: Connection<U>) => void) | undefined
  const rig = await startGateway((gateway) => {
    gateway
      .channel<U>('/:name', {
        ...options,
        onOpen: (connection) => {
          opened?.(connection)
          return options.onOpen?.(connection)
        },
      })
      .default((request) => request.data)
  }, way)
  return {
    ...rig,
    open: async () => {
      const connection = new Promise<Connection<U>>((resolve) => {
        opened = resolve
      })
      const client = await rig.connect('/a')
      return { client, connection: await connection }
    },
  }
}

describe.each(ways)('a connection under $name', ({ way }) => {
  it('sends text, bytes and shared frames in the order they were given', async () => {
    const { open } = await startOpen({ maxMessageBytes: 1_048_576 }, way)
    const { client, connection } = await open()
    const shared = sharedFrame('shared')
    const large = 'L'.repeat(100_000)
    for (const message of ['one', Buffer.from('two'), shared, large, shared, new Uint8Array([0x33])]) {
      expect(connection.send(message)).toBe(true)
    }
    connection.send('text as bytes', { binary: true })
    const got = []
    for (let count = 0; count < 7; count += 1) got.push(await client.next())
    expect(got).toStrictEqual(['one', 'two', 'shared', large, 'shared', '3', 'text as bytes'])
    expect(client.binary).toStrictEqual([false, true, false, false, false, true, true])
  })

  it('tells when the kernel has taken a message', async () => {
    const { open } = await startOpen({}, way)
    const { client, connection } = await open()
    const sent = [connection.sent('a'), connection.sent('b'), connection.sent('x'.repeat(20_000))]
    expect(await Promise.all(sent)).toStrictEqual([undefined, undefined, undefined])
    expect([await client.next(), await client.next()]).toStrictEqual(['a', 'b'])
    expect(connection.bufferedBytes).toBe(0)
  })

  it('tells that a message will never be taken', async () => {
    const { open } = await startOpen({}, way)
    const { connection } = await open()
    const sent = codeOf(connection.sent('x'))
    connection.terminate()
    expect(['closed', 'resolved']).toContain(await sent)
    await vi.waitFor(() => expect(connection.state).toBe('closed'))
    expect(connection.send('late')).toBe(false)
    expect(await codeOf(connection.sent('late'))).toBe('closed')
    expect(await codeOf(connection.join('room'))).toBe('closed')
    expect(connection.signal.aborted).toBe(true)
  })

  it('flushes before it cuts (D36)', async () => {
    const { open } = await startOpen({}, way)
    const { client, connection } = await open()
    connection.send('last')
    connection.terminate()
    expect((await client.closed).code).toBe(1006)
    expect(client.messages).toStrictEqual(['last'])
  })
})

describe('a connection', () => {
  it('knows its path, its params, its address and its data', async () => {
    const { gateway, connect } = await startGateway((gateway) => {
      gateway.channel<{ user: string }>('/chat/:room/:who', {
        onConnect: (_c, { params }) => ({ user: params['who'] ?? '' }),
      })
    })
    await connect('/chat/a%2Fb%0Ac/b%C3%B6b')
    const [connection] = gateway.registry
    expect(connection).toMatchObject({
      path: '/chat/:room/:who',
      params: { room: 'a/b\nc', who: 'böb' },
      ip: '127.0.0.1',
      data: { user: 'böb' },
    })
    expect(Object.getPrototypeOf(connection?.params)).toBeNull()
  })

  it('has an id of its own', async () => {
    const { gateway, connect } = await startGateway((gateway) => gateway.channel('/'))
    await Promise.all(Array.from({ length: 20 }, () => connect()))
    const ids = [...gateway.registry].map(({ id }) => id)
    expect(new Set(ids).size).toBe(20)
    for (const id of ids) expect(gateway.registry.get(id)?.id).toBe(id)
  })

  it('waits with reading until onOpen is done', async () => {
    const door = gate()
    const seen: string[] = []
    const { connect } = await startGateway((gateway) => {
      gateway.channel('/', { onOpen: () => door.passed }).default((request) => void seen.push(String(request.data)))
      gateway.channel('/other').default((request) => request.data)
    })
    const client = await connect()
    client.send('early')
    // Once others are answered who have asked later it would have been read.
    const other = await connect('/other')
    for (const text of ['a', 'b', 'c']) {
      other.send(text)
      expect(await other.next()).toBe(text)
    }
    expect(seen).toStrictEqual([])
    door.open()
    await vi.waitFor(() => expect(seen).toStrictEqual(['early']))
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('no')
      },
    ],
    [
      'rejects',
      async () => {
        throw new Error('no')
      },
    ],
  ])('is closed with 1011 when onOpen %s', async (_how, onOpen) => {
    const rig = await startGateway((gateway) => gateway.channel('/', { onOpen }))
    const client = await rig.connect()
    expect((await client.closed).code).toBe(1011)
    expect(eventsOf(rig, 'handler.failed').map(({ handler }) => handler)).toStrictEqual(['onOpen'])
  })

  it('calls onDisconnect once, when nothing is under way any more', async () => {
    const door = gate()
    const trace: unknown[] = []
    const { connect } = await startGateway((gateway) => {
      gateway.channel('/', { onDisconnect: (_connection, info) => void trace.push(info) }).default(async () => {
        await door.passed
        trace.push('done')
      })
    })
    const client = await connect()
    client.send('x')
    await new Promise((resolve) => client.ws.ping(() => client.ws.once('pong', resolve)))
    client.ws.close(4500, 'bye')
    await client.closed
    expect(trace).toStrictEqual([])
    door.open()
    await vi.waitFor(() => expect(trace).toStrictEqual(['done', { code: 4500, reason: 'bye', wasClean: true }]))
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('no')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no')) as never],
  ])('is gone all the same when onDisconnect %s, and that is told', async (_how, onDisconnect) => {
    const rig = await startGateway((gateway) => gateway.channel('/', { onDisconnect }))
    const client = await rig.connect()
    client.ws.close()
    await vi.waitFor(() =>
      expect(eventsOf(rig, 'handler.failed').map(({ handler }) => handler)).toStrictEqual(['onDisconnect']),
    )
    expect(rig.gateway.registry.size).toBe(0)
  })

  it('does not wait for ever for a handler that looks at no signal', async () => {
    let info: unknown
    const { connect } = await startGateway((gateway) => {
      gateway
        .channel('/', { closeTimeoutMs: 50, onDisconnect: (_connection, given) => void (info = given) })
        .default(() => new Promise(() => {}))
    })
    const client = await connect()
    client.send('x')
    await new Promise((resolve) => client.ws.ping(() => client.ws.once('pong', resolve)))
    client.ws.close()
    await vi.waitFor(() => expect(info).toMatchObject({ code: 1005 }))
  })

  it('answers with draining what comes while it waits for requests under way', async () => {
    const door = gate()
    const { connect, gateway } = await startGateway((gateway) => {
      gateway.channel('/', { codec: jsonCodec() }).route('wait', () => door.passed.then(() => 'done'))
    })
    const client = await connect()
    client.send({ type: 'wait', id: 1 })
    await vi.waitFor(() => expect(statOf(gateway, 'messages_total', { direction: 'in' })).toBe(1))
    const [connection] = gateway.registry
    const overtime = new AbortController()
    const closed = connection?.close(4300, 'later', { wait: overtime.signal })
    client.send({ type: 'wait', id: 2 })
    expect(await client.nextJson()).toMatchObject({ id: 2, error: { code: 'draining' } })
    expect(connection?.state).toBe('closing')
    door.open()
    expect(await client.nextJson()).toMatchObject({ id: 1, data: 'done' })
    expect(await client.closed).toStrictEqual({ code: 4300, reason: 'later' })
    expect(await closed).toMatchObject({ wasClean: true })
  })

  it('closes when the patience of the caller ends', async () => {
    const { connect, gateway } = await startGateway((gateway) => {
      gateway.channel('/', { closeTimeoutMs: 100 }).default(() => new Promise(() => {}))
    })
    const client = await connect()
    client.send('x')
    await vi.waitFor(() => expect(statOf(gateway, 'messages_total', { direction: 'in' })).toBe(1))
    const overtime = new AbortController()
    const [connection] = gateway.registry
    const closed = connection?.close(4300, 'late', { wait: overtime.signal })
    expect(client.ws.readyState).toBe(client.ws.OPEN)
    overtime.abort()
    expect((await client.closed).code).toBe(4300)
    await closed
  })

  it('cuts a client that does not answer the close frame (D31)', async () => {
    const { connect, gateway } = await startGateway((gateway) => gateway.channel('/', { closeTimeoutMs: 60 }))
    const client = await connect()
    client.ws.pause()
    const [connection] = gateway.registry
    const startedMs = performance.now()
    expect(await connection?.close(4300)).toStrictEqual({ code: 4300, reason: '', wasClean: false })
    expect(performance.now() - startedMs).toBeGreaterThan(50)
    expect(gateway.registry.size).toBe(0)
  })

  it('can be found by its tags and its principal (F14)', async () => {
    const principal = principalOf('ann')
    const { gateway, open } = await startOpen({}, { principal: () => principal })
    const { client, connection } = await open()
    connection.tag('admin', 'eu')
    connection.tag('eu')
    const { registry } = gateway
    expect([...registry.byTag('eu')]).toStrictEqual([connection])
    expect([...registry.byPrincipal('test:ann')]).toStrictEqual([connection])
    expect([...gateway.connections()][0]?.principalId).toBe('test:ann')
    connection.untag('eu')
    expect([...registry.byTag('eu')]).toStrictEqual([])
    connection.principal = principalOf('bob')
    expect([...registry.byPrincipal('test:ann')]).toStrictEqual([])
    expect([...registry.byPrincipal('test:bob')]).toStrictEqual([connection])
    expect(registry.close((each) => each.tags.has('admin'), 4300, 'admins only')).toBe(1)
    expect(registry.close((each) => each.tags.has('admin'), 4300, 'twice')).toBe(0)
    await client.closed
    await vi.waitFor(() => expect(registry.size).toBe(0))
    expect([...registry.byTag('admin'), ...registry.byPrincipal('test:bob')]).toStrictEqual([])
    connection.tag('ghost')
    connection.principal = principal
    expect([...registry.byTag('ghost'), ...registry.byPrincipal('test:ann')]).toStrictEqual([])
  })

  it('has its principal replaced, or is ended, when principals change', async () => {
    const names = ['stays', 'changes', 'goes', 'nobody']
    const { gateway, connect } = await startGateway((gateway) => gateway.channel('/:name'), {
      principal: (c) => {
        const name = c.req.path.slice(1)
        return name === 'nobody' ? undefined : principalOf(name)
      },
    })
    const clients = new Map<string, TestClient>()
    for (const name of names) clients.set(name, await connect(`/${name}`))
    const ended = gateway.updatePrincipals((principal) => {
      if (principal.name === 'goes') return undefined
      return principal.name === 'changes' ? { ...principal, name: 'changed' } : principal
    })
    expect(ended).toBe(1)
    expect(await clients.get('goes')?.closed).toStrictEqual({ code: 4002, reason: 'no longer permitted' })
    await vi.waitFor(() => expect(gateway.registry.size).toBe(3))
    expect([...gateway.registry].map(({ principal }) => principal?.name)).toStrictEqual(['stays', 'changed', undefined])
  })

  it('tells the parts of its channel when its principal is replaced, and before it ends', async () => {
    const told: string[] = []
    const failure = new Error('a part that fails')
    const hearing = (part: string, fails: boolean): Middleware<undefined> =>
      Object.assign((_request: unknown, next: () => unknown) => next(), {
        principalChanged: ({ path, principal, state }: Connection, before: Principal) => {
          told.push(`${part} ${path} ${before.name} to ${principal?.name}, ${state}`)
          if (fails) throw failure
        },
      })
    const { gateway, connect, events } = await startGateway(
      (gateway) => {
        const twice = hearing('route', false)
        const channel = gateway.channel('/a/:name').use(hearing('use', true))
        channel.route('text', twice, () => 'x').default(twice, () => 'x')
        gateway.channel('/b/:name').default(hearing('other', false), () => 'x')
      },
      { principal: (c) => principalOf(c.req.path.slice(3)) },
    )
    for (const path of ['/a/stays', '/a/changes', '/b/goes']) await connect(path)
    gateway.updatePrincipals((principal) => {
      if (principal.name === 'goes') return undefined
      return principal.name === 'changes' ? { ...principal, name: 'changed' } : principal
    })
    expect(told).toStrictEqual([
      'use /a/:name changes to changed, open',
      'route /a/:name changes to changed, open',
      'other /b/:name goes to goes, open',
    ])
    expect(events).toContainEqual({
      type: 'handler.failed',
      channel: '/a/:name',
      handler: 'principalChanged',
      error: failure,
    })
  })

  it('has its principal replaced while its last requests run', async () => {
    let finish: (() => void) | undefined
    const seen: (string | undefined)[] = []
    const { gateway, connect } = await startGateway(
      (gateway) =>
        gateway.channel('/').default(async ({ connection }) => {
          await new Promise<void>((resolve) => (finish = resolve))
          seen.push(connection.principal?.name)
        }),
      { principal: () => principalOf('ann') },
    )
    const client = await connect('/')
    client.send('x')
    await vi.waitFor(() => expect(finish).toBeDefined())
    const [connection] = gateway.registry
    void connection?.close(1000, '', { wait: new AbortController().signal })
    expect(connection?.state).toBe('closing')
    expect(gateway.updatePrincipals((principal) => ({ ...principal, name: 'reduced' }))).toBe(0)
    finish?.()
    expect(await client.closed).toStrictEqual({ code: 1000, reason: '' })
    expect(seen).toStrictEqual(['reduced'])
  })

  it('counts subscriptions up to its limit', async () => {
    const { gateway, open } = await startOpen({ maxSubscriptions: 2 })
    const { connection } = await open()
    const release = connection.countSubscription()
    connection.countSubscription()
    expect(() => connection.countSubscription()).toThrow(expect.objectContaining({ code: 'overloaded' }))
    expect([...gateway.connections()][0]?.subscriptions).toBe(2)
    release()
    release()
    expect(connection.subscriptions).toBe(1)
    expect(statOf(gateway, 'limits_hit_total', { limit: 'subscriptions' })).toBe(1)
  })

  it('can be wrapped, and stays what it is otherwise', async () => {
    const { open } = await startOpen()
    const { client, connection } = await open()
    const sent: unknown[] = []
    const wrapped = connection.wrap({ send: (message) => connection.send(`<${String(message)}>`) })
    const twice = wrapped.wrap({ close: async (code) => ({ code: code ?? 0, reason: 'kept', wasClean: true }) })
    twice.send('x')
    expect(await client.next()).toBe('<x>')
    expect(await twice.close(4000)).toMatchObject({ reason: 'kept' })
    expect([twice.id, twice.state, twice.ip]).toStrictEqual([connection.id, 'open', '127.0.0.1'])
    twice.tag('t')
    expect(connection.tags.has('t')).toBe(true)
    twice.principal = undefined
    expect(sent).toStrictEqual([])
  })
})

describe('a request to a client', () => {
  it.each([
    [
      'jsonCodec',
      jsonCodec(),
      (message: { id: number }, answer: object) => ({ id: message.id, ...answer }),
      { data: 'yes' },
      { error: { message: 'no' } },
    ],
    [
      'jsonRpc',
      jsonRpc(),
      (message: { id: number }, answer: object) => ({ jsonrpc: '2.0', id: message.id, ...answer }),
      { result: 'yes' },
      { error: { code: 1, message: 'no' } },
    ],
  ])('is answered in the words of %s', async (_name, codec, envelope, yes, no) => {
    const { open } = await startOpen({ codec })
    const { client, connection } = await open()
    const first = connection.request('ask', { a: 1 })
    const second = connection.request('ask', { a: 2 })
    const asked = [await client.nextJson(), await client.nextJson()] as { id: number }[]
    client.send(envelope(asked[1] ?? { id: 0 }, no))
    client.send(envelope(asked[0] ?? { id: 0 }, yes))
    expect(await first).toBe('yes')
    await expect(second).rejects.toMatchObject({ code: 'bad_reply', message: 'no' })
  })

  it('ends with its time, its signal, or its connection (F17)', async () => {
    const { open, gateway } = await startOpen({ codec: jsonCodec() })
    const { client, connection } = await open()
    const controller = new AbortController()
    const late = codeOf(connection.request('ask', 1, { timeoutMs: 30 }))
    const cancelled = codeOf(connection.request('ask', 1, { signal: controller.signal }))
    const closed = codeOf(connection.request('ask', 1))
    controller.abort()
    expect([await late, await cancelled]).toStrictEqual(['timeout', 'cancelled'])
    expect(await codeOf(connection.request('ask', 1, { signal: controller.signal }))).toBe('cancelled')
    const { id } = (await client.nextJson()) as { id: number }
    client.send({ id, data: 'too late' })
    await vi.waitFor(() => expect(statOf(gateway, 'messages_ignored_total')).toBe(1))
    client.ws.terminate()
    expect(await closed).toBe('closed')
    expect(await codeOf(connection.request('ask', 1))).toBe('closed')
  })

  it('is told to its caller when nobody has asked, and an answer that comes too late is not', async () => {
    const { open, gateway } = await startOpen({ codec: jsonCodec() })
    const { client, connection } = await open()
    client.send({ id: 1, data: 'never asked' })
    const error = { code: 'invalid_request', message: '"type" is missing or not a string' }
    expect(await client.nextJson()).toStrictEqual({ id: 1, error })
    const asked = codeOf(connection.request('ask', 1, { timeoutMs: 1 }))
    await client.nextJson()
    expect(await asked).toBe('timeout')
    client.send({ id: 1, data: 'late' })
    client.send({ id: 'x', method: 'ask' })
    expect(await client.nextJson()).toStrictEqual({ id: 'x', error })
    expect(statOf(gateway, 'messages_ignored_total')).toBe(1)
  })

  it('finds its bound, and codecs that have no such words', async () => {
    const json = await startOpen({ codec: jsonCodec() })
    const { connection } = await json.open()
    const asked = Array.from({ length: 101 }, () => codeOf(connection.request('ask')))
    expect(await asked[100]).toBe('overloaded')
    connection.terminate()
    await Promise.all(asked)
    const raw = await startOpen()
    const { connection: plain } = await raw.open()
    expect(await codeOf(plain.request('ask'))).toBe('unsupported')
    expect(() => plain.notify('news')).toThrow(expect.objectContaining({ code: 'unsupported' }))
  })
})

describe('messages()', () => {
  it('takes the messages over, one by one, and does not read while nobody asks', async () => {
    const { open, gateway } = await startOpen({ messagesPerSecond: Infinity })
    const { client, connection } = await open()
    const messages = connection.messages()
    expect(() => connection.messages()).toThrow(TypeError)
    for (let number = 0; number < 5000; number += 1) client.send(String(number))
    client.send(Buffer.from('end'))
    const got: string[] = []
    for await (const message of messages) {
      got.push(message.text)
      if (message.binary) break
    }
    expect(got).toStrictEqual([...Array.from({ length: 5000 }, (_, index) => String(index)), 'end'])
    // After that the routes have them again.
    client.send('route')
    expect(await client.next()).toBe('route')
    expect(statOf(gateway, 'messages_waiting')).toBe(0)
  })

  it('end with the connection, after what was read', async () => {
    const { open } = await startOpen()
    const { client, connection } = await open()
    const messages = connection.messages()
    const first = messages.next()
    client.send('one')
    client.send('two')
    expect((await first).value?.text).toBe('one')
    client.ws.close()
    const rest: string[] = []
    for await (const message of messages) rest.push(message.text)
    expect(rest).toStrictEqual(['two'])
    expect(await connection.messages().next()).toStrictEqual({ done: true, value: undefined })
  })
})
