// SPDX-License-Identifier: Apache-2.0
import type { Admission } from '@nats-edge/wire-parser'
import { Hono, type MiddlewareHandler } from 'hono'
import { describe, expect, inject, it, onTestFinished, vi } from 'vitest'
import { fleetSize } from './fleet.test-support.ts'
import { connectTo, eventsOf, principalOf, refusal, startGateway, statOf } from './gateway.test-support.ts'
import { bearer, type ChannelOptions, wsGateway, WsError } from './index.ts'
import {
  countingAdmission,
  gate,
  handshake,
  hosts,
  rawRequestTo,
  rawSocket,
  startAttached,
} from './upgrade/hosts.test-support.ts'

describe.each(hosts)('the way in under $name', ({ start }) => {
  it('leads through HTTP middleware, the first added outermost, and then to onConnect', async () => {
    const trace: string[] = []
    const step =
      (name: string): MiddlewareHandler =>
      async (c, next) => {
        trace.push(`${name} in`)
        await next()
        trace.push(`${name} out`)
        c.header(`X-${name}`, 'set')
      }
    const { host } = await startGateway(
      (gateway) => {
        gateway
          .channel('/:room', {
            onConnect: (c, { params, ip }) => {
              trace.push(`onConnect ${params['room']} ${ip}`)
              c.header('X-Connect', 'set')
            },
            onOpen: () => void trace.push('onOpen'),
          })
          .http(step('A'), step('B'))
      },
      { start },
    )
    const client = await connectTo(host, '/lobby')
    await vi.waitFor(() =>
      expect(trace).toStrictEqual(['A in', 'B in', 'onConnect lobby 127.0.0.1', 'B out', 'A out', 'onOpen']),
    )
    expect(client.ws.readyState).toBe(client.ws.OPEN)
  })

  it('brings what the application around it has set along, each client its own', async () => {
    const gateway = wsGateway()
    gateway
      .channel<string>('/who', { onConnect: (c) => `${c.get('tenant')} ${c.get('seat')}` })
      .http(async (c, next) => {
        c.set('seat', c.req.query('seat'))
        await next()
      })
      .default(({ connection }) => connection.data)
    const app = new Hono<{ Variables: { tenant: string } }>()
    app.use('/:tenant/*', async (c, next) => {
      c.set('tenant', c.req.param('tenant'))
      await next()
    })
    const host = await start(app.route('/:tenant', gateway.routes) as unknown as Hono)
    const clients = await Promise.all(['/acme/who?seat=1', '/other/who?seat=2'].map((path) => connectTo(host, path)))
    for (const client of clients) client.send('?')
    expect(await Promise.all(clients.map((client) => client.next()))).toStrictEqual(['acme 1', 'other 2'])
    await gateway.close({ drainMs: 0 })
  })

  it('puts the headers of middleware and of onConnect onto the 101 (D32)', async () => {
    const { host } = await startGateway(
      (gateway) => {
        gateway.channel('/', { onConnect: (c) => c.header('X-Connect', 'late') }).http(async (c, next) => {
          c.header('X-Before', '1')
          await next()
          c.header('X-After', '2')
        })
      },
      { start },
    )
    const { WebSocket } = await import('ws')
    const ws = new WebSocket(`ws://127.0.0.1:${host.port}/`)
    const headers = await new Promise<Record<string, unknown>>((resolve) => {
      ws.once('upgrade', (response) => resolve(response.headers))
    })
    expect(headers).toMatchObject({ 'x-before': '1', 'x-connect': 'late', 'x-after': '2' })
    ws.terminate()
  })

  it.each([
    ['a middleware', { http: true, status: 401 }],
    ['onConnect', { http: false, status: 403 }],
  ])('ends where %s answers, and gives the place back (D29)', async (_who, { http, status }) => {
    const admission = countingAdmission()
    const { host, gateway } = await startGateway(
      (gateway) => {
        const channel = gateway.channel('/', { onConnect: (c) => (http ? undefined : c.text('no', 403)) as undefined })
        if (http) channel.http((c) => Promise.resolve(c.text('who?', 401)))
      },
      { start, admission },
    )
    expect((await refusal(host, '/')).status).toBe(status)
    await vi.waitFor(() => expect(admission.released).toBe(1))
    expect([admission.admitted, gateway.registry.size]).toStrictEqual([1, 0])
  })

  it.each<[string, (fault: () => never) => Partial<ChannelOptions>, boolean]>([
    ['onConnect throws', (fault) => ({ onConnect: fault }), false],
    ['onConnect rejects with', (fault) => ({ onConnect: async () => fault() }), false],
    ['a middleware throws', () => ({}), true],
  ])('is closed with the status of what %s, which is told', async (_who, options, http) => {
    const fault = (): never => {
      throw new WsError('rate_limited', { message: 'not so fast', retryAfterMs: 2500 })
    }
    const rig = await startGateway(
      (gateway) => {
        const channel = gateway.channel('/', options(fault))
        if (http) channel.http(fault)
      },
      { start },
    )
    const { status, retryAfter } = await refusal(rig.host, '/')
    expect([status, retryAfter]).toStrictEqual([429, '3'])
    expect(eventsOf(rig, 'upgrade.refused')).toStrictEqual([
      { type: 'upgrade.refused', channel: '/', code: 'rate_limited', status: 429 },
    ])
    expect(eventsOf(rig, 'handler.failed')).toStrictEqual([])
  })

  it.each<[string, (error: Error) => () => Promise<undefined>]>([
    [
      'throws',
      (error) => () => {
        throw error
      },
    ],
    [
      'rejects',
      (error) => async () => {
        throw error
      },
    ],
  ])('tells of an onConnect that %s for a reason of its own, which its client is not told', async (_how, onConnect) => {
    const error = new Error('the database is called db7')
    const rig = await startGateway((gateway) => gateway.channel('/', { onConnect: onConnect(error) }), { start })
    const { status, body } = await refusal(rig.host, '/')
    expect([status, body]).toStrictEqual([500, expect.not.stringContaining('db7')])
    expect(eventsOf(rig, 'handler.failed')).toStrictEqual([
      { type: 'handler.failed', channel: '/', handler: 'onConnect', error },
    ])
  })

  it('is told of with the code of what refused', async () => {
    const rig = await startGateway(
      (gateway) => {
        gateway.channel('/bearer').http(bearer({ verify: () => undefined }))
        gateway.channel('/rooms/:room')
        gateway.channel('/v2', { subprotocols: ['v2'], requireSubprotocol: true })
      },
      { start },
    )
    for (const path of ['/bearer', '/v2', '/rooms/%ff']) await refusal(rig.host, path)
    expect(eventsOf(rig, 'upgrade.refused').map(({ channel, code, status }) => [channel, code, status])).toStrictEqual([
      ['/bearer', 'unauthorized', 401],
      ['/v2', 'unsupported_subprotocol', 400],
      ['(none)', 'bad_request', 400],
    ])
  })

  it('admits before it authenticates', async () => {
    let asked = 0
    const { host } = await startGateway(
      (gateway) => {
        gateway.channel('/').http(async (_c, next) => {
          asked += 1
          await next()
        })
      },
      { start, maxConnections: 1 },
    )
    await connectTo(host, '/')
    const { status, retryAfter } = await refusal(host, '/')
    expect([status, asked]).toStrictEqual([503, 1])
    expect(Number(retryAfter)).toBeGreaterThan(0)
  })

  it('counts a principal that a middleware has found, before onConnect (F11)', async () => {
    let connects = 0
    const { host } = await startGateway(
      (gateway) => {
        gateway.channel('/', { onConnect: () => void (connects += 1) }).http(async (c, next) => {
          c.set('principal', principalOf('ann'))
          await next()
        })
      },
      { start, maxConnectionsPerPrincipal: 2 },
    )
    const clients = [await connectTo(host, '/'), await connectTo(host, '/')]
    expect((await refusal(host, '/')).status).toBe(429)
    expect(connects).toBe(2)
    clients[0]?.ws.close()
    await clients[0]?.closed
    await vi.waitFor(async () => (await connectTo(host, '/')).ws.readyState)
  })

  it('gives messages to channels without an event object for each (D33)', async () => {
    let made = 0
    class CountedEvent<T> extends MessageEvent<T> {
      constructor(...given: ConstructorParameters<typeof MessageEvent<T>>) {
        super(...given)
        made += 1
      }
    }
    vi.stubGlobal('MessageEvent', CountedEvent)
    onTestFinished(() => void vi.unstubAllGlobals())
    const { host, gateway } = await startGateway(
      (each) => each.channel('/').default(({ bytes, data }) => (bytes instanceof Buffer ? data : 'copied')),
      { start },
    )
    const client = await connectTo(host, '/')
    for (const message of ['text', 'x'.repeat(10_000), Buffer.from('bytes')]) {
      client.send(message)
      expect(await client.next()).toBe(String(message))
    }
    expect(made).toBe(0)
    expect(gateway.registry.size).toBe(1)
  })

  it('adds no place but its channels, whatever asks (D11)', async () => {
    const { host, gateway } = await startGateway((each) => each.channel('/chat'), { start })
    const paths = [
      '/',
      '/debug/pprof/',
      '/debug/pprof/heap',
      '/json/version',
      '/metrics',
      '/stats',
      '/healthz',
      '/chat',
    ]
    for (const path of paths) {
      const plain = await fetch(`http://127.0.0.1:${host.port}${path}`)
      expect([path, plain.status]).toStrictEqual([path, 404])
      if (path !== '/chat') expect((await refusal(host, path)).status).toBe(404)
    }
    expect(gateway.routes.routes.map(({ path }) => path)).toStrictEqual(['/*'])
  })

  it('is left to others where no channel is (D32)', async () => {
    const gateway = wsGateway()
    gateway.channel('/a')
    const app = new Hono().route('/ws', gateway.routes).get('/ws/other', (c) => c.text('other'))
    const host = await start(app)
    expect((await refusal(host, '/ws/nothing')).status).toBe(404)
    expect((await refusal(host, '/a')).status).toBe(404)
    expect(await (await app.request('/ws/other')).text()).toBe('other')
    expect((await app.request('/ws/a')).status).toBe(404)
    await gateway.close({ drainMs: 0 })
  })

  it('refuses what cannot be decoded, and dot segments', async () => {
    const { host } = await startGateway((gateway) => gateway.channel('/:room'), { start })
    expect((await refusal(host, '/%ff')).status).toBe(400)
    const reply = await rawRequestTo(host, handshake('/a/%2e%2e/b'))
    expect(reply.status).toBe(400)
  })

  it('lets nobody in who left before it was open, and says so once', async () => {
    const door = gate()
    const aborted: unknown[] = []
    const signals: AbortSignal[] = []
    const rig = await startGateway(
      (gateway) => {
        gateway.channel<string>('/', {
          onConnect: async (_c, { signal }) => {
            signals.push(signal)
            await door.passed
            return 'prepared'
          },
          onAbort: (data) => {
            aborted.push(data)
            throw new Error('broken')
          },
        })
      },
      { start },
    )
    const { host, gateway } = rig
    const socket = rawSocket(host)
    socket.write(handshake('/'))
    await vi.waitFor(() => expect(signals).toHaveLength(1))
    socket.destroy()
    await vi.waitFor(() => expect(signals[0]?.aborted).toBe(true))
    door.open()
    await vi.waitFor(() => expect(aborted).toStrictEqual(['prepared']))
    expect(eventsOf(rig, 'handler.failed')).toMatchObject([{ channel: '/', handler: 'onAbort' }])
    expect(gateway.registry.size).toBe(0)
    expect(statOf(gateway, 'connections_opened_total')).toBe(0)
  })
})

describe('a channel', () => {
  it.each([
    ['/', '/', {}],
    ['/chat/:room', '/chat/a', { room: 'a' }],
    ['/:a/:b{[0-9]+}', '/x/12', { a: 'x', b: '12' }],
    ['/files/*', '/files/a/b/c', {}],
    ['/opt/:x?', '/opt', {}],
    ['/opt/:x?', '/opt/1', { x: '1' }],
  ])('at %s is found by %s (F14)', async (path, target, params) => {
    const { connect, gateway } = await startGateway((gateway) => gateway.channel(path))
    await connect(target)
    const [connection] = gateway.registry
    expect({ ...connection?.params }).toStrictEqual(params)
    expect(connection?.path).toBe(path)
  })

  it('is found below a mount point with parameters', async () => {
    const gateway = wsGateway()
    gateway.channel('/chat/:room')
    const host = await startAttached(new Hono().route('/:tenant/ws', gateway.routes))
    await connectTo(host, '/acme/ws/chat/a')
    expect([...gateway.registry][0]?.params['room']).toBe('a')
    await gateway.close({ drainMs: 0 })
  })

  it('says that app.mount() hides its path', async () => {
    const gateway = wsGateway()
    gateway.channel('/chat')
    const host = await startAttached(new Hono().mount('/x', gateway.routes.fetch))
    expect((await refusal(host, '/x/chat')).status).toBe(501)
    await gateway.close({ drainMs: 0 })
  })

  it('that was added first wins', async () => {
    const { connect, gateway } = await startGateway((gateway) => {
      gateway.channel('/:any')
      gateway.channel('/a')
    })
    await connect('/a')
    expect([...gateway.registry][0]?.path).toBe('/:any')
  })

  it('speaks the first subprotocol of the client that it knows (F14)', async () => {
    const { connect, gateway, host } = await startGateway((gateway) => {
      gateway.channel('/', { subprotocols: ['v2', 'v1'], requireSubprotocol: true })
    })
    const client = await connect('/', { protocols: ['v0', 'v1', 'v2'] })
    expect(client.ws.protocol).toBe('v1')
    expect([...gateway.registry][0]?.protocol).toBe('v1')
    const refused = await refusal(host, '/')
    expect(refused.status).toBe(400)
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'unsupported_subprotocol' })
    expect((await refusal(host, '/', { protocols: ['v0'] })).status).toBe(400)
    expect(() => wsGateway().channel('/', { requireSubprotocol: true })).toThrow(TypeError)
  })

  it('never speaks a subprotocol that was only offered (D31)', async () => {
    const { connect } = await startGateway((gateway) => gateway.channel('/'))
    await expect(connect('/', { protocols: ['bearer.secret'] })).rejects.toThrow('Server sent no subprotocol')
  })

  it.each([
    [undefined, 101],
    ['null', 403],
    ['http://evil.example', 403],
    ['http://127.0.0.1.evil.example', 403],
  ])('admits pages of its own origin, not of %s (D7)', async (origin, status) => {
    const rig = await startGateway((gateway) => gateway.channel('/'))
    const own = `http://127.0.0.1:${rig.host.port}`
    if (status === 101) {
      await rig.connect('/', { origin: own })
      await rig.connect()
    } else {
      expect((await refusal(rig.host, '/', { origin: origin ?? own })).status).toBe(status)
      expect(eventsOf(rig, 'upgrade.refused')).toMatchObject([{ channel: '/', code: 'foreign_origin', status: 403 }])
    }
  })

  it.each([
    ['no-cookie', [101, 403]],
    ['allow', [101, 101]],
    ['deny', [403, 403]],
  ] as const)('admits without Origin as missingOrigin %s says', async (missingOrigin, statuses) => {
    const { host } = await startGateway((gateway) => gateway.channel('/', { missingOrigin }))
    const seen: number[] = []
    for (const headers of [{}, { Cookie: 'a=b' }]) {
      const admitted = connectTo(host, '/', { headers }).then(() => 101)
      seen.push(await admitted.catch(async () => (await refusal(host, '/', { headers })).status))
    }
    expect(seen).toStrictEqual(statuses)
  })

  it('has a limit of its own, beside that of the gateway', async () => {
    const { connect, host, gateway } = await startGateway((gateway) => {
      gateway.channel('/small', { maxConnections: 2 })
      gateway.channel('/large')
    })
    const [first] = [await connect('/small'), await connect('/small')]
    expect((await refusal(host, '/small')).status).toBe(503)
    await connect('/large')
    first.ws.close()
    await vi.waitFor(() => expect(gateway.registry.size).toBe(2))
    await connect('/small')
  })

  it('is closed with 1009 for a message above its size, and 1008 for too many fragments (D31)', async () => {
    const rig = await startGateway((gateway) =>
      gateway.channel('/', { maxMessageBytes: 100, maxFragments: 3 }).default((request) => request.data),
    )
    const big = await rig.connect()
    big.send('x'.repeat(100))
    expect(await big.next()).toHaveLength(100)
    big.send('x'.repeat(101))
    expect((await big.closed).code).toBe(1009)
    const bits = await rig.connect()
    for (let piece = 0; piece < 4; piece += 1) bits.ws.send('x', { fin: piece === 3 })
    expect((await bits.closed).code).toBe(1008)
    await vi.waitFor(() =>
      expect(eventsOf(rig, 'connection.closed').map(({ code }) => code)).toStrictEqual([1009, 1008]),
    )
  })

  it('takes 32,768 bytes and 128 fragments where nothing else is said, and no more (D31)', async () => {
    const { connect } = await startGateway((gateway) => gateway.channel('/').default(({ data }) => data))
    const [big, bits] = [await connect(), await connect()]
    big.send('x'.repeat(32_768))
    expect(await big.next()).toHaveLength(32_768)
    big.send('x'.repeat(32_769))
    expect((await big.closed).code).toBe(1009)
    for (let piece = 0; piece < 128; piece += 1) bits.ws.send('x', { fin: piece === 127 })
    expect(await bits.next()).toHaveLength(128)
    for (let piece = 0; piece < 129; piece += 1) bits.ws.send('x', { fin: piece === 128 })
    expect((await bits.closed).code).toBe(1008)
  })

  it('takes a frame that came with the handshake', async () => {
    const { host } = await startGateway((gateway) =>
      gateway.channel('/').default((request) => `got ${String(request.data)}`),
    )
    const socket = rawSocket(host)
    // "hi", masked with zeros.
    socket.write(Buffer.concat([Buffer.from(handshake('/')), Buffer.from('8182000000006869', 'hex')]))
    let received = ''
    socket.on('data', (chunk) => (received += String(chunk)))
    await vi.waitFor(() => expect(received).toContain('got hi'))
  })
})

describe('the limits of a gateway', () => {
  it('are never exceeded by a burst (D6, F11)', async () => {
    const limit = fleetSize(1000)
    let most = 0
    const { host, gateway } = await startGateway(
      (gateway) => {
        gateway.channel('/', {
          // Each waits a while between its place and its connection.
          onConnect: async () => {
            await new Promise(setImmediate)
          },
          onOpen: () => void (most = Math.max(most, gateway.registry.size)),
        })
      },
      { maxConnections: limit },
    )
    const outcomes = await Promise.all(
      Array.from({ length: 2 * limit }, () =>
        connectTo(host, '/').then(
          () => 'open',
          () => 'refused',
        ),
      ),
    )
    expect(outcomes.filter((outcome) => outcome === 'open')).toHaveLength(limit)
    expect([most, gateway.registry.size]).toStrictEqual([limit, limit])
    expect(statOf(gateway, 'connections_free')).toBe(0)
  })

  it('hold for each address, and for each of the addresses clientIp gives (F11)', async () => {
    const { connect, host } = await startGateway((gateway) => gateway.channel('/:ip'), {
      maxConnectionsPerIp: 1,
      clientIp: (c) => c.req.path.slice(1),
    })
    await connect('/a')
    await connect('/b')
    expect((await refusal(host, '/a')).status).toBe(503)
  })

  it('hold for the rate of upgrades (F11)', async () => {
    // A clock that stands still: two in a second are two, however long they take.
    vi.useFakeTimers({ toFake: ['performance'] })
    onTestFinished(() => void vi.useRealTimers())
    const { connect, host } = await startGateway((gateway) => gateway.channel('/'), { maxUpgradesPerSecond: 2 })
    await connect()
    await connect()
    const { status, retryAfter } = await refusal(host, '/')
    expect(status).toBe(503)
    expect(Number(retryAfter)).toBeGreaterThan(0)
    vi.advanceTimersByTime(500)
    await connect()
    expect((await refusal(host, '/')).status).toBe(503)
  })

  it('give way to an admission of the application', async () => {
    const admission = countingAdmission()
    const { connect, gateway } = await startGateway((gateway) => gateway.channel('/'), {
      admission,
      maxConnections: 1,
      maxUpgradesPerSecond: 1,
    })
    const clients = [await connect(), await connect()]
    expect(admission.admitted).toBe(2)
    expect([...gateway.stats()].some(({ name }) => name === 'connections_free')).toBe(false)
    for (const client of clients) client.ws.terminate()
    await vi.waitFor(() => expect(admission.released).toBe(2))
  })

  it('are told with the name of the surface, and the time to come back of the gateway', async () => {
    const surfaces: string[] = []
    const admission: Admission = {
      admit: ({ surface }) => {
        surfaces.push(surface)
        return { identify: () => undefined, release: () => {} }
      },
    }
    const named = await startGateway((gateway) => gateway.channel('/'), { admission, surface: 'chat' })
    await named.connect()
    expect(surfaces).toStrictEqual(['chat'])
    expect([...named.gateway.connections()].map(({ surface }) => surface)).toStrictEqual(['chat'])
    const full = await startGateway((gateway) => gateway.channel('/'), {
      admit: () => false,
      retryAfterMs: [30_000, 30_000],
    })
    expect((await refusal(full.host, '/')).retryAfter).toBe('30')
  })

  it('are met early when load is shed', async () => {
    let isBusy = true
    const { connect, host } = await startGateway((gateway) => gateway.channel('/'), { admit: () => !isBusy })
    expect((await refusal(host, '/')).status).toBe(503)
    isBusy = false
    await connect()
  })

  it('are back to the start after handshakes that come to nothing at every step (F11)', async () => {
    const runs = inject('propertyRuns') > 1000 ? 100_000 : 300
    const { host, gateway } = await startGateway((gateway) => {
      gateway
        .channel('/:how', {
          onConnect: async (c, { params }) => {
            await new Promise(setImmediate)
            if (params['how'] === 'throw') throw new Error('broken')
            return (params['how'] === 'veto' ? c.text('no', 403) : undefined) as undefined
          },
        })
        .http(async (_c, next) => next())
    })
    const free = statOf(gateway, 'connections_free')
    const hows = ['veto', 'throw', 'open', 'half'] as const
    for (let run = 0; run < runs; run += 50) {
      await Promise.all(
        Array.from({ length: 50 }, async (_, index) => {
          const how = hows[index % hows.length] ?? 'open'
          const socket = rawSocket(host)
          socket.on('error', () => {})
          socket.write(handshake(`/${how}`))
          if (how !== 'half') await new Promise((resolve) => socket.once('data', resolve))
          else await new Promise(setImmediate)
          socket.destroy()
        }),
      )
    }
    await vi.waitFor(() => expect(statOf(gateway, 'connections_free')).toBe(free), { timeout: 10_000 })
    expect(gateway.registry.size).toBe(0)
  }, 600_000)
})

describe('the rates of a channel', () => {
  it('stop the reading by default, and lose nothing (F11)', async () => {
    const rig = await startGateway((gateway) =>
      gateway.channel('/', { messagesPerSecond: 100 }).default((request) => request.data),
    )
    const client = await rig.connect()
    const startedMs = performance.now()
    for (let number = 0; number < 140; number += 1) client.send(String(number))
    await vi.waitFor(() => expect(client.messages).toHaveLength(140))
    // 100 at once, and 40 more at 100 a second.
    expect(performance.now() - startedMs).toBeGreaterThan(350)
    expect(client.messages.every((text, index) => text === String(index))).toBe(true)
    expect(eventsOf(rig, 'limit.hit')[0]).toMatchObject({ limit: 'messages' })
  })

  it('count bytes too', async () => {
    const rig = await startGateway((gateway) =>
      gateway.channel('/', { bytesPerSecond: 1000, maxMessageBytes: 400 }).default((request) => request.data),
    )
    const client = await rig.connect()
    const startedMs = performance.now()
    for (let number = 0; number < 4; number += 1) client.send('x'.repeat(350))
    await vi.waitFor(() => expect(client.messages).toHaveLength(4))
    expect(performance.now() - startedMs).toBeGreaterThan(350)
    expect(statOf(rig.gateway, 'limits_hit_total', { limit: 'bytes' })).toBeGreaterThan(0)
  })

  it('let a single message of the largest size through', async () => {
    const { connect } = await startGateway((gateway) =>
      gateway.channel('/', { bytesPerSecond: 10, maxMessageBytes: 1000 }).default((request) => request.data),
    )
    const client = await connect()
    client.send('x'.repeat(1000))
    expect(await client.next()).toHaveLength(1000)
  })

  it('are answered with an error where that was asked for (F11)', async () => {
    const { jsonCodec } = await import('./codec/json.ts')
    const { connect } = await startGateway((gateway) => {
      gateway.channel('/', { codec: jsonCodec(), messagesPerSecond: 1, onExceeded: 'error' }).route('x', () => 'fine')
    })
    const client = await connect()
    client.send({ type: 'x', id: 1 })
    client.send({ type: 'x', id: 2 })
    expect(await client.nextJson()).toMatchObject({ id: 1, data: 'fine' })
    expect(await client.nextJson()).toMatchObject({
      id: 2,
      error: { code: 'rate_limited', retryAfterMs: expect.any(Number) },
    })
  })

  it.each([
    ['close', {}],
    ['error', { dispatcher: { message: () => {} } }],
  ] as const)('close with 1008 with %s %j (F11)', async (onExceeded, options) => {
    const { connect } = await startGateway((gateway) =>
      gateway.channel('/', { messagesPerSecond: 1, onExceeded, ...options }),
    )
    const client = await connect()
    client.send('1')
    client.send('2')
    expect((await client.closed).code).toBe(1008)
  })
})
