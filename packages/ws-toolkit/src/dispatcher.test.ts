// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, vi } from 'vitest'
import { fleetSize, launchFleet, say } from './fleet.test-support.ts'
import { eventsOf, startGateway, statOf, ways } from './gateway.test-support.ts'
import { parseCloseHint, sharedFrame, type Connection, type Dispatcher, type Outbox } from './index.ts'

/**
 * What a resource protocol does with a channel: clients subscribe to resources, an event is encoded once for all of
 * them, and a client that falls behind gets the newest state instead of every step.
 */
class ResourceDispatcher implements Dispatcher<undefined> {
  readonly subscribers = new Map<string, Set<Connection<undefined>>>()
  readonly states = new Map<string, number>()
  readonly causes: string[] = []
  encoded = 0
  merges = 0
  opened = 0
  closed = 0

  open(): void {
    this.opened += 1
  }

  message(connection: Connection<undefined>, bytes: Uint8Array): void {
    const [verb, resource = ''] = Buffer.from(bytes).toString().split(' ')
    if (verb !== 'subscribe') throw new Error(`unknown verb ${verb}`)
    const known = this.subscribers.get(resource) ?? new Set()
    this.subscribers.set(resource, known.add(connection))
    connection.send(`subscribed ${resource}`)
  }

  change(resource: string, size = 0): void {
    const state = (this.states.get(resource) ?? 0) + 1
    this.states.set(resource, state)
    this.encoded += 1
    const frame = sharedFrame(`${resource} ${state}${' '.repeat(size)}`)
    for (const connection of this.subscribers.get(resource) ?? []) connection.send(frame, { key: resource })
  }

  overflow(connection: Connection<undefined>, outbox: Outbox): void {
    this.merges += 1
    const behind = new Set<string>()
    outbox.retain(({ key }) => {
      if (key !== undefined) behind.add(key)
      return key === undefined
    })
    for (const resource of behind) connection.send(`${resource} ${this.states.get(resource)} merged`, { key: resource })
  }

  closing(connection: Connection<undefined>, cause: string): void {
    this.causes.push(cause)
    connection.send('goodbye')
  }

  close(connection: Connection<undefined>): void {
    this.closed += 1
    for (const subscribers of this.subscribers.values()) subscribers.delete(connection)
  }
}

describe.each(ways)('a dispatcher of its own under $name', ({ way }) => {
  it('gets messages as they are, and says what it wants before the close frame', async () => {
    const resources = new ResourceDispatcher()
    const { connect, gateway } = await startGateway((gateway) => gateway.channel('/', { dispatcher: resources }), way)
    const client = await connect()
    client.send('subscribe a')
    expect(await client.next()).toBe('subscribed a')
    resources.change('a')
    expect(await client.next()).toBe('a 1')
    gateway.kick(() => true, 'enough')
    expect(await client.closed).toStrictEqual({ code: 4000, reason: 'enough' })
    expect(client.messages).toStrictEqual(['goodbye'])
    await vi.waitFor(() => expect([resources.opened, resources.closed]).toStrictEqual([1, 1]))
    expect(resources.causes).toStrictEqual(['kicked'])
    expect(resources.subscribers.get('a')?.size).toBe(0)
  })
})

describe('a dispatcher of its own', () => {
  it('closes its connection with 1011 when it throws, and no other', async () => {
    const resources = new ResourceDispatcher()
    const rig = await startGateway((gateway) => gateway.channel('/', { dispatcher: resources }))
    const [bad, good] = [await rig.connect(), await rig.connect()]
    bad.send('what')
    expect((await bad.closed).code).toBe(1011)
    expect(eventsOf(rig, 'handler.failed').map(({ handler }) => handler)).toStrictEqual(['dispatcher'])
    good.send('subscribe a')
    expect(await good.next()).toBe('subscribed a')
  })

  it.each(['open', 'overflow', 'closing', 'close'] as const)(
    'is told to observe when its %s throws, and harms nobody else',
    async (hook) => {
      const broken = (): never => {
        throw new Error('broken')
      }
      const dispatcher: Dispatcher<undefined> = { message: () => {}, [hook]: broken }
      const rig = await startGateway((gateway) => {
        gateway.channel('/bad', { dispatcher, sendBufferBytes: 50_000 })
        gateway.channel('/good').default((request) => request.data)
      })
      const [bad, good] = [await rig.connect('/bad'), await rig.connect('/good')]
      const [connection] = rig.gateway.registry
      if (hook === 'overflow') {
        bad.ws.pause()
        while (connection?.send('x'.repeat(20_000)) === true) await new Promise(setImmediate)
        expect(connection?.state).toBe('closing')
        bad.ws.resume()
      } else if (hook !== 'open') {
        rig.gateway.kick(({ route }) => route === '/bad', '')
      }
      expect((await bad.closed).code).toBe(hook === 'open' || hook === 'overflow' ? 1011 : 4000)
      const told = { type: 'handler.failed', channel: '/bad', handler: 'dispatcher', error: new Error('broken') }
      await vi.waitFor(() => expect(eventsOf(rig, 'handler.failed')).toStrictEqual([told]))
      good.send('still here')
      expect(await good.next()).toBe('still here')
    },
  )

  it('replaces codec, routes and middleware', async () => {
    const dispatcher = new ResourceDispatcher()
    const { gateway } = await startGateway((gateway) => gateway.channel('/', { dispatcher }))
    void gateway
    await startGateway((gateway) => {
      const channel = gateway.channel('/', { dispatcher })
      expect(() => channel.route('a', () => 1)).toThrow(TypeError)
      expect(() => channel.use((_request, next) => next())).toThrow(TypeError)
      expect(() => channel.default(() => 1)).toThrow(TypeError)
      channel.http((_c, next) => next())
    })
  })

  it('is told why connections leave', async () => {
    const resources = new ResourceDispatcher()
    const { connect, gateway } = await startGateway((gateway) => {
      gateway.channel('/short', { dispatcher: resources, maxLifetimeMs: 150 })
      gateway.channel('/long', { dispatcher: resources })
    })
    const client = await connect('/short')
    expect((await client.closed).code).toBe(4200)
    const last = await connect('/long')
    await gateway.close({ drainMs: 100 })
    expect((await last.closed).code).toBe(1012)
    expect(resources.causes).toStrictEqual(['expired', 'drain'])
  })

  it('gets no messages of a connection that is leaving', async () => {
    const seen: string[] = []
    const { connect } = await startGateway((gateway) =>
      gateway.channel('/', {
        dispatcher: {
          message: (connection, bytes) => {
            seen.push(Buffer.from(bytes).toString())
            void connection.close(4300)
          },
        },
      }),
    )
    const client = await connect()
    for (const text of ['one', 'two', 'three']) client.send(text)
    await client.closed
    expect(seen).toStrictEqual(['one'])
  })

  it('serves thousands of connections with one encoding an event, merges for those that fall behind, and sends all of them away', async () => {
    const count = fleetSize(5000)
    const resources = new ResourceDispatcher()
    const rig = await startGateway((gateway) =>
      gateway.channel('/:resource', {
        dispatcher: resources,
        maxConnections: count,
        sendBufferBytes: 200_000,
        heartbeatMs: 0,
      }),
    )
    const { host, gateway } = rig
    const fleet = await launchFleet(host, count, () => '/x')
    for (const [index, sailor] of fleet.entries()) say(sailor, `subscribe ${index < 5 ? 's' : 'r'}${index % 10}`)
    await vi.waitFor(() => expect(fleet.every(({ last }) => last.startsWith('subscribed'))).toBe(true), {
      timeout: 20_000,
    })
    const [slow, quick] = [fleet.slice(0, 5), fleet.slice(5)]
    for (const { socket } of slow) socket.pause()
    const rounds = 20
    for (let round = 0; round < rounds; round += 1) {
      for (let resource = 0; resource < 10; resource += 1) resources.change(`r${resource}`)
      // Far more than a kernel buffers for those that do not read.
      for (let resource = 0; resource < 5; resource += 1) {
        for (let step = 0; step < 20; step += 1) resources.change(`s${resource}`, 50_000)
      }
      await new Promise(setImmediate)
    }
    expect(resources.encoded).toBe(rounds * (10 + 5 * 20))
    await vi.waitFor(() => expect(quick.every(({ frames }) => frames === rounds + 1)).toBe(true), { timeout: 15_000 })
    expect(resources.merges).toBeGreaterThan(0)
    for (const { socket } of slow) socket.resume()
    const newest = rounds * 20
    await vi.waitFor(
      () => expect(slow.map(({ last }) => Number(last.split(' ')[1]))).toStrictEqual(slow.map(() => newest)),
      {
        timeout: 15_000,
      },
    )
    expect(Math.max(...slow.map(({ frames }) => frames))).toBeLessThan(newest)
    expect([gateway.registry.size, statOf(gateway, 'connections_closed_total')]).toStrictEqual([count, 0])
    const closing = gateway.close({ drainMs: 10_000, spreadMs: 1000, retryAfterMs: [500, 5000] })
    await closing
    await vi.waitFor(() => expect(fleet.every(({ isGone }) => isGone)).toBe(true))
    const hints = fleet.map(({ close }) => parseCloseHint(close?.reason ?? '')?.retryAfterMs ?? -1)
    expect(new Set(fleet.map(({ close }) => close?.code))).toStrictEqual(new Set([1012]))
    expect(Math.min(...hints)).toBeGreaterThanOrEqual(500)
    expect(Math.max(...hints)).toBeLessThanOrEqual(5000)
    expect(new Set(hints).size).toBeGreaterThan(count / 5)
    expect(new Set(fleet.map(({ last }) => last))).toStrictEqual(new Set(['goodbye']))
    expect(eventsOf(rig, 'drain.finished')).toMatchObject([{ closed: count, terminated: 0 }])
    expect([resources.opened, resources.closed]).toStrictEqual([count, count])
  }, 60_000)
})
