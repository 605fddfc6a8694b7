// SPDX-License-Identifier: Apache-2.0
import { setTimeout as delay } from 'node:timers/promises'
import type { Principal } from '@nats-edge/wire-parser'
import * as fc from 'fast-check'
import { Hono, type Context, type Next } from 'hono'
import { afterEach, describe, expect, inject, it, onTestFinished, vi } from 'vitest'
import { jsonCodec } from '../codec/json.ts'
import { jsonRpc } from '../codec/json-rpc.ts'
import type { GatewayOptions } from '../options.ts'
import { HandshakeRefused, testGateway, type TestGateway, type TestGatewayOptions } from '../testing.ts'
import { wsGateway, type WsGateway } from '../ws-gateway.ts'
import { handshake } from '../upgrade/hosts.test-support.ts'

interface Rig extends TestGateway {
  readonly gateway: WsGateway
}

function start(
  build: (gateway: WsGateway) => unknown,
  { gateway: gatewayOptions, ...options }: TestGatewayOptions & { readonly gateway?: GatewayOptions } = {},
): Rig {
  const gateway = wsGateway(gatewayOptions)
  build(gateway)
  const rig = testGateway(gateway, options)
  onTestFinished(() => rig.close())
  return Object.assign(rig, { gateway })
}

const echo = (gateway: WsGateway): unknown => gateway.channel('/echo').default(({ data }) => data)

describe('testGateway()', () => {
  it('carries text, bytes and fragments through the real handshake and back (F16)', async () => {
    const rig = start(echo)
    const client = await rig.connect('/echo')
    client.send('hello')
    expect(await client.next()).toBe('hello')
    client.send(new Uint8Array([1, 2, 3]))
    expect(await client.next()).toEqual(Buffer.from([1, 2, 3]))
    client.sendFragments(['in ', 'three ', 'parts'])
    expect(await client.next()).toBe('in three parts')
    expect(await client.close(1000, 'done')).toEqual({ code: 1000, reason: 'done', wasClean: true })
    expect(await rig.leakReport()).toEqual({})
  })

  it('carries a megabyte each way past its buffers', async () => {
    const rig = start((gateway) =>
      gateway.channel('/', { maxMessageBytes: 2 ** 21, bytesPerSecond: Infinity }).default(({ data }) => data),
    )
    const client = await rig.connect('/')
    const message = Buffer.alloc(2 ** 20, 'x')
    client.send(message)
    const answer = await client.next()
    expect(message.compare(answer as Uint8Array)).toBe(0)
  })

  it('shows the gateway the address, the headers and the subprotocol it is told', async () => {
    const rig = start((gateway) => {
      gateway
        .channel('/who/:name', {
          subprotocols: ['v2'],
          onConnect: (c, { ip, params }) => ({ ip, name: params['name'], agent: c.req.header('user-agent') }),
        })
        .default((request) => JSON.stringify(request.connection.data))
    })
    const client = await rig.connect('/who/ada', {
      ip: '203.0.113.7',
      headers: { 'User-Agent': 'test' },
      protocols: ['v1', 'v2'],
    })
    expect(client.protocol).toBe('v2')
    client.send('?')
    expect(await client.nextJson()).toEqual({ ip: '203.0.113.7', name: 'ada', agent: 'test' })
  })

  it('mounts the gateway in an app with middleware', async () => {
    const gateway = wsGateway()
    gateway.channel('/echo').default(({ data }) => data)
    const app = new Hono()
    app.use('/ws/*', async (c: Context, next: Next) => {
      await next()
      c.header('X-Seen', 'yes')
    })
    app.route('/ws', gateway.routes)
    const rig = testGateway(gateway, { app })
    onTestFinished(() => rig.close())
    const client = await rig.connect('/ws/echo')
    expect(client.response.headers['x-seen']).toBe('yes')
  })

  it('rejects with status, headers, body and code of a refusal', async () => {
    const rig = start(echo, { gateway: { maxConnectionsPerIp: 1 } })
    await rig.connect('/echo')
    const refused = await rig.connect('/echo').catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(HandshakeRefused)
    expect(refused).toMatchObject({ status: 503, code: 'too_many_connections' })
    expect((refused as HandshakeRefused).headers['retry-after']).toBeDefined()
    await expect(rig.connect('/nowhere')).rejects.toMatchObject({ status: 404, code: undefined })
    await rig.connect('/echo', { ip: '192.0.2.2' })
  })

  it('rejects next() when the client is closed, and when nothing comes in time', async () => {
    const rig = start((gateway) => {
      gateway.channel('/silent').default(() => undefined)
    })
    const client = await rig.connect('/silent')
    await expect(client.next(5)).rejects.toThrow('no message within 5 ms')
    const next = client.next()
    await client.close(4000, 'bye')
    await expect(next).rejects.toThrow('no further message: closed with 4000 bye')
    await expect(client.next()).rejects.toThrow('closed with 4000')
  })

  it('negotiates compression where both want it', async () => {
    const rig = start((gateway) => gateway.channel('/', { compression: {} }).default(({ data }) => data))
    const client = await rig.connect('/', { compression: true })
    expect(client.ws.extensions).toContain('permessage-deflate')
    const text = 'again '.repeat(1000)
    client.send(text)
    expect(await client.next()).toBe(text)
    expect(client.socket.bytesRead).toBeLessThan(2000)
  })
})

describe('chaos', () => {
  it('is refused where it makes no sense, naming the number', () => {
    const gateway = wsGateway()
    const make = (chaos: TestGatewayOptions['chaos'] & object) => () => testGateway(gateway, { chaos })
    expect(make({ toServer: { chunkBytes: 0 } })).toThrow('chaos.toServer.chunkBytes: 0')
    expect(make({ toClient: { delayMs: [5, 1] } })).toThrow('chaos.toClient.delayMs: 5,1')
    expect(make({ toClient: { cutAfterBytes: Number.NaN } })).toThrow(RangeError)
  })

  it('splits and delays without changing a byte or the order, whatever the seed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.array(fc.string({ maxLength: 300 }), { minLength: 1, maxLength: 5 }),
        async (seed, texts) => {
          const chaos = { chunkBytes: [1, 40], delayMs: [0, 1] } as const
          const gateway = wsGateway()
          gateway.channel('/').default(({ data }) => data)
          const rig = testGateway(gateway, { seed, chaos: { toServer: chaos, toClient: chaos } })
          const client = await rig.connect('/')
          for (const text of texts) client.send(text)
          const answers: unknown[] = []
          for (const _ of texts) answers.push(await client.next())
          await client.close()
          const leaks = await rig.leakReport()
          await rig.close()
          expect([answers, leaks]).toEqual([texts, {}])
        },
      ),
      { numRuns: Math.min(inject('propertyRuns') / 50, 500) },
    )
  })

  it('draws the same from the same seed (F16)', async () => {
    const arrivals = async (seed: number): Promise<number[]> => {
      const rig = start(echo, { seed, chaos: { toClient: { chunkBytes: [1, 60] } } })
      const client = await rig.connect('/echo')
      const sizes: number[] = []
      client.socket.on('data', (chunk: Buffer) => sizes.push(chunk.length))
      client.send('x'.repeat(2000))
      await client.next()
      return sizes
    }
    const first = await arrivals(7)
    expect(first.length).toBeGreaterThan(20)
    expect(await arrivals(7)).toEqual(first)
    expect(await arrivals(8)).not.toEqual(first)
  })

  it('cuts a connection in mid-message, for both ends', async () => {
    const disconnects: number[] = []
    const rig = start((gateway) =>
      gateway
        .channel('/', { onDisconnect: (_connection, { code }) => void disconnects.push(code) })
        .default(({ data }) => data),
    )
    const client = await rig.connect('/', { chaos: { toClient: { cutAfterBytes: 200 } } })
    client.send('x'.repeat(1000))
    expect(await client.closed).toMatchObject({ code: 1006, wasClean: false })
    expect(await rig.leakReport()).toEqual({})
    expect(disconnects).toEqual([1006])
    const other = await rig.connect('/')
    other.cut()
    expect(await rig.leakReport()).toEqual({})
  })

  it('takes bytes no faster than a slow reader', async () => {
    const rig = start((gateway) => {
      gateway
        .channel('/', { sendBufferBytes: 200_000, lowWaterBytes: 50_000 })
        .default(({ connection }) => void connection.send('x'.repeat(150_000)))
    })
    const client = await rig.connect('/', { chaos: { toClient: { bytesPerSecond: 1_000_000 } } })
    const startMs = performance.now()
    client.send('go')
    await client.next()
    expect(performance.now() - startMs).toBeGreaterThan(140)
  })

  it('lets what a client does not read pile up in the gateway, up to its policy', async () => {
    const rig = start((gateway) => {
      gateway.channel('/', { sendBufferBytes: 100_000, lowWaterBytes: 20_000 }).default(({ connection }) => {
        while (connection.send('x'.repeat(1000)));
      })
    })
    const client = await rig.connect('/')
    client.stall()
    client.send('go')
    await vi.waitFor(() => expect([...rig.gateway.registry].map(({ state }) => state)).toEqual(['closing']))
    client.resume()
    expect(await client.closed).toMatchObject({ code: 4108 })
    expect(client.received.length).toBeGreaterThan(0)
    expect(client.received.length).toBeLessThanOrEqual(100)
    expect(await rig.leakReport()).toEqual({})
  })
})

describe('time', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  it('passes by fake timers: a half-open client is reaped by the heartbeat (F16)', async () => {
    const rig = start((gateway) => {
      gateway.channel('/', { heartbeatMs: 25_000, heartbeatTimeoutMs: 10_000 })
    })
    await rig.connect('/warm').catch(() => {})
    vi.useFakeTimers()
    const [silent, lively] = [await rig.connect('/'), await rig.connect('/')]
    silent.vanish()
    await vi.advanceTimersByTimeAsync(34_000)
    expect(rig.gateway.registry.size).toBe(2)
    await vi.advanceTimersByTimeAsync(3000)
    expect(rig.gateway.registry.size).toBe(1)
    expect(lively.ws.readyState).toBe(1)
    vi.useRealTimers()
  })
})

describe('leakReport()', () => {
  const principal: Principal = {
    id: 'test:ada',
    name: 'ada',
    claims: {},
    permissions: { allows: () => true, covers: () => 'all' },
  }

  it('names what is held, and is empty when all of it is back (F16)', async () => {
    let finish: ((value: string) => void) | undefined
    const rig = start(
      (gateway) => {
        gateway
          .channel('/room', { codec: jsonCodec(), order: 'unordered' })
          .route('join', async ({ connection }) => connection.join('lobby'))
          .route('wait', () => new Promise((resolve) => (finish = resolve)))
      },
      { gateway: { principal: () => principal } },
    )
    expect(await rig.leakReport(0)).toEqual({})
    const client = await rig.connect('/room')
    client.send({ type: 'join', id: 1 })
    await client.next()
    client.send({ type: 'wait', id: 2 })
    await vi.waitFor(() => expect(finish).toBeDefined())
    const held = await rig.leakReport(20)
    expect(held).toMatchObject({
      'connections route=/room': 1,
      connections_reserved: 1,
      'requests_active route=/room key=wait': 1,
      rooms: 1,
      room_members: 1,
      sockets: 2,
    })
    expect(Object.keys(held).join()).toContain('timers set at heartbeat.ts')
    await client.close()
    // The handler looks at no signal: its request lives on.
    expect(await rig.leakReport(20)).toMatchObject({ 'requests_active route=/room key=wait': 1 })
    finish?.('late')
    expect(await rig.leakReport()).toEqual({})
  })

  it('counts a question to a client that was not answered, by its deadline', async () => {
    const rig = start((gateway) => {
      gateway.channel('/', { codec: jsonRpc() }).route('ask', async ({ connection }) => {
        await connection.request('sum', [1, 2], { timeoutMs: 60_000 })
      })
    })
    const client = await rig.connect('/')
    client.send({ jsonrpc: '2.0', method: 'ask' })
    await client.next()
    expect(await rig.leakReport(20)).toMatchObject({ deadlines: 1 })
    client.vanish()
    client.ws.terminate()
    for (const connection of rig.gateway.registry) connection.terminate()
    expect(await rig.leakReport()).toEqual({})
  })

  it('counts a handshake that is neither finished nor given up', async () => {
    let admit: (() => void) | undefined
    const aborted: string[] = []
    const rig = start((gateway) => {
      gateway.channel<string>('/slow', {
        onConnect: () => new Promise((resolve) => (admit = () => resolve('data'))),
        onAbort: (data) => void aborted.push(data),
      })
    })
    const socket = rig.socket()
    socket.write(handshake('/slow'))
    await vi.waitFor(() => expect(admit).toBeDefined())
    expect(await rig.leakReport(20)).toMatchObject({ connections_reserved: 1, sockets: 2 })
    expect(Object.keys(await rig.leakReport(0)).join()).toContain('timers set at upgrade/target.ts')
    socket.destroy()
    expect(await rig.leakReport()).toEqual({})
    admit?.()
    await vi.waitFor(() => expect(aborted).toEqual(['data']))
  })

  it('sees the listeners left on what it is told to look at', async () => {
    const leaver = new AbortController()
    const gateway = wsGateway()
    gateway.channel('/').default(({ connection }) => {
      leaver.signal.addEventListener('abort', () => connection.terminate())
    })
    const rig = testGateway(gateway, { listenTo: [leaver.signal] })
    onTestFinished(() => rig.close())
    const client = await rig.connect('/')
    client.send('listen')
    await client.close()
    await vi.waitFor(async () => expect(await rig.leakReport(0)).toEqual({ listeners: 1 }))
  })

  it('waits for what takes its time', async () => {
    const rig = start((gateway) => {
      gateway.channel('/').default(async () => {
        await delay(30)
        return 'late'
      })
    })
    const client = await rig.connect('/')
    client.send('work')
    client.cut()
    expect(await rig.leakReport(0)).not.toEqual({})
    expect(await rig.leakReport()).toEqual({})
  })
})
