// SPDX-License-Identifier: Apache-2.0
import { busFrom } from '@nats-edge/wire-parser/bus'
import type { Bus, Principal } from '@nats-edge/wire-parser'
import type { NatsConnection } from '@nats-io/transport-node'
import { beforeEach, describe, expect, inject, it } from 'vitest'
import { jsonCodec, jsonRpc } from '../index.ts'
import { natsSubscribe, type NatsSubscribe, type NatsSubscribeOptions } from '../nats.ts'
import { ask, brokerFor, connectTo, principalOf, startEdge, until, type Edge } from './nats-rig.test-support.ts'
import type { PermissionRules } from '@nats-edge/wire-parser'

/** A Bus that counts subscriptions. */
function counting(nats: NatsConnection): { bus: Bus; live: () => number; made: () => number } {
  const inner = busFrom(nats)
  let made = 0
  let live = 0
  const bus: Bus = new Proxy(inner, {
    get(target, key): unknown {
      if (key !== 'subscribe') {
        const value: unknown = Reflect.get(target, key, target)
        return typeof value === 'function' ? value.bind(target) : value
      }
      return (...args: Parameters<Bus['subscribe']>) => {
        made += 1
        live += 1
        const subscription = target.subscribe(...args)
        return {
          ...subscription,
          unsubscribe: () => {
            live -= 1
            subscription.unsubscribe()
          },
        }
      }
    },
  })
  return { bus, live: () => live, made: () => made }
}

describe.each(inject('natsServers'))('natsSubscribe over nats-server $version', (binary) => {
  const broker = brokerFor(binary)
  let nats: NatsConnection
  let peer: NatsConnection

  beforeEach(async () => {
    nats = await connectTo(broker.server)
    peer = await connectTo(broker.server)
  })

  async function start(
    options: Partial<NatsSubscribeOptions> = {},
    rules: PermissionRules = {},
  ): Promise<{ edge: Edge; backend: NatsSubscribe; subscriptions: ReturnType<typeof counting> }> {
    const subscriptions = counting(nats)
    const backend = natsSubscribe(subscriptions.bus, { allow: ['quote.{symbol}', 'user.{{name}}.>'], ...options })
    const edge = await startEdge(
      (gateway) => {
        for (const [path, codec] of [
          ['/json', jsonCodec()],
          ['/rpc', jsonRpc()],
        ] as const) {
          gateway.channel(path, { codec }).route('sub', backend).route('unsub', backend.unsubscribe)
        }
        gateway.channel('/raw').default(backend)
      },
      { rules },
    )
    return { edge, backend, subscriptions }
  }

  it('delivers in the words of each channel, over one subscription for all (F4)', async () => {
    const { edge, backend, subscriptions } = await start()
    const json = await edge.open('/json')
    const other = await edge.open('/json')
    const rpc = await edge.open('/rpc')
    const raw = await edge.open('/raw')
    expect(await ask(json, { type: 'sub', id: 1, data: { subject: 'quote.A' } })).toEqual({
      type: 'sub',
      id: 1,
      data: { subject: 'quote.A' },
    })
    await ask(other, { type: 'sub', id: 1, data: 'quote.A' })
    await ask(rpc, { jsonrpc: '2.0', id: 1, method: 'sub', params: { subject: 'quote.A' } })
    raw.ws.send('quote.A')
    await until('four subscriptions', () => backend.stats().subscriptions === 4)
    expect(subscriptions.made()).toBe(1)
    peer.publish('quote.A', '{"price": 1}')
    const event = { subject: 'quote.A', data: { price: 1 } }
    expect(JSON.parse(await json.next())).toEqual({ type: 'message', data: event })
    expect(JSON.parse(await other.next())).toEqual({ type: 'message', data: event })
    expect(JSON.parse(await rpc.next())).toEqual({ jsonrpc: '2.0', method: 'message', params: event })
    expect(await raw.next()).toBe('{"price": 1}')
    // What JSON clients cannot be told still reaches the others.
    peer.publish('quote.A', 'no json')
    expect(await raw.next()).toBe('no json')
    expect(backend.stats().undeliverable).toBe(3)
  })

  it('ends with unsubscribing or leaving, and keeps the subscription for a while (F4)', async () => {
    const { edge, backend, subscriptions } = await start()
    const client = await edge.open('/json')
    await ask(client, { type: 'sub', id: 1, data: 'quote.A' })
    await ask(client, { type: 'sub', id: 2, data: 'quote.A' })
    expect(backend.stats().subscriptions).toBe(1)
    await ask(client, { type: 'unsub', id: 3, data: 'quote.A' })
    expect(backend.stats()).toMatchObject({ subscriptions: 0, upstreams: 0 })
    peer.publish('quote.A', '1')
    await peer.flush()
    // The next message is the answer: nothing was delivered.
    expect(await ask(client, { type: 'sub', id: 4, data: 'quote.A' })).toMatchObject({ id: 4 })
    expect([subscriptions.made(), subscriptions.live()]).toEqual([1, 1])
    const leftMs = performance.now()
    client.ws.terminate()
    await until('the client to be forgotten', () => backend.stats().subscriptions === 0)
    expect(subscriptions.live()).toBe(1)
    // Five seconds, so once is enough.
    if (binary !== inject('natsServers').at(-1)) return
    await until('the subscription to end', () => subscriptions.live() === 0)
    // A timer of whole milliseconds may run within the one before.
    expect(performance.now() - leftMs).toBeGreaterThan(4990)
  }, 60_000)

  it('gives nothing beyond its templates, by subset and not by text (F4)', async () => {
    const { edge, backend } = await start()
    const client = await edge.open('/json', 'ann')
    const codeOf = async (data: unknown): Promise<unknown> =>
      ((await ask(client, { type: 'sub', id: 1, data })) as { error?: { code: string } }).error?.code
    for (const data of ['quote.A', 'quote.*', 'user.ann.>', 'user.ann.x.*']) expect(await codeOf(data)).toBeUndefined()
    for (const data of ['quote.>', 'quote.A.b', 'quote', 'user.bob.x', 'user.*.x', 'user.>', 'user.ann']) {
      expect([data, await codeOf(data)]).toEqual([data, 'forbidden'])
    }
    for (const data of ['>', '*.A', '$SYS.>', '_INBOX.>', '_gw.>']) expect(await codeOf(data)).toBe('reserved_subject')
    for (const data of ['', 'a..b', 'a b', 'quote.A\r\nPUB x 0', {}, 1])
      expect(await codeOf(data)).toBe('invalid_params')
    expect(backend.stats().subscriptions).toBe(4)
    const nobody = await edge.open('/json')
    expect(await ask(nobody, { type: 'sub', id: 1, data: 'user.ann.x' })).toMatchObject({
      error: { code: 'unauthorized' },
    })
  })

  it('bounds the subscriptions of a connection (F4)', async () => {
    const { edge } = await start({ perConnection: 2 })
    const client = await edge.open('/json')
    for (const data of ['quote.A', 'quote.B']) await ask(client, { type: 'sub', id: 1, data })
    const refused = await ask(client, { type: 'sub', id: 1, data: 'quote.C' })
    expect(refused).toMatchObject({ error: { code: 'overloaded' } })
    const [info] = edge.gateway.connections()
    expect(info?.subscriptions).toBe(2)
  })

  it('tells of the limit of a connection where its own is no lower (F4)', async () => {
    const { edge } = await start()
    const client = await edge.open('/json')
    for (let id = 0; id < 100; id++) await ask(client, { type: 'sub', id, data: `quote.S${id}` })
    expect(await ask(client, { type: 'sub', id: 100, data: 'quote.S100' })).toMatchObject({
      error: { code: 'overloaded' },
    })
    expect(edge.events.filter(({ type }) => type === 'limit.hit')).toMatchObject([{ limit: 'subscriptions' }])
    const [info] = edge.gateway.connections()
    expect(info?.subscriptions).toBe(100)
  })

  it('keeps back single messages the principal may not have', async () => {
    const { edge, backend } = await start({}, { subscribe: { allow: ['quote.>'], deny: ['quote.SECRET'] } })
    const client = await edge.open('/json', 'ann')
    await ask(client, { type: 'sub', id: 1, data: 'quote.*' })
    peer.publish('quote.SECRET', '1')
    peer.publish('quote.OPEN', '2')
    expect(JSON.parse(await client.next())).toMatchObject({ data: { subject: 'quote.OPEN' } })
    expect(backend.stats().denied).toBe(1)
  })

  it('asks again when the principal has changed, and closes with 4002 without permission (F4)', async () => {
    const decisions: ((isAllowed: boolean) => void)[] = []
    const { edge, backend } = await start({
      authorize: (principal) => principal?.name === 'ann' || new Promise((resolve) => decisions.push(resolve)),
    })
    const client = await edge.open('/json', 'ann')
    await ask(client, { type: 'sub', id: 1, data: 'quote.A' })
    edge.gateway.updatePrincipals(() => principalOf('new', { subscribe: { allow: ['quote.>'] } }))
    expect(decisions).toHaveLength(1)
    // Until it is known, nothing is delivered.
    peer.publish('quote.A', '1')
    await until('the message to be kept back', () => backend.stats().denied === 1)
    decisions.shift()?.(true)
    peer.publish('quote.A', '2')
    expect(JSON.parse(await client.next())).toMatchObject({ data: { data: 2 } })
    edge.gateway.updatePrincipals(() => principalOf('gone'))
    decisions.shift()?.(false)
    expect(await client.code).toBe(4002)
    expect(backend.stats().subscriptions).toBe(0)
  })

  it('takes away at once what the new principal may not have, though nothing is delivered (F4)', async () => {
    const { edge, backend, subscriptions } = await start()
    const client = await edge.open('/json', 'ann')
    const other = await edge.open('/json', 'bob')
    for (const data of ['quote.A', 'quote.B']) await ask(client, { type: 'sub', id: 1, data })
    await ask(other, { type: 'sub', id: 1, data: 'quote.A' })
    const deny = { subscribe: { deny: ['quote.B'] } }
    const changed = (principal: Principal): Principal =>
      principal.name === 'ann' ? principalOf('ann', deny) : principal
    expect(edge.gateway.updatePrincipals(changed)).toBe(0)
    expect(backend.stats()).toMatchObject({ subscriptions: 1, upstreams: 1 })
    expect(await client.code).toBe(4002)
    peer.publish('quote.A', '1')
    expect(JSON.parse(await other.next())).toMatchObject({ data: { data: 1 } })
    expect(subscriptions.live()).toBe(2)
    // Five seconds, so once is enough.
    if (binary !== inject('natsServers').at(-1)) return
    await until('the subscription at the broker to end', () => subscriptions.live() === 1)
  }, 60_000)

  it('leaves what the new principal may have as it is', async () => {
    const { edge, backend } = await start()
    const client = await edge.open('/json', 'ann')
    for (const data of ['quote.A', 'quote.*']) await ask(client, { type: 'sub', id: 1, data })
    edge.gateway.updatePrincipals(() => principalOf('ann', { subscribe: { deny: ['quote.SECRET'] } }))
    expect(backend.stats().subscriptions).toBe(2)
    for (const symbol of ['SECRET', 'B']) peer.publish(`quote.${symbol}`, '1')
    expect(JSON.parse(await client.next())).toMatchObject({ data: { subject: 'quote.B' } })
    expect(backend.stats().denied).toBe(1)
  })

  it('refuses who loses the permission while it is being asked about', async () => {
    const decisions: ((isAllowed: boolean) => void)[] = []
    const { edge, backend } = await start({
      authorize: (principal) => principal?.name === 'ann' && new Promise((resolve) => decisions.push(resolve)),
    })
    const client = await edge.open('/json', 'ann')
    client.ws.send(JSON.stringify({ type: 'sub', id: 1, data: 'quote.A' }))
    await until('the question', () => decisions.length === 1)
    edge.gateway.updatePrincipals(() => principalOf('gone'))
    decisions[0]?.(true)
    expect(JSON.parse(await client.next())).toMatchObject({ error: { code: 'forbidden' } })
    expect(backend.stats().subscriptions).toBe(0)
  })

  it('asks again at the next delivery where a principal was set in another way', async () => {
    const { edge } = await start()
    const client = await edge.open('/json', 'ann')
    await ask(client, { type: 'sub', id: 1, data: 'quote.A' })
    for (const connection of edge.gateway.registry)
      connection.principal = principalOf('ann', { subscribe: { deny: ['>'] } })
    peer.publish('quote.A', '1')
    expect(await client.code).toBe(4002)
  })

  it('subscribes connections from the server side', async () => {
    const backend = natsSubscribe(nats, { allow: ['quote.*'], event: 'quote' })
    const edge = await startEdge((gateway) => {
      gateway
        .channel('/json', {
          codec: jsonCodec(),
          onOpen: (connection) => backend.subscribe(connection, `quote.${connection.params['none'] ?? 'A'}`),
        })
        .route('unsub', backend.unsubscribe)
    })
    const client = await edge.open('/json')
    await until('the subscription', () => backend.stats().subscriptions === 1)
    await nats.flush()
    peer.publish('quote.A', '1')
    expect(JSON.parse(await client.next())).toEqual({ type: 'quote', data: { subject: 'quote.A', data: 1 } })
    const another = await edge.open('/json', 'ann')
    await until('both subscriptions', () => backend.stats().subscriptions === 2)
    edge.gateway.updatePrincipals(() => principalOf('ann', { subscribe: { deny: ['>'] } }))
    expect(await another.code).toBe(4002)
  })
})

describe('natsSubscribe with a user who may not', () => {
  const [binary] = inject('natsServers').slice(-1)
  if (binary === undefined) throw new Error('no nats-server to test with')
  const config =
    'authorization { users = [{ user: u, password: p, permissions: { subscribe: ["ok.>", "_INBOX.>"] } }] }'
  const broker = brokerFor(binary, { config })

  it('answers with forbidden what the broker refuses', async () => {
    const nats = await connectTo(broker.server, { user: 'u', pass: 'p' })
    const backend = natsSubscribe(nats, { allow: ['ok.*', 'refused.*'] })
    const edge = await startEdge((gateway) => {
      gateway.channel('/json', { codec: jsonCodec() }).route('sub', backend)
    })
    const client = await edge.open('/json')
    expect(await ask(client, { type: 'sub', id: 1, data: 'refused.a' })).toMatchObject({ error: { code: 'forbidden' } })
    expect(await ask(client, { type: 'sub', id: 2, data: 'ok.a' })).toMatchObject({ data: { subject: 'ok.a' } })
    expect(backend.stats().subscriptions).toBe(1)
  })
})
