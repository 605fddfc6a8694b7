// SPDX-License-Identifier: Apache-2.0
import { Hono } from 'hono'
import { describe, expect, it, vi } from 'vitest'
import { eventsOf, refusal, startGateway, statOf, ways } from './gateway.test-support.ts'
import { jsonCodec, wsGateway, WsError } from './index.ts'
import { startAttached } from './upgrade/hosts.test-support.ts'

describe.each(ways)('a channel under $name', ({ way }) => {
  it('answers messages by the route of their key', async () => {
    const { connect } = await startGateway((gateway) => {
      gateway.channel('/chat/:room', { codec: jsonCodec() }).route('say', (request) => request.data)
    }, way)
    const client = await connect('/chat/lobby')
    client.send({ type: 'say', id: 1, data: { text: 'hello' } })
    expect(await client.nextJson()).toStrictEqual({ type: 'say', id: 1, data: { text: 'hello' } })
  })

  it('keeps the type of messages that are echoed', async () => {
    const { connect } = await startGateway((gateway) => {
      gateway.channel('/').default((request) => request.data)
    }, way)
    const client = await connect()
    client.send('text')
    client.send(Buffer.from('bytes'))
    expect([await client.next(), await client.next()]).toStrictEqual(['text', 'bytes'])
    expect(client.binary).toStrictEqual([false, true])
  })

  it('echoes messages of every size and of every kind of text (D1)', async () => {
    const { connect } = await startGateway((gateway) => {
      gateway
        .channel('/', { maxMessageBytes: 1_048_576, messagesPerSecond: Infinity, bytesPerSecond: Infinity })
        .default((request) => request.data)
    }, way)
    const client = await connect()
    const texts = [0, 1, 47, 48, 49, 125, 126, 127, 16_383, 16_384, 65_535, 65_536, 300_000].map((size) =>
      'x'.repeat(size),
    )
    texts.push('é', 'ab\u00e9cd', '😀'.repeat(20), '€'.repeat(41), '\u007f\u0080')
    for (const text of texts) client.send(text)
    for (const text of texts) expect(await client.next()).toBe(text)
  })

  it('closes with the code and the reason of the application, and tells it what came of it', async () => {
    let info: unknown
    const { connect } = await startGateway((gateway) => {
      gateway.channel('/').default(async (request) => {
        info = await request.connection.close(4300, 'enough')
      })
    }, way)
    const client = await connect()
    client.send('x')
    expect(await client.closed).toStrictEqual({ code: 4300, reason: 'enough' })
    await vi.waitFor(() => expect(info).toStrictEqual({ code: 4300, reason: 'enough', wasClean: true }))
  })

  it('sends what was queued before a close frame, whoever closes', async () => {
    const { connect } = await startGateway((gateway) => {
      gateway.channel('/').default((request) => {
        request.connection.send('one')
        request.connection.send('two')
        if (request.data === 'close') void request.connection.close(4300)
      })
    }, way)
    const mine = await connect()
    mine.send('x')
    // The answers and the client's close frame meet in one tick of the server.
    mine.ws.close(1000)
    await mine.closed
    expect(mine.messages).toStrictEqual(['one', 'two'])
    const theirs = await connect()
    theirs.send('close')
    await theirs.closed
    expect(theirs.messages).toStrictEqual(['one', 'two'])
  })

  it('counts what it has carried', async () => {
    const { connect, gateway } = await startGateway((gateway) => {
      gateway.channel('/').default((request) => request.data)
    }, way)
    const client = await connect()
    client.send('12345')
    await client.next()
    expect(statOf(gateway, 'messages_total', { direction: 'in' })).toBe(1)
    expect(statOf(gateway, 'message_bytes_total', { direction: 'in' })).toBe(5)
    // Two bytes of header.
    expect(statOf(gateway, 'message_bytes_total', { direction: 'out' })).toBe(7)
    expect(statOf(gateway, 'connections')).toBe(1)
    client.ws.close()
    await vi.waitFor(() => expect(statOf(gateway, 'connections')).toBe(0))
    expect(statOf(gateway, 'messages_total', { direction: 'out' })).toBe(1)
    expect(statOf(gateway, 'connections_closed_total', { code: '1005' })).toBe(1)
  })
})

describe('wsGateway()', () => {
  it.each([
    [{ maxConnections: 0 }, RangeError, 'maxConnections: 0'],
    [{ maxConnectionsPerIp: 1.5 }, RangeError, 'maxConnectionsPerIp: 1.5'],
    [{ maxConnectionsPerPrincipal: -1 }, RangeError, 'maxConnectionsPerPrincipal: -1'],
    [{ maxUpgradesPerSecond: 0 }, RangeError, 'maxUpgradesPerSecond: 0'],
    [{ transport: 'fast' }, TypeError, 'transport: "fast"'],
    [{ drainMs: -1 }, RangeError, 'drainMs: -1'],
    [{ spreadMs: Number.NaN }, RangeError, 'spreadMs: NaN'],
    [{ retryAfterMs: [500] }, TypeError, 'retryAfterMs: [500]'],
    [{ retryAfterMs: [500, 400] }, RangeError, 'retryAfterMs[1]: 400'],
    [{ surface: '' }, TypeError, 'surface: "" is not a name'],
    [{ admission: {} }, TypeError, 'admission: {} has no admit()'],
    [{ roomBus: globalThis }, TypeError, 'roomBus: [object global] has no subscribe()'],
    [{ roomBus: 'x'.repeat(200) }, TypeError, `roomBus: "${'x'.repeat(99)} has no subscribe()`],
    [{ signal: {} }, TypeError, 'signal: {} is not an AbortSignal'],
    [{ observe: 'log' }, TypeError, 'observe: "log"'],
    [{ admit: true }, TypeError, 'admit: true'],
    [{ maxconnections: 5 }, TypeError, 'there is no option "maxconnections"'],
  ])('refuses %j and names the option (D9)', (options, error, text) => {
    const make = (): unknown => wsGateway(options as never)
    expect(make).toThrow(error)
    expect(make).toThrow(text)
  })

  it('refuses a channel at a path that is taken, or that is none', () => {
    const gateway = wsGateway()
    gateway.channel('/a')
    expect(() => gateway.channel('/a')).toThrow(new TypeError('channel: there is one at "/a" already'))
    expect(() => gateway.channel('a')).toThrow(TypeError)
  })

  it('freezes its channels with the first handshake, and not before', async () => {
    const gateway = wsGateway()
    const app = new Hono().route('/ws', gateway.routes)
    // After the routes were mounted: they look up what is there.
    const channel = gateway.channel('/echo').default((request) => request.data)
    const host = await startAttached(app)
    expect((await app.request('/ws/echo')).status).toBe(404)
    channel.use((_request, next) => next())
    const { connectTo } = await import('./gateway.test-support.ts')
    const client = await connectTo(host, '/ws/echo')
    client.send('x')
    expect(await client.next()).toBe('x')
    expect(() => channel.use((_request, next) => next())).toThrow(TypeError)
    expect(() => channel.route('late', () => 1)).toThrow(TypeError)
    expect(() => channel.default(() => 1)).toThrow(TypeError)
    expect(() => channel.http((_c, next) => next())).toThrow(TypeError)
    expect(() => gateway.channel('/late')).toThrow(
      new TypeError('channel: /late comes too late; channels are added before the first request'),
    )
    await gateway.close({ drainMs: 0 })
  })

  it('ends with its signal (F15)', async () => {
    const controller = new AbortController()
    const { connect, gateway } = await startGateway((gateway) => gateway.channel('/').default(() => undefined), {
      signal: controller.signal,
    })
    const client = await connect()
    controller.abort()
    expect((await client.closed).code).toBe(1012)
    await vi.waitFor(() => expect(gateway.state).toBe('closed'))
  })

  it('tells of no payload and of no credential (F21)', async () => {
    const rig = await startGateway(
      (gateway) => {
        gateway
          .channel('/:room', { codec: jsonCodec(), subprotocols: ['v1'], concurrency: 1, messagesPerSecond: 3 })
          .http(async (c, next) => {
            if (c.req.header('authorization') !== 'Bearer hush-token') return c.text('hush-body', 401)
            return next()
          })
          .route('ok', ({ data }) => data)
          .route('bad', () => {
            throw new WsError('conflict', { message: 'hush-message' })
          })
      },
      { maxConnectionsPerIp: 1 },
    )
    const headers = { Authorization: 'Bearer hush-token', Cookie: 'sid=hush-cookie' }
    const origin = `http://127.0.0.1:${rig.host.port}`
    const client = await rig.connect('/hush-room?token=hush-query', {
      headers,
      origin,
      protocols: ['bearer.hush', 'v1'],
    })
    for (const type of ['ok', 'bad', 'hush-route', 'ok', 'ok']) client.send({ type, id: 'hush-id', data: 'hush-data' })
    for (let count = 0; count < 5; count += 1) await client.next()
    expect((await refusal(rig.host, '/hush-room', { headers })).status).toBe(403)
    expect((await refusal(rig.host, '/hush-room')).status).toBe(503)
    client.ws.close(4300, 'hush-reason')
    await vi.waitFor(() => expect(eventsOf(rig, 'connection.closed')).toHaveLength(1))
    expect((await refusal(rig.host, '/hush-room')).status).toBe(401)
    const told = JSON.stringify(rig.events) + JSON.stringify([...rig.gateway.stats()])
    for (const type of ['connection.opened', 'request.finished', 'limit.hit', 'upgrade.refused']) {
      expect(told).toContain(`"type":"${type}"`)
    }
    expect(told).not.toContain('hush')
  })

  it('lists its connections without what they carry', async () => {
    const { connect, gateway } = await startGateway((gateway) =>
      gateway.channel('/room/:name').default(() => undefined),
    )
    await connect('/room/a')
    const [info, ...others] = gateway.connections()
    expect(others).toStrictEqual([])
    expect(info).toStrictEqual({
      id: expect.stringMatching(/^[0-9A-Za-z]{22}$/),
      surface: 'ws',
      transport: 'ws',
      ip: '127.0.0.1',
      route: '/room/:name',
      openedAt: expect.closeTo(Date.now(), -4),
      bytesIn: 0,
      bytesOut: 0,
      queuedBytes: 0,
      subscriptions: 0,
    })
  })

  it('kicks whom it is told to (F14)', async () => {
    const { connect, gateway } = await startGateway((gateway) =>
      gateway.channel('/:name').default((request) => request.data),
    )
    const bad = await connect('/bad')
    const good = await connect('/good')
    const [first] = gateway.connections()
    expect(gateway.kick((info) => info.id === first?.id, 'spam')).toBe(1)
    expect(await bad.closed).toStrictEqual({ code: 4000, reason: 'spam' })
    good.send('still here')
    expect(await good.next()).toBe('still here')
  })

  it('refuses a close code that no close frame may carry', async () => {
    const thrown: unknown[] = []
    const { connect } = await startGateway((gateway) => {
      gateway.channel('/').default((request) => {
        for (const code of [1005, 1006, 1015, 999, 2999, 5000, 1000.5]) {
          try {
            void request.connection.close(code)
          } catch (error) {
            thrown.push(error)
          }
        }
        throw new WsError('not_found')
      })
    })
    const client = await connect()
    client.send('x')
    await vi.waitFor(() => expect(thrown).toHaveLength(7))
    expect(thrown.every((error) => error instanceof RangeError)).toBe(true)
    expect(client.ws.readyState).toBe(client.ws.OPEN)
  })
})
