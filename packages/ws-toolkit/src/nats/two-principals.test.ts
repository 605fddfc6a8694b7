// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it, onTestFinished, vi } from 'vitest'
import { jsonCodec } from '../codec/json.ts'
import { cache } from '../middleware/cache.ts'
import { natsRequest, natsRoomBus, natsSubscribe } from '../nats.ts'
import { testGateway, type TestClient, type TestGateway } from '../testing.ts'
import { wsGateway } from '../ws-gateway.ts'
import { brokerFor, connectTo, principalOf } from './nats-rig.test-support.ts'

const sequences = Math.max(5, Math.ceil(inject('propertyRuns') / 200))
const names = ['ada', 'bob'] as const
type Name = (typeof names)[number]

const acts = ['cached', 'streamed', 'asked', 'joins', 'says', 'intrudes', 'published'] as const

/** What one principal does, at one of two gateways. */
interface Act {
  readonly who: Name
  readonly gateway: 0 | 1
  readonly what: (typeof acts)[number]
}

const act: fc.Arbitrary<Act> = fc.record({
  who: fc.constantFrom(...names),
  gateway: fc.constantFrom(0 as const, 1 as const),
  what: fc.constantFrom(...acts),
})

const secretOf = (name: string): string => `secret of ${name}`
const other = (name: Name): Name => (name === 'ada' ? 'bob' : 'ada')

/** Everybody asks with the same words for what is theirs: whatever they get says whose it is. */
async function startRig(nats: Awaited<ReturnType<typeof connectTo>>): Promise<TestGateway> {
  const gateway = wsGateway({
    principal: (c) => principalOf(c.req.query('as') ?? ''),
    roomBus: natsRoomBus(nats),
    maxConnectionsPerPrincipal: 1000,
  })
  let turns = 0
  gateway
    .channel('/', { codec: jsonCodec(), order: 'unordered', messagesPerSecond: Infinity })
    .route('cached', cache({ key: () => 'mine', ttlMs: 3 }), async ({ connection }) => {
      turns += 1
      for (let turn = turns % 3; turn > 0; turn -= 1) await new Promise((resolve) => setImmediate(resolve))
      return secretOf(connection.principal?.name ?? '')
    })
    .route('streamed', cache({ key: () => 'mine', ttlMs: 3 }), async function* ({ connection }) {
      yield secretOf(connection.principal?.name ?? '')
      await new Promise((resolve) => setImmediate(resolve))
      yield secretOf(connection.principal?.name ?? '')
    })
    .route('asked', cache({ key: () => 'mine', ttlMs: 3 }), natsRequest(nats, 'whose.{{name}}'))
    .route('joins', async ({ connection }) => connection.join(`of ${connection.principal?.name}`))
    .route('says', ({ connection }) => {
      const name = connection.principal?.name ?? ''
      gateway.rooms.room(`of ${name}`).broadcast(JSON.stringify({ type: 'room', data: secretOf(name) }))
    })
    .route('subscribes', natsSubscribe(nats, { allow: ['user.{{name}}.>'] }))
  await gateway.ready()
  const rig = testGateway(gateway, { chaos: { toClient: { chunkBytes: [1, 400] } } })
  onTestFinished(() => rig.close())
  return rig
}

describe.each(inject('natsServers').slice(-1))('two principals at two gateways, nats-server $version', (binary) => {
  const broker = brokerFor(binary)

  it('reliability T25: never get what is the other one’s, by cache, merged calls, rooms or subscriptions', async () => {
    const service = await connectTo(broker.server)
    for (const name of names) {
      const answer = JSON.stringify(secretOf(name))
      service.subscribe(`whose.${name}`, { callback: (_error, message) => void message.respond(answer) })
    }
    await service.flush()
    const rigs = [await startRig(await connectTo(broker.server)), await startRig(await connectTo(broker.server))]
    const got = new Set<string>()

    async function enact(done: readonly Act[]): Promise<void> {
      const clients = new Map<string, TestClient>()
      const asked = new Map<string, number[]>()
      for (const name of names) {
        for (const [index, rig] of rigs.entries()) {
          const client = await rig.connect(`/?as=${name}`)
          client.send({ type: 'subscribes', id: 'first', data: `user.${name}.>` })
          await client.next()
          clients.set(`${name} ${index}`, client)
        }
      }
      for (const [id, { who, gateway, what }] of done.entries()) {
        const place = `${who} ${gateway}`
        const client = clients.get(place)
        if (what !== 'published' && what !== 'says') asked.set(place, [...(asked.get(place) ?? []), id])
        if (what === 'published') service.publish(`user.${who}.news`, JSON.stringify(secretOf(who)))
        else if (what === 'intrudes') client?.send({ type: 'subscribes', id, data: `user.${other(who)}.>` })
        else client?.send({ type: what, id })
      }
      for (const name of names) service.publish(`user.${name}.last`, JSON.stringify(secretOf(name)))
      for (const [place, client] of clients) {
        const name = place.startsWith('ada') ? 'ada' : 'bob'
        const messages: string[] = []
        const open = new Set<unknown>(asked.get(place))
        for (let wasLast = false; !wasLast || open.size > 0;) {
          const message = String(await client.next())
          messages.push(message)
          wasLast ||= message.includes(`user.${name}.last`)
          open.delete((JSON.parse(message) as { id?: number }).id)
        }
        for (const message of [...messages, ...client.received.map(String)]) {
          expect(message).not.toContain(secretOf(other(name)))
          const { type = '', error } = JSON.parse(message) as { type?: string; error?: { code: string } }
          got.add(error?.code ?? type)
        }
        client.cut()
      }
    }

    await fc.assert(fc.asyncProperty(fc.array(act, { minLength: 10, maxLength: 40 }), enact), { numRuns: sequences })
    // Everything has happened, the refusals too; what was not drawn, or came too late to be seen, is done on purpose.
    const all = ['asked', 'cached', 'forbidden', 'joins', 'message', 'room', 'streamed']
    const everything = names.flatMap((who) => acts.map((what): Act => ({ who, gateway: 0, what })))
    for (let round = 0; round < 50 && got.size < all.length; round += 1) await enact([...everything, ...everything])
    expect([...got].sort()).toEqual(all)
    for (const rig of rigs) {
      await vi.waitFor(async () => {
        const { deadlines: _lingering, ...rest } = await rig.leakReport(0)
        expect(rest).toEqual({})
      })
    }
  }, 120_000)
})
