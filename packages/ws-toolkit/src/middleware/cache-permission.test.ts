// SPDX-License-Identifier: Apache-2.0
import type { Principal } from '@nats-edge/wire-parser'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { jsonCodec } from '../codec/json.ts'
import { principalOf, startGateway, type Rig } from '../gateway.test-support.ts'
import { WsError } from '../ws-error.ts'
import type { WsGateway } from '../ws-gateway.ts'
import { cache, type Cache, type CacheOptions } from './cache.ts'
import { pendingDeadlines } from '../deadline.ts'

interface Shop extends Rig {
  readonly middleware: Cache<undefined>
  /** Takes the permission of a principal away: here, and for whoever comes later. */
  refuse(name: string): number
  /** Answers the calls that wait. */
  answer(): void
  calls(): number
}

/** A backend that checks, behind a cache; its answers come when the test says so, where `waits` is set. */
async function startShop(
  options: Partial<CacheOptions<undefined>> = {},
  rules: { waits?: () => boolean; streams?: boolean } = {},
): Promise<Shop> {
  const middleware = cache<undefined>({ key: () => 'secret', ttlMs: 60_000, ...options })
  const waiting: (() => void)[] = []
  const lost = new Set<string>()
  let calls = 0
  const check = ({ principal }: { principal: Principal | undefined }): void => {
    if (principal?.permissions.allows('request', 'secret') !== true) throw new WsError('forbidden')
  }
  const rig = await startGateway(
    (gateway: WsGateway) => {
      gateway.channel('/other/channel').default(() => 'x')
      gateway
        .channel('/:tab', { codec: jsonCodec(), order: 'unordered' })
        .route('secret', middleware, async ({ connection }) => {
          calls += 1
          check(connection)
          if (rules.waits?.() === true) await new Promise<void>((resolve) => waiting.push(resolve))
          if (rules.streams !== true) return `secret ${calls}`
          return (async function* () {
            yield 'first'
            await new Promise<void>((resolve) => waiting.push(resolve))
            yield 'last'
          })()
        })
    },
    { principal: (c) => reduced(principalOf(c.req.query('as') ?? ''), lost) },
  )
  onTestFinished(() => middleware.close())
  const answer = (): void => waiting.splice(0).forEach((resolve) => resolve())
  const refuse = (name: string): number => {
    lost.add(name)
    return rig.gateway.updatePrincipals((principal) => reduced(principal, lost))
  }
  return { ...rig, middleware, calls: () => calls, answer, refuse }
}

const refused: Principal['permissions'] = { allows: () => false, covers: () => 'none' }

function reduced(principal: Principal, lost: ReadonlySet<string>): Principal {
  return lost.has(principal.name) ? { ...principal, permissions: refused } : principal
}

const ask = { type: 'secret', id: 1 }
const forbidden = { error: { code: 'forbidden' } }

describe('a cached answer, once its principal has lost the permission', () => {
  it('is given neither to the connection nor to a later one of the same principal; others keep theirs', async () => {
    const { refuse, connect, middleware, calls } = await startShop()
    const client = await connect('/a?as=ann')
    const other = await connect('/a?as=bob')
    for (const each of [client, other, client, other]) {
      each.send(ask)
      expect(await each.nextJson()).toMatchObject({ data: expect.stringMatching(/^secret/) })
    }
    expect(calls()).toBe(2)
    expect(refuse('ann')).toBe(0)
    expect(middleware.stats().entries).toBe(1)
    client.send(ask)
    expect(await client.nextJson()).toMatchObject(forbidden)
    const later = await connect('/a?as=ann')
    later.send(ask)
    expect(await later.nextJson()).toMatchObject(forbidden)
    other.send(ask)
    expect(await other.nextJson()).toMatchObject({ data: 'secret 2' })
    expect(calls()).toBe(4)
  })

  it('is forgotten on every path of the channel, and with what it took', async () => {
    const { refuse, connect, middleware } = await startShop()
    for (const tab of ['a', 'b', 'c']) {
      const client = await connect(`/${tab}?as=ann`)
      client.send(ask)
      await client.next()
    }
    expect(middleware.stats().entries).toBe(3)
    refuse('ann')
    expect(middleware.stats()).toMatchObject({ entries: 0, bytes: 0 })
  })

  it.each([
    ['has left', 1],
    ['is at another channel by now', 2],
  ])('is forgotten though the principal %s', async (_where, left) => {
    const { gateway, connect, middleware, refuse } = await startShop()
    const client = await connect('/a?as=ann')
    if (left === 2) await connect('/other/channel?as=ann')
    const other = await connect('/a?as=bob')
    for (const each of [client, other]) {
      each.send(ask)
      await each.next()
    }
    client.ws.terminate()
    await vi.waitFor(() => expect(gateway.registry.size).toBe(left))
    expect(middleware.stats().entries).toBe(2)
    refuse('ann')
    expect(middleware.stats().entries).toBe(1)
    const later = await connect('/a?as=ann')
    later.send(ask)
    expect(await later.nextJson()).toMatchObject(forbidden)
  })

  it('is forgotten when the principal is ended, who may come back with less', async () => {
    const { gateway, connect, middleware } = await startShop()
    const client = await connect('/a?as=ann')
    client.send(ask)
    await client.next()
    expect(gateway.updatePrincipals(() => undefined)).toBe(1)
    expect(middleware.stats().entries).toBe(0)
    expect((await client.closed).code).toBe(4002)
  })

  it('is not forgotten for a principal that stays as it is', async () => {
    const { gateway, connect, middleware } = await startShop()
    const client = await connect('/a?as=ann')
    client.send(ask)
    await client.next()
    gateway.updatePrincipals((principal) => principal)
    expect(middleware.stats().entries).toBe(1)
  })

  it('stays where it is shared: it is nobody’s', async () => {
    const { refuse, connect, calls } = await startShop({ shared: true })
    const client = await connect('/a?as=ann')
    for (const _ of [1, 2]) {
      client.send(ask)
      expect(await client.nextJson()).toMatchObject({ data: 'secret 1' })
      refuse('ann')
    }
    expect(calls()).toBe(1)
  })

  it('is given to those who asked before, and neither kept nor joined', async () => {
    const { refuse, connect, middleware, answer, calls } = await startShop({}, { waits: () => true })
    const client = await connect('/a?as=ann')
    const second = await connect('/a?as=ann')
    client.send(ask)
    await vi.waitFor(() => expect(calls()).toBe(1))
    second.send(ask)
    await vi.waitFor(() => expect(middleware.stats().merged).toBe(1))
    refuse('ann')
    second.send({ ...ask, id: 2 })
    expect(await second.nextJson()).toMatchObject({ id: 2, ...forbidden })
    answer()
    for (const each of [client, second])
      expect(await each.nextJson()).toMatchObject({ id: 1, data: expect.stringMatching(/^secret/) })
    expect(middleware.stats()).toMatchObject({ entries: 0, merged: 1 })
    client.send(ask)
    expect(await client.nextJson()).toMatchObject(forbidden)
  })

  it('is not kept of a stream that began before', async () => {
    const { refuse, connect, middleware, answer } = await startShop({}, { streams: true })
    const client = await connect('/a?as=ann')
    client.send(ask)
    expect(await client.nextJson()).toMatchObject({ data: 'first' })
    refuse('ann')
    answer()
    expect(await client.nextJson()).toMatchObject({ data: 'last' })
    expect(await client.nextJson()).toMatchObject({ done: true })
    expect(middleware.stats().entries).toBe(0)
    client.send({ ...ask, id: 2 })
    expect(await client.nextJson()).toMatchObject({ id: 2, ...forbidden })
  })

  it('is not brought back by a call for what was stale', async () => {
    let waits = false
    const { refuse, connect, middleware, answer, calls } = await startShop(
      { ttlMs: 1, staleMs: 60_000 },
      { waits: () => waits },
    )
    const client = await connect('/a?as=ann')
    client.send(ask)
    await client.next()
    waits = true
    await vi.waitFor(async () => {
      client.send(ask)
      expect(await client.nextJson()).toMatchObject({ data: 'secret 1' })
      expect(calls()).toBe(2)
    })
    refuse('ann')
    answer()
    client.send(ask)
    expect(await client.nextJson()).toMatchObject(forbidden)
    expect(middleware.stats().entries).toBe(0)
    await vi.waitFor(() => expect(pendingDeadlines()).toBe(0))
  })
})
