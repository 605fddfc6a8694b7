// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, vi } from 'vitest'
import { eventsOf, principalOf, startGateway, statOf } from './gateway.test-support.ts'
import { breaker, jsonCodec, wsGateway, WsError, type WsGateway } from './index.ts'
import { overflowPolicies } from './overflow-policy.ts'

function labelsOf(gateway: WsGateway, family: string): Readonly<Record<string, string>>[] {
  const found = [...gateway.stats()].find(({ name }) => name === family)
  return [...(found?.samples ?? [])].map(({ labels }) => labels)
}

describe('the numbers of a gateway', () => {
  it('are there before anything has happened, at zero', () => {
    const gateway = wsGateway()
    gateway.channel('/a')
    gateway.channel('/b/:room', { codec: jsonCodec() })
    const families = [...gateway.stats()]
    expect(new Set(families.map(({ name }) => name)).size).toBe(families.length)
    for (const { name, help, kind, samples } of families) {
      expect([name, help !== '', ['gauge', 'counter', 'histogram'].includes(kind)]).toStrictEqual([name, true, true])
      for (const { value } of samples) {
        if (name !== 'connections_free' && typeof value === 'number') expect([name, value]).toStrictEqual([name, 0])
      }
    }
    const routes = [{ route: '/a' }, { route: '/b/:room' }]
    expect(labelsOf(gateway, 'connections')).toStrictEqual(routes)
    expect(labelsOf(gateway, 'messages_dropped_total')).toStrictEqual(
      routes.flatMap(({ route }) => overflowPolicies.map((policy) => ({ route, policy }))),
    )
    expect(labelsOf(gateway, 'limits_hit_total')).toStrictEqual(
      routes.flatMap(({ route }) =>
        ['messages', 'bytes', 'control', 'subscriptions', 'rooms'].map((limit) => ({ route, limit })),
      ),
    )
  })

  it('hold what went on, of those who are here and of those who are gone (F21)', async () => {
    const rig = await startGateway((gateway) => {
      gateway
        .channel('/', { codec: jsonCodec() })
        .route('echo', ({ data }) => data)
        .route('fail', () => {
          throw new WsError('conflict')
        })
    })
    const { gateway } = rig
    const [gone, here] = [await rig.connect(), await rig.connect()]
    for (const client of [gone, here]) {
      client.send({ type: 'echo', data: 'x' })
      client.send({ type: 'fail' })
      await client.next()
      await client.next()
    }
    gone.ws.close(4300)
    await vi.waitFor(() => expect(gateway.registry.size).toBe(1))
    const read = (name: string, labels?: Record<string, string>): number => statOf(gateway, name, labels)
    expect(read('connections')).toBe(1)
    expect(read('connections_opened_total')).toBe(2)
    expect(read('connections_closed_total', { code: '4300' })).toBe(1)
    expect(read('messages_total', { direction: 'in' })).toBe(4)
    expect(read('messages_total', { direction: 'out' })).toBe(4)
    expect(read('message_bytes_total', { direction: 'in' })).toBe(
      2 * '{"type":"echo","data":"x"}{"type":"fail"}'.length,
    )
    expect(read('message_results_total', { key: 'echo', code: 'ok' })).toBe(2)
    expect(read('message_results_total', { key: 'fail', code: 'conflict' })).toBe(2)
    const durations = [...gateway.stats()].find(({ name }) => name === 'message_duration_seconds')
    const counted = [...(durations?.samples ?? [])].map(({ labels, value }) => {
      const counts = typeof value === 'object' ? value.counts : []
      return [labels['key'], counts.reduce((sum, count) => sum + count, 0)]
    })
    expect(counted).toStrictEqual([
      ['echo', 2],
      ['fail', 2],
      ['(none)', 0],
    ])
  })

  it('tell the circuits of breakers by place and state, each once wherever the breaker is used (F21)', async () => {
    const shared = breaker<undefined>({ minCalls: 2, windowMs: 60_000, resetMs: 60_000 })
    const rig = await startGateway((gateway) => {
      gateway
        .channel('/', { codec: jsonCodec() })
        .use(shared)
        .route('fail', shared, () => {
          throw new WsError('bad_reply')
        })
        .route('work', breaker<undefined>({ key: ({ data }) => String(data) }), () => 'done')
      gateway.channel('/other', { codec: jsonCodec() }).use(shared)
    })
    expect(labelsOf(rig.gateway, 'circuits')).toStrictEqual([])
    const client = await rig.connect()
    const ask = async (type: string, data?: string): Promise<unknown> => {
      client.send({ type, id: 1, data })
      return client.nextJson()
    }
    for (const type of ['fail', 'fail', 'work']) await ask(type)
    const sample = (key: string, state: string): number => statOf(rig.gateway, 'circuits', { route: '/', key, state })
    const states = ['closed', 'open', 'half-open']
    expect(states.map((state) => sample('fail', state))).toStrictEqual([0, 1, 0])
    // Of this one the shared breaker has a circuit, and one with keys of its own has another.
    expect(states.map((state) => sample('work', state))).toStrictEqual([2, 0, 0])
    for (const data of ['a', 'b']) await ask('work', data)
    expect(sample('work', 'closed')).toBe(4)
    expect(labelsOf(rig.gateway, 'circuits')).toHaveLength(2 * states.length)
  })

  it('and events tell of each connection, and of each step of its going (F21)', async () => {
    const rig = await startGateway((gateway) => gateway.channel('/:room', { subprotocols: ['v1'] }), {
      principal: () => principalOf('ann'),
    })
    const client = await rig.connect('/a', { protocols: ['v1'] })
    const [connection] = rig.gateway.registry
    const id = connection?.id
    expect(eventsOf(rig, 'connection.opened')).toStrictEqual([
      {
        type: 'connection.opened',
        channel: '/:room',
        id,
        ip: '127.0.0.1',
        protocol: 'v1',
        principalId: 'test:ann',
      },
    ])
    client.send('12345')
    await vi.waitFor(() => expect(connection?.bytesIn).toBe(5))
    await rig.gateway.close({ drainMs: 500, spreadMs: 0 })
    expect(eventsOf(rig, 'connection.closed')).toStrictEqual([
      {
        type: 'connection.closed',
        channel: '/:room',
        id,
        code: 1012,
        wasClean: true,
        ms: expect.any(Number),
        bytesIn: 5,
        bytesOut: 0,
      },
    ])
    expect(eventsOf(rig, 'drain.step')).toStrictEqual([{ type: 'drain.step', closed: 0, remaining: 1 }])
    expect(eventsOf(rig, 'drain.finished')).toStrictEqual([
      { type: 'drain.finished', closed: 1, terminated: 0, ms: expect.any(Number) },
    ])
  })
})
