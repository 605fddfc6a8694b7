// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { eventsOf, refusal, startGateway, ways } from './gateway.test-support.ts'
import { jsonCodec, jsonRpc, parseCloseHint } from './index.ts'
import { gate } from './upgrade/hosts.test-support.ts'

/** Puts the clock of a drain into the hands of the test; what goes over sockets takes its time beside it. */
function holdClock(): void {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
}

/** Waits by turns of the loop: by timers, time would pass for the drain. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate)
}

describe.each(ways)('close() under $name', ({ way }) => {
  it('tells clients, lets requests finish, says goodbye with a hint, and admits nobody (D6, F15)', async () => {
    const door = gate()
    const rig = await startGateway((gateway) => {
      gateway.channel('/', { codec: jsonCodec() }).route('wait', () => door.passed.then(() => 'done'))
    }, way)
    const busy = await rig.connect()
    busy.send({ type: 'wait', id: 1 })
    await vi.waitFor(() => expect([...rig.gateway.connections()][0]?.bytesIn).toBeGreaterThan(0))
    const idle = await rig.connect()
    const closing = rig.gateway.close({ drainMs: 60_000, spreadMs: 0, retryAfterMs: [100, 200] })
    expect(rig.gateway.state).toBe('draining')
    const { status, retryAfter } = await refusal(rig.host, '/')
    expect([status, Number(retryAfter) > 0]).toStrictEqual([503, true])
    const notice = (await idle.nextJson()) as { type: string; data: { retryAfterMs: number } }
    expect(notice.type).toBe('going-away')
    expect(notice.data.retryAfterMs).toBeGreaterThanOrEqual(100)
    expect(notice.data.retryAfterMs).toBeLessThanOrEqual(200)
    const { code, reason } = await idle.closed
    expect(code).toBe(1012)
    expect(parseCloseHint(reason)?.retryAfterMs).toBeGreaterThanOrEqual(100)
    expect(rig.gateway.state).toBe('draining')
    door.open()
    expect(await busy.nextJson()).toMatchObject({ type: 'going-away' })
    expect(await busy.nextJson()).toMatchObject({ id: 1, data: 'done' })
    expect((await busy.closed).code).toBe(1012)
    await closing
    expect(rig.gateway.state).toBe('closed')
    expect(eventsOf(rig, 'drain.finished')).toMatchObject([{ closed: 2, terminated: 0 }])
    expect((await refusal(rig.host, '/')).status).toBe(503)
  })
})

describe('close()', () => {
  it('says 1001 when nobody comes back (F15)', async () => {
    const { connect, gateway } = await startGateway((gateway) => gateway.channel('/', { codec: jsonRpc() }))
    const client = await connect()
    await gateway.close({ drainMs: 1000, spreadMs: 0, final: true })
    expect((await client.closed).code).toBe(1001)
    expect(JSON.parse(client.messages[0] ?? '')).toMatchObject({ jsonrpc: '2.0', method: 'going-away' })
  })

  it('cuts at its deadline what does not finish, and what does not answer (F15)', async () => {
    const rig = await startGateway((gateway) => {
      gateway.channel('/', { closeTimeoutMs: 60_000 }).default(() => new Promise(() => {}))
    })
    const stuck = await rig.connect()
    stuck.send('x')
    const silent = await rig.connect()
    await vi.waitFor(() => expect([...rig.gateway.connections()].some(({ bytesIn }) => bytesIn > 0)).toBe(true))
    silent.ws.pause()
    holdClock()
    const closing = rig.gateway.close({ drainMs: 200, spreadMs: 0 })
    vi.advanceTimersByTime(180)
    expect([...rig.gateway.registry].map(({ state }) => state)).toStrictEqual(['closing', 'closing'])
    await new Promise((resolve) => stuck.ws.once('pong', resolve).ping())
    expect(stuck.ws.readyState).toBe(stuck.ws.OPEN)
    vi.advanceTimersByTime(40)
    // The stuck one hears at the deadline, the silent one hears nothing and is cut a quarter of a second later.
    expect((await stuck.closed).code).toBe(1012)
    await until(() => rig.gateway.registry.size === 1)
    vi.advanceTimersByTime(200)
    expect(rig.gateway.registry.size).toBe(1)
    vi.advanceTimersByTime(60)
    await until(() => rig.gateway.registry.size === 0)
    vi.advanceTimersByTime(20)
    await closing
    expect(eventsOf(rig, 'drain.finished')).toMatchObject([{ closed: 1, terminated: 1, ms: 500 }])
  })

  it('takes its times from the gateway where it is not told', async () => {
    const rig = await startGateway((gateway) => gateway.channel('/').default(() => new Promise(() => {})), {
      drainMs: 1000,
      spreadMs: 0,
      retryAfterMs: [777, 777],
    })
    const [stuck, idle] = [await rig.connect(), await rig.connect()]
    stuck.send('x')
    await vi.waitFor(() => expect([...rig.gateway.connections()].some(({ bytesIn }) => bytesIn > 0)).toBe(true))
    holdClock()
    const closing = rig.gateway.close()
    expect(parseCloseHint((await idle.closed).reason)).toStrictEqual({ retryAfterMs: 777 })
    await until(() => rig.gateway.registry.size === 1)
    vi.advanceTimersByTime(980)
    await new Promise((resolve) => stuck.ws.once('pong', resolve).ping())
    expect(stuck.ws.readyState).toBe(stuck.ws.OPEN)
    vi.advanceTimersByTime(20)
    expect((await stuck.closed).code).toBe(1012)
    await until(() => rig.gateway.registry.size === 0)
    vi.advanceTimersByTime(20)
    await closing
    expect(rig.gateway.state).toBe('closed')
  })

  it('can be hurried by a second call, and by nothing slowed (F15)', async () => {
    const { connect, gateway } = await startGateway((gateway) =>
      gateway.channel('/').default(() => new Promise(() => {})),
    )
    const client = await connect()
    client.send('x')
    await vi.waitFor(() => expect([...gateway.connections()][0]?.bytesIn).toBe(1))
    const slow = gateway.close({ drainMs: 60_000 })
    await Promise.all([gateway.close({ drainMs: 50 }), gateway.close({ drainMs: 60_000 }), slow])
    expect((await client.closed).code).toBe(1012)
    // And again, at any time.
    await gateway.close()
  })

  it('ends at once without connections, and closes each part once', async () => {
    let closed = 0
    const part = Object.assign(() => 'x', { close: () => void (closed += 1) })
    const { connect, gateway } = await startGateway((gateway) => {
      gateway.channel('/').route('a', part).route('b', part)
    })
    const client = await connect()
    client.ws.terminate()
    await vi.waitFor(() => expect(gateway.registry.size).toBe(0))
    await gateway.close()
    expect(closed).toBe(1)
  })

  it('begins with as many as are due by then, and sends the others later (F15)', async () => {
    const { connect, gateway } = await startGateway((each) => each.channel('/'))
    const clients = await Promise.all(Array.from({ length: 60 }, () => connect()))
    await vi.waitFor(() => expect(gateway.registry.size).toBe(60))
    const leaving = (): number => [...gateway.registry].filter(({ state }) => state !== 'open').length
    const closing = gateway.close({ drainMs: 1_000_000, spreadMs: 400_000 })
    expect(leaving()).toBe(1)
    const hurried = gateway.close({ drainMs: 1000, spreadMs: 0 })
    expect(leaving()).toBe(60)
    await Promise.all([closing, hurried, ...clients.map(({ closed }) => closed)])
  })

  it('sends away who was admitted before and comes in after', async () => {
    const door = gate()
    const rig = await startGateway((gateway) =>
      gateway.channel('/', { onConnect: () => door.passed as Promise<undefined> }),
    )
    const { connect, gateway } = rig
    const late = connect()
    const early = new Promise((resolve) => setImmediate(resolve))
    await early
    await vi.waitFor(() => expect([...gateway.stats()].find(({ name }) => name === 'connections_free')).toBeDefined())
    await vi.waitFor(() => {
      for (const { name, samples } of gateway.stats())
        if (name === 'connections_free') expect([...samples][0]?.value).toBe(9999)
    })
    const closing = gateway.close({ drainMs: 60_000, spreadMs: 0 })
    door.open()
    const client = await late
    expect((await client.closed).code).toBe(1012)
    await closing
    expect(eventsOf(rig, 'drain.finished')).toMatchObject([{ closed: 1, terminated: 0 }])
  })

  it.each([{ drainMs: -1 }, { spreadMs: 0.5 }, { retryAfterMs: [2, 1] as [number, number] }])(
    'refuses %j',
    async (options) => {
      const { gateway } = await startGateway((gateway) => gateway.channel('/'))
      expect(() => gateway.close(options)).toThrow(RangeError)
    },
  )
})

describe('parts of a channel', () => {
  it('are mounted once for each place, before the first request, and may object', async () => {
    const sites: unknown[] = []
    const part = (
      name: string,
    ): ((request: unknown, next: () => unknown) => unknown) & {
      mount(site: { channel: string; route: string | undefined }): void
    } =>
      Object.assign((_request: unknown, next: () => unknown) => next(), {
        mount: ({ channel, route }: { channel: string; route: string | undefined }) =>
          void sites.push([name, channel, route]),
      })
    const rig = await startGateway((gateway) => {
      gateway
        .channel('/:x')
        .use(part('use'))
        .route(
          ['a', 'b'],
          part('link'),
          Object.assign(() => 1, {
            mount: (site: { observe(event: unknown): void }) =>
              site.observe({ type: 'stream.reset', stream: 's', reason: 'r' }),
          }),
        )
        .default(part('last'), () => 1)
    })
    await rig.connect('/y')
    expect(sites).toStrictEqual([
      ['use', '/:x', undefined],
      ['link', '/:x', 'a'],
      ['last', '/:x', '(none)'],
    ])
    expect(eventsOf(rig, 'stream.reset')).toHaveLength(1)
    const objecting = await startGateway((gateway) => {
      gateway.channel('/').use(
        Object.assign((_request: unknown, next: () => unknown) => next(), {
          mount: () => {
            throw new TypeError('tracer: is missing')
          },
        }),
      )
    })
    expect((await refusal(objecting.host, '/')).status).toBe(500)
  })
})
