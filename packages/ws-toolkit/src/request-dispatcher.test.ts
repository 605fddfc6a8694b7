// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, vi } from 'vitest'
import type { ChannelOptions } from './channel-options.ts'
import { eventsOf, startGateway, statOf, type Rig } from './gateway.test-support.ts'
import { jsonCodec, jsonRpc, rawCodec, WsError, type Channel, type Codec } from './index.ts'
import { gate, type Gate } from './upgrade/hosts.test-support.ts'

function start(options: ChannelOptions, build: (channel: Channel) => unknown): Promise<Rig> {
  return startGateway((gateway) => build(gateway.channel('/', { messagesPerSecond: Infinity, ...options })))
}

/** Handlers that wait until the test opens the door of their number. */
function doors(): { open(name: string): void; passed(name: string): Promise<void> } {
  const gates = new Map<string, Gate<void>>()
  const gateOf = (name: string): Gate<void> => {
    const known = gates.get(name) ?? gate()
    gates.set(name, known)
    return known
  }
  return { open: (name) => gateOf(name).open(), passed: (name) => gateOf(name).passed }
}

describe('requests', () => {
  it('go through the middleware of the channel and of their route, the first added outermost', async () => {
    const trace: string[] = []
    const step =
      (name: string) =>
      (_request: unknown, next: () => unknown): unknown => {
        trace.push(`${name} in`)
        const reply = next()
        trace.push(`${name} out`)
        return reply
      }
    const { connect } = await start({ codec: jsonCodec() }, (channel) =>
      channel
        .use(step('a'), step('b'))
        .route('x', step('c'), () => trace.push('handler'))
        .route('y', () => trace.push('other'))
        .use(step('d')),
    )
    const client = await connect()
    client.send({ type: 'x', id: 1 })
    await client.next()
    expect(trace).toStrictEqual(['a in', 'b in', 'd in', 'c in', 'handler', 'c out', 'd out', 'b out', 'a out'])
  })

  it('may be changed on the way, without anybody else seeing it (D12)', async () => {
    const seen: unknown[] = []
    const { connect } = await start({ codec: jsonCodec() }, (channel) =>
      channel
        .use((request, next) => {
          const reply = next(request.with({ data: 'changed' }))
          seen.push(request.data)
          return reply
        })
        .route('x', (request) => request.data),
    )
    const client = await connect()
    client.send({ type: 'x', data: 'sent' })
    expect(await client.nextJson()).toStrictEqual({ type: 'x', data: 'changed' })
    expect(seen).toStrictEqual(['sent'])
  })

  it('can have their extra answers and their close taken over', async () => {
    const replies: unknown[] = []
    const closes: unknown[] = []
    const { connect } = await start({ codec: jsonCodec() }, (channel) =>
      channel
        .use((request, next) =>
          next(
            request.with({
              reply: (value) => replies.push(value) > 0,
              close: async (code) => {
                closes.push(code)
                return { code: 0, reason: '', wasClean: true }
              },
            }),
          ),
        )
        .route('x', async (request) => {
          request.reply('extra')
          await request.connection.close(4444)
          return `still ${request.connection.state}`
        }),
    )
    const client = await connect()
    client.send({ type: 'x', id: 1 })
    expect(await client.nextJson()).toStrictEqual({ type: 'x', id: 1, data: 'still open' })
    expect([replies, closes]).toStrictEqual([['extra'], [4444]])
  })

  it('have the params of their route', async () => {
    const { connect } = await start({ codec: jsonCodec() }, (channel) =>
      channel.route(['user.*.>', 'plain'], (request) => [request.key, request.route, ...request.params]),
    )
    const client = await connect()
    client.send({ type: 'user.7.a.b' })
    client.send({ type: 'plain' })
    expect(await client.nextJson()).toMatchObject({ data: ['user.7.a.b', 'user.*.>', '7', 'a.b'] })
    expect(await client.nextJson()).toMatchObject({ data: ['plain', 'plain'] })
  })

  it('stay synchronous where every link is', async () => {
    let inside = false
    const { connect } = await start({}, (channel) =>
      channel
        .use((_request, next) => {
          inside = true
          const reply = next()
          inside = false
          return reply
        })
        .default((request) => `${String(request.data)} ${inside}`),
    )
    const client = await connect()
    client.send('sync')
    expect(await client.next()).toBe('sync true')
  })

  it('keep their bytes for ever, whatever is read after them (D2)', async () => {
    const kept: Uint8Array[] = []
    const { connect } = await start({ bytesPerSecond: Infinity }, (channel) =>
      channel.default(({ bytes }) => void kept.push(bytes)),
    )
    const client = await connect()
    const sent = Array.from({ length: 3000 }, (_, index) => `${index}:${'x'.repeat((index * 7) % 400)}`)
    for (const text of sent) client.send(text)
    await vi.waitFor(() => expect(kept).toHaveLength(sent.length))
    expect(kept.findIndex((bytes, index) => Buffer.from(bytes).toString() !== sent[index])).toBe(-1)
  })

  it('may be answered many times, or not at all', async () => {
    const { connect } = await start({ codec: jsonCodec() }, (channel) =>
      channel
        .route('many', (request) => {
          request.reply(1)
          request.reply(2)
          return 3
        })
        .route('none', () => undefined),
    )
    const client = await connect()
    client.send({ type: 'none', id: 1 })
    client.send({ type: 'many', id: 2 })
    expect([await client.nextJson(), await client.nextJson(), await client.nextJson()]).toStrictEqual(
      [1, 2, 3].map((data) => ({ type: 'many', id: 2, data })),
    )
  })

  it('are told to observe, with the pattern of their route and their result', async () => {
    const rig = await start({ codec: jsonCodec() }, (channel) =>
      channel.route('get.*', (request) => {
        if (request.params[0] === 'bad') throw new WsError('conflict')
        return 'ok'
      }),
    )
    const client = await rig.connect()
    for (const type of ['get.a', 'get.bad', 'what']) {
      client.send({ type })
      await client.next()
    }
    const finished = eventsOf(rig, 'request.finished').map(({ channel, route, code, bytesIn }) => [
      channel,
      route,
      code,
      bytesIn,
    ])
    expect(finished).toStrictEqual([
      ['/', 'get.*', 'ok', 16],
      ['/', 'get.*', 'conflict', 18],
      ['/', '(none)', 'not_found', 15],
    ])
    expect(statOf(rig.gateway, 'message_results_total', { key: 'get.*', code: 'ok' })).toBe(1)
    expect(statOf(rig.gateway, 'message_results_total', { key: '(none)', code: 'not_found' })).toBe(1)
  })
})

describe('errors', () => {
  it('are answered in the words of the codec, without their cause', async () => {
    const rig = await start({ codec: jsonCodec() }, (channel) =>
      channel
        .route('known', () => {
          throw new WsError('conflict', { message: 'taken', details: { by: 'bob' }, cause: new Error('secret') })
        })
        .route('unknown', async () => {
          throw new Error('secret')
        })
        .route('unsendable', () => 1n),
    )
    const client = await rig.connect()
    client.send({ type: 'known', id: 1 })
    expect(await client.nextJson()).toStrictEqual({
      type: 'known',
      id: 1,
      error: { code: 'conflict', message: 'taken', details: { by: 'bob' } },
    })
    for (const type of ['unknown', 'unsendable']) {
      client.send({ type, id: 2 })
      expect(await client.nextJson()).toStrictEqual({
        type,
        id: 2,
        error: { code: 'internal', message: 'internal error' },
      })
    }
    // What is not ours is told to the operator, what is ours is an answer like any other.
    expect(eventsOf(rig, 'handler.failed').map(({ handler }) => handler)).toStrictEqual(['handler', 'handler'])
    expect(statOf(rig.gateway, 'handler_failures_total')).toBe(2)
  })

  it.each([
    ['jsonCodec', jsonCodec(), '{', { error: { code: 'parse_error', message: 'the message is not JSON' } }],
    [
      'jsonRpc',
      jsonRpc(),
      '{',
      {
        jsonrpc: '2.0',
        id: null,
        error: { code: -32700, message: 'the message is not JSON', data: { code: 'parse_error' } },
      },
    ],
    [
      'jsonRpc',
      jsonRpc(),
      '[]',
      {
        jsonrpc: '2.0',
        id: null,
        error: { code: -32600, message: 'an empty batch', data: { code: 'invalid_request' } },
      },
    ],
  ])('of %s answer what cannot be decoded, and leave the connection open', async (_name, codec, text, answer) => {
    const { connect } = await start({ codec }, (channel) => channel.route('x', () => 1))
    const client = await connect()
    client.send(text)
    expect(await client.nextJson()).toStrictEqual(answer)
    expect(client.ws.readyState).toBe(client.ws.OPEN)
  })

  it.each([
    ['internal', 1011],
    ['unauthorized', 4002],
    ['overloaded', 1013],
    ['rate_limited', 1008],
    ['parse_error', 1007],
    ['unsupported_data', 1003],
    ['invalid_request', 1008],
    ['draining', 1012],
    ['body_too_large', 1009],
  ] as const)('%s closes a channel whose codec has no words with %i', async (code, close) => {
    const { connect } = await start({}, (channel) =>
      channel.default(() => {
        throw new WsError(code, { message: 'why' })
      }),
    )
    const client = await connect()
    client.send('x')
    expect(await client.closed).toStrictEqual({ code: close, reason: 'why' })
  })

  it.each([
    'not_found',
    'timeout',
    'no_responders',
    'circuit_open',
    'invalid_params',
    'disconnected',
    'bad_reply',
    'cancelled',
  ] as const)('%s leaves such a channel open, and is only told to observe', async (code) => {
    const rig = await start({}, (channel) =>
      channel.default((request) => {
        if (request.data === 'x') throw new WsError(code)
        return request.data
      }),
    )
    const client = await rig.connect()
    client.send('x')
    client.send('y')
    expect(await client.next()).toBe('y')
    expect(eventsOf(rig, 'request.finished')[0]?.code).toBe(code)
  })

  it('of a codec that throws what is no WsError are a parse error, and a failure of the codec', async () => {
    const broken: Codec = {
      ...jsonCodec(),
      decode: () => {
        throw new RangeError('bug')
      },
    }
    const rig = await start({ codec: broken }, (channel) => channel.route('x', () => 1))
    const client = await rig.connect()
    client.send('x')
    expect(await client.nextJson()).toMatchObject({ error: { code: 'parse_error' } })
    expect(eventsOf(rig, 'handler.failed').map(({ handler }) => handler)).toStrictEqual(['codec'])
  })

  it('of one request leave the others alone (D28)', async () => {
    const { connect } = await start({ codec: jsonCodec() }, (channel) =>
      channel.route('x', async (request) => {
        if (request.data === 'bad') throw new Error('bad')
        return request.data
      }),
    )
    const client = await connect()
    for (const data of ['a', 'bad', 'b']) client.send({ type: 'x', id: data, data })
    const answers = [await client.nextJson(), await client.nextJson(), await client.nextJson()]
    expect(answers).toContainEqual({ type: 'x', id: 'a', data: 'a' })
    expect(answers).toContainEqual({ type: 'x', id: 'b', data: 'b' })
    expect(answers).toContainEqual({ type: 'x', id: 'bad', error: { code: 'internal', message: 'internal error' } })
  })
})

describe('concurrency', () => {
  it('stops reading at its number, and goes on below it (D35)', async () => {
    const door = doors()
    let running = 0
    let most = 0
    const { connect, gateway } = await start({ concurrency: 3 }, (channel) =>
      channel.default(async (request) => {
        running += 1
        most = Math.max(most, running)
        await door.passed(String(request.data))
        running -= 1
        return request.data
      }),
    )
    const client = await connect()
    for (let number = 0; number < 10; number += 1) client.send(String(number))
    await vi.waitFor(() => expect(statOf(gateway, 'messages_waiting')).toBeGreaterThan(0))
    expect(running).toBe(3)
    for (let number = 0; number < 10; number += 1) {
      door.open(String(number))
      expect(await client.next()).toBe(String(number))
    }
    expect(most).toBe(3)
    expect(statOf(gateway, 'messages_waiting')).toBe(0)
  })

  it('takes what one read had too much of in order, and loses none (D35)', async () => {
    const started: number[] = []
    const { connect } = await start({ concurrency: 1 }, (channel) =>
      channel.default(async (request) => {
        started.push(Number(request.data))
      }),
    )
    const client = await connect()
    // Far more than one read of 64 KiB.
    for (let number = 0; number < 20_000; number += 1) client.send(String(number))
    await vi.waitFor(() => expect(started).toHaveLength(20_000), { timeout: 10_000 })
    expect(started.every((number, index) => number === index)).toBe(true)
  })

  it('of 0 is refused (D5)', async () => {
    await expect(start({ concurrency: 0 }, () => {})).rejects.toThrow(
      new RangeError('concurrency: 0 is not a whole number from 1 to 2147483647'),
    )
  })

  it('gives no slot to what is refused while the connection is closing (D4)', async () => {
    const door = doors()
    const { connect, gateway } = await start({ codec: jsonCodec(), concurrency: 2 }, (channel) =>
      channel.route('wait', () => door.passed('wait').then(() => 'done')),
    )
    const client = await connect()
    client.send({ type: 'wait', id: 0 })
    await vi.waitFor(() => expect(statOf(gateway, 'messages_total', { direction: 'in' })).toBe(1))
    const [connection] = gateway.registry
    const closed = connection?.close(4300, '', { wait: new AbortController().signal })
    for (let id = 1; id <= 20; id += 1) client.send({ type: 'wait', id })
    for (let id = 1; id <= 20; id += 1) {
      expect(await client.nextJson()).toMatchObject({ id, error: { code: 'draining' } })
    }
    door.open('wait')
    expect(await client.nextJson()).toMatchObject({ id: 0, data: 'done' })
    expect((await client.closed).code).toBe(4300)
    expect(await closed).toMatchObject({ wasClean: true })
  })

  it('lets go of the slots of requests whose connection is gone', async () => {
    const aborted: string[] = []
    const { connect, gateway } = await start({ concurrency: 2 }, (channel) =>
      channel.default(
        (request) =>
          new Promise((resolve) => {
            request.signal.addEventListener('abort', () => {
              aborted.push(String(request.data))
              resolve(undefined)
            })
          }),
      ),
    )
    const client = await connect()
    for (const text of ['a', 'b', 'c']) client.send(text)
    await vi.waitFor(() => expect(statOf(gateway, 'messages_waiting')).toBe(1))
    client.ws.terminate()
    await vi.waitFor(() => expect(aborted).toStrictEqual(['a', 'b']))
    expect(statOf(gateway, 'connections')).toBe(0)
  })
})

describe('order', () => {
  const delays = (request: { readonly data: unknown }): Promise<unknown> => {
    const turns = Math.floor(Math.random() * 4)
    let wait: Promise<unknown> = Promise.resolve()
    for (let turn = 0; turn < turns; turn += 1) wait = wait.then(() => new Promise(setImmediate))
    return wait.then(() => request.data)
  }

  it('of 20,000 pipelined answers is that of their requests with fifo (D1)', async () => {
    const { connect } = await start({ replyOrder: 'fifo' }, (channel) => channel.default(delays))
    const client = await connect()
    for (let number = 0; number < 20_000; number += 1) client.send(String(number))
    await vi.waitFor(() => expect(client.messages).toHaveLength(20_000), { timeout: 15_000 })
    expect(client.messages.findIndex((text, index) => text !== String(index))).toBe(-1)
  })

  it('of starts is kept even if decoding is asynchronous (D1)', async () => {
    const started: string[] = []
    const slow: Codec = {
      ...rawCodec(),
      decode: async (bytes, binary) => {
        for (let turn = Number(bytes.toString()) % 3; turn > 0; turn -= 1) await new Promise(setImmediate)
        return rawCodec().decode(bytes, binary)
      },
    }
    const { connect } = await start({ codec: slow }, (channel) =>
      channel.default((request) => void started.push(String(request.data))),
    )
    const client = await connect()
    const numbers = Array.from({ length: 200 }, (_, index) => String(200 - index))
    for (const number of numbers) client.send(number)
    await vi.waitFor(() => expect(started).toHaveLength(200))
    expect(started).toStrictEqual(numbers)
  })

  it('unordered starts whatever is decoded first', async () => {
    const started: string[] = []
    const door = doors()
    const slow: Codec = {
      ...rawCodec(),
      decode: async (bytes, binary) => {
        if (bytes.toString() === 'slow') await door.passed('slow')
        return rawCodec().decode(bytes, binary)
      },
    }
    const { connect } = await start({ codec: slow, order: 'unordered' }, (channel) =>
      channel.default((request) => void started.push(String(request.data))),
    )
    const client = await connect()
    client.send('slow')
    client.send('fast')
    await vi.waitFor(() => expect(started).toStrictEqual(['fast']))
    door.open('slow')
    await vi.waitFor(() => expect(started).toStrictEqual(['fast', 'slow']))
  })

  it('by key runs one request of a key at a time, in order, and other keys beside it (F23)', async () => {
    const running = new Map<string, number>()
    const trace = new Map<string, number[]>()
    let together = 0
    let mostOfOne = 0
    const { connect } = await start({ codec: jsonCodec(), order: 'key', concurrency: 10 }, (channel) =>
      channel.route('*', async (request) => {
        const { key } = request
        running.set(key, (running.get(key) ?? 0) + 1)
        mostOfOne = Math.max(mostOfOne, running.get(key) ?? 0)
        together = Math.max(
          together,
          [...running.values()].reduce((sum, count) => sum + count, 0),
        )
        trace.set(key, [...(trace.get(key) ?? []), Number(request.data)])
        await delays(request)
        running.set(key, (running.get(key) ?? 0) - 1)
        return request.data
      }),
    )
    const client = await connect()
    for (let number = 0; number < 300; number += 1) client.send({ type: `k${number % 3}`, data: number })
    await vi.waitFor(() => expect(client.messages).toHaveLength(300), { timeout: 10_000 })
    expect(mostOfOne).toBe(1)
    expect(together).toBeGreaterThan(1)
    for (const [key, numbers] of trace) {
      expect(numbers).toStrictEqual(Array.from({ length: 100 }, (_, index) => index * 3 + Number(key.slice(1))))
    }
  })

  it('by key serves other keys for as long as one is slow (F23)', async () => {
    const door = doors()
    const { connect } = await start({ codec: jsonCodec(), order: 'key', concurrency: 3 }, (channel) =>
      channel.route('*', ({ key, data }) =>
        key === 'slow' ? door.passed('slow').then(() => data) : Promise.resolve(data),
      ),
    )
    const client = await connect()
    for (const id of [1, 2]) client.send({ type: 'slow', id, data: 'late' })
    for (const id of [3, 4, 5]) {
      client.send({ type: 'quick', id, data: 'now' })
      expect(await client.nextJson()).toStrictEqual({ type: 'quick', id, data: 'now' })
    }
    door.open('slow')
    for (const id of [1, 2]) expect(await client.nextJson()).toStrictEqual({ type: 'slow', id, data: 'late' })
  })

  it('with fifo lets no slow request gather answers without bound', async () => {
    const door = doors()
    let started = 0
    const { connect, gateway } = await start({ replyOrder: 'fifo', concurrency: 5 }, (channel) =>
      channel.default((request) => {
        started += 1
        return request.data === 'slow' ? door.passed('slow').then(() => 'slow') : request.data
      }),
    )
    const client = await connect()
    client.send('slow')
    for (let number = 0; number < 20; number += 1) client.send(String(number))
    await vi.waitFor(() => {
      expect(started).toBe(5)
      expect(statOf(gateway, 'messages_waiting')).toBeGreaterThan(0)
    })
    door.open('slow')
    await vi.waitFor(() => expect(client.messages).toHaveLength(21))
    expect(client.messages).toStrictEqual(['slow', ...Array.from({ length: 20 }, (_, index) => String(index))])
  })
})

describe('streams', () => {
  it('send every value, and say when they end', async () => {
    const { connect } = await start({ codec: jsonRpc() }, (channel) =>
      channel.route('count', async function* count(request) {
        for (let number = 1; number <= Number((request.data as number[])[0]); number += 1) yield number
      }),
    )
    const client = await connect()
    client.send({ jsonrpc: '2.0', id: 5, method: 'count', params: [3] })
    const answers = [await client.nextJson(), await client.nextJson(), await client.nextJson(), await client.nextJson()]
    expect(answers).toStrictEqual([
      ...[1, 2, 3].map((value) => ({ jsonrpc: '2.0', method: '$/stream', params: { id: 5, value } })),
      { jsonrpc: '2.0', id: 5, result: null },
    ])
  })

  it('are returned when the client cancels, and answered with that (F20)', async () => {
    let returned = false
    const { connect } = await start({ codec: jsonRpc() }, (channel) =>
      channel.route('forever', async function* forever(request) {
        try {
          yield 'first'
          await new Promise((_resolve, reject) => {
            request.signal.addEventListener('abort', () => reject(request.signal.reason as Error))
          })
        } finally {
          returned = true
        }
      }),
    )
    const client = await connect()
    client.send({ jsonrpc: '2.0', id: 1, method: 'forever' })
    await client.next()
    client.send({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id: 1 } })
    expect(await client.nextJson()).toMatchObject({ id: 1, error: { code: -32800, data: { code: 'cancelled' } } })
    await vi.waitFor(() => expect(returned).toBe(true))
  })

  it('are returned when the connection ends, even in the middle of a value (F20)', async () => {
    let returned = 0
    const endless: AsyncIterable<string> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise(() => {}),
        return: async () => {
          returned += 1
          return { done: true, value: undefined }
        },
      }),
    }
    const { connect, gateway } = await start({}, (channel) => channel.default(() => endless))
    const client = await connect()
    client.send('x')
    await vi.waitFor(() => expect(statOf(gateway, 'messages_total', { direction: 'in' })).toBe(1))
    client.ws.terminate()
    await vi.waitFor(() => expect(returned).toBe(1))
  })

  it('wait for their turn with fifo, and gather nothing before it', async () => {
    const door = doors()
    let made = 0
    const { connect } = await start({ codec: jsonCodec(), replyOrder: 'fifo' }, (channel) =>
      channel
        .route('slow', () => door.passed('slow').then(() => 'slow'))
        .route('count', async function* count() {
          for (; made < 3; made += 1) yield made
        }),
    )
    const client = await connect()
    client.send({ type: 'slow' })
    client.send({ type: 'count' })
    client.send({ type: 'slow' })
    await new Promise((resolve) => client.ws.ping(() => client.ws.once('pong', resolve)))
    expect(made).toBe(0)
    door.open('slow')
    const answers = [0, 1, 2, 3, 4, 5].map(() => client.nextJson())
    expect(await Promise.all(answers)).toMatchObject([
      { type: 'slow' },
      { type: 'count', data: 0 },
      { type: 'count', data: 1 },
      { type: 'count', data: 2 },
      { type: 'count', done: true },
      { type: 'slow' },
    ])
  })

  it('stop when the connection is being closed, however fast they are', async () => {
    let returned = false
    const { connect, gateway } = await start({}, (channel) =>
      channel.default(async function* endless() {
        try {
          for (;;) yield 'x'
        } finally {
          returned = true
        }
      }),
    )
    const client = await connect()
    client.send('x')
    await client.next()
    expect(gateway.kick(() => true, 'enough')).toBe(1)
    await vi.waitFor(() => expect(returned).toBe(true))
    expect(await client.closed).toStrictEqual({ code: 4000, reason: 'enough' })
  })

  it('that throw are answered with the error', async () => {
    const { connect } = await start({ codec: jsonCodec() }, (channel) =>
      channel.route('x', async function* broken() {
        yield 1
        throw new WsError('bad_reply')
      }),
    )
    const client = await connect()
    client.send({ type: 'x', id: 1 })
    expect(await client.nextJson()).toMatchObject({ data: 1 })
    expect(await client.nextJson()).toMatchObject({ error: { code: 'bad_reply' } })
  })

  it('are asked for more only while little waits for the client (F20)', async () => {
    let made = 0
    const piece = 'x'.repeat(10_000)
    const { connect, gateway } = await start({ sendBufferBytes: 200_000, lowWaterBytes: 50_000 }, (channel) =>
      channel.default(async function* endless() {
        for (;;) {
          made += 1
          yield piece
        }
      }),
    )
    const client = await connect()
    client.ws.pause()
    client.send('x')
    let last = -1
    await vi.waitFor(
      () => {
        const stuck = made === last
        last = made
        expect(stuck && made > 0).toBe(true)
      },
      { interval: 100, timeout: 10_000 },
    )
    // What the kernel took is its own affair: what waits here is bounded by the low mark and one value.
    expect(statOf(gateway, 'buffered_bytes')).toBeLessThan(50_000 + 2 * 10_010)
    client.ws.resume()
    await vi.waitFor(() => expect(made).toBeGreaterThan(last))
  })
})

describe('JSON-RPC', () => {
  const request = (id: number | undefined, method: string, params?: unknown): object => ({
    jsonrpc: '2.0',
    id,
    method,
    params,
  })

  it('answers a batch with one message, in which no notification and every fault has its place (F17)', async () => {
    const { connect } = await start({ codec: jsonRpc() }, (channel) =>
      channel
        .route('double', async ({ data }) => ((data as number[])[0] ?? 0) * 2)
        .route('fail', () => {
          throw new WsError('conflict')
        }),
    )
    const client = await connect()
    client.send([
      request(1, 'double', [2]),
      request(undefined, 'double', [3]),
      5,
      request(2, 'fail'),
      request(3, 'what'),
    ])
    const answers = (await client.nextJson()) as { id: number | null; error?: { code: number } }[]
    const byId = new Map(answers.map((answer) => [answer.id, answer.error?.code]))
    expect(byId).toStrictEqual(
      new Map([
        [null, -32600],
        [2, -32006],
        [3, -32601],
        [1, undefined],
      ]),
    )
    client.send([request(undefined, 'double', [1])])
    client.send(request(9, 'double', [1]))
    // The batch of notifications is met with silence.
    expect(await client.nextJson()).toMatchObject({ id: 9 })
  })

  it('starts no more of a batch at once than the connection may have under way', async () => {
    let running = 0
    let most = 0
    const { connect } = await start({ codec: jsonRpc(), concurrency: 4 }, (channel) =>
      channel.route('x', async () => {
        running += 1
        most = Math.max(most, running)
        await new Promise(setImmediate)
        running -= 1
      }),
    )
    const client = await connect()
    client.send(Array.from({ length: 30 }, (_, id) => request(id, 'x')))
    expect(await client.nextJson()).toHaveLength(30)
    expect(most).toBe(4)
  })

  it('keeps the answer to a batch in its turn', async () => {
    const door = doors()
    const { connect } = await start({ codec: jsonRpc(), replyOrder: 'fifo' }, (channel) =>
      channel.route('slow', () => door.passed('slow')).route('fast', () => 1),
    )
    const client = await connect()
    client.send(request(1, 'slow'))
    client.send([request(2, 'fast'), request(3, 'fast')])
    client.send(request(4, 'fast'))
    door.open('slow')
    expect(await client.nextJson()).toMatchObject({ id: 1 })
    expect(await client.nextJson()).toMatchObject([{ id: 2 }, { id: 3 }])
    expect(await client.nextJson()).toMatchObject({ id: 4 })
  })

  it('aborts what is cancelled, and answers at once what had not begun (F17)', async () => {
    const door = doors()
    const began: unknown[] = []
    const { connect } = await start({ codec: jsonRpc(), concurrency: 1 }, (channel) =>
      channel.route('wait', async (waiting) => {
        began.push(waiting.id)
        await Promise.race([
          door.passed('wait'),
          new Promise((_resolve, reject) => {
            waiting.signal.addEventListener('abort', () => reject(waiting.signal.reason as Error))
          }),
        ])
      }),
    )
    const client = await connect()
    client.send([
      request(1, 'wait'),
      request(2, 'wait'),
      { jsonrpc: '2.0', method: '$/cancelRequest', params: { id: 2 } },
      { jsonrpc: '2.0', method: '$/cancelRequest', params: { id: 1 } },
    ])
    expect(await client.nextJson()).toMatchObject([
      { id: 2, error: { code: -32800 } },
      { id: 1, error: { code: -32800 } },
    ])
    expect(began).toStrictEqual([1])
  })

  it('ignores the cancelling of what it does not know', async () => {
    const { connect } = await start({ codec: jsonRpc() }, (channel) => channel.route('x', () => 'fine'))
    const client = await connect()
    client.send({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id: 99 } })
    client.send(request(1, 'x'))
    expect(await client.nextJson()).toMatchObject({ id: 1, result: 'fine' })
  })
})
