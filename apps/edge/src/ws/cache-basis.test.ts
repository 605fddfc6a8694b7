// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { NatsServer } from '@nats-edge/embedded-nats'
import { compilePermissions } from '@nats-edge/wire-parser'
import { busFrom } from '@nats-edge/wire-parser/bus'
import { jsonRpc, wsGateway } from '@nats-edge/ws-toolkit'
import { testGateway, type TestClient, type TestConnectOptions, type TestGateway } from '@nats-edge/ws-toolkit/testing'
import { attachWebSockets } from '@nats-edge/ws-toolkit/upgrade'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { UseConfig } from '../config/ws-middleware-schema.ts'
import type { ChannelConfig } from '../config/ws-schema.ts'
import { startBroker } from '../edge.test-support.ts'
import { addChannel } from './channel.ts'

let broker: NatsServer
let nats: NatsConnection
let asked = 0
// Says what it was asked, and how often anybody has asked anything.
const service = createServer((incoming, outgoing) => {
  asked += 1
  const { accept, 'x-who': who } = incoming.headers
  outgoing.setHeader('Content-Type', 'application/json')
  outgoing.end(JSON.stringify([incoming.url, accept ?? who ?? '', asked]))
})
let url = ''

beforeAll(async () => {
  broker = await startBroker()
  nats = await connect({ servers: broker.url })
  nats.subscribe('shop.>', {
    callback: (_error, message) => {
      asked += 1
      message.respond(JSON.stringify([message.subject, asked]))
    },
  })
  await nats.flush()
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
  const address = service.address()
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
})

afterAll(async () => {
  service.close()
  await nats.close()
  await broker.stop()
})

/** A channel whose clients are who they say, with claims that are not part of their id. */
function serve(config: ChannelConfig): TestGateway {
  const gateway = wsGateway({
    principal: (c) => {
      const id = c.req.query('as')
      const claims = { tenant: c.req.query('tenant') ?? 'none' }
      return id === undefined ? undefined : { id, name: id, claims, permissions: compilePermissions({}) }
    },
  })
  const tools = { bus: busFrom(nats), requestTimeoutMs: undefined, hasHistory: false }
  addChannel(gateway, 'shop/:shop', { codec: { type: 'json' }, ...config }, tools)
  const test = testGateway(gateway)
  onTestFinished(() => test.close())
  return test
}

async function ask(client: TestClient, type = 'price', data: unknown = 1): Promise<unknown> {
  client.send(JSON.stringify({ type, id: 1, data }))
  return (JSON.parse(String(await client.next())) as { data: unknown }).data
}

const kept = (more: { key?: string; shared?: boolean } = {}): UseConfig[] => [{ cache: { ttlMs: 60_000, ...more } }]

type Asker = readonly [path: string, options?: TestConnectOptions]

/** Asks as one client and as another, each twice: who comes second gets what was kept for them, and for nobody else. */
async function expectApart(test: TestGateway, ...askers: readonly Asker[]): Promise<void> {
  const answers: unknown[] = []
  for (const [path, options] of [...askers, ...askers]) answers.push(await ask(await test.connect(path, options)))
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(askers.length)
  expect(answers.slice(askers.length)).toStrictEqual(answers.slice(0, askers.length))
}

const tenants: Asker[] = [['/shop/x?as=ann&tenant=a'], ['/shop/x?as=ann&tenant=b']]
const addresses: Asker[] = [
  ['/shop/x', { ip: '192.0.2.1' }],
  ['/shop/x', { ip: '192.0.2.2' }],
]
const languages: Asker[] = [
  ['/shop/x', { headers: { accept: 'text/a' } }],
  ['/shop/x', { headers: { accept: 'text/b' } }],
]

// With a key of its own, and shared, the answer depends on it all the same: the service is asked for something else.
describe.each([kept(), kept({ key: 'same' }), kept({ shared: true })])('a cache with %j', (...use) => {
  it('tells claims apart that are part of a subject', async () => {
    await expectApart(
      serve({ routes: { price: { nats: 'request', subject: 'shop.{{claim.tenant}}.price', use } } }),
      ...tenants,
    )
  })

  it('tells addresses apart that are part of a URL, around all routes of a channel too', async () => {
    await expectApart(serve({ use, routes: { price: { http: `${url}/{{ip}}` } } }), ...addresses)
    await expectApart(serve({ use, default: { http: `${url}/{{ip}}` } }), ...addresses)
  })

  it('tells headers apart that are filled in or passed on, to any of several services', async () => {
    const filled = { http: url, headers: { 'X-Who': '{{claim.tenant}}' } }
    await expectApart(serve({ routes: { price: { balance: [filled], use } } }), ...tenants)
    await expectApart(serve({ routes: { price: { http: url, forwardHeaders: ['Accept'], use } } }), ...languages)
  })

  it('tells the paths of clients apart', async () => {
    await expectApart(serve({ routes: { price: { http: `${url}/{shop}`, use } } }), ['/shop/a'], ['/shop/b'])
  })
})

describe('a cache of the configuration', () => {
  it('tells the keys of a wildcard route apart', async () => {
    const test = serve({ routes: { 'order.*': { nats: 'request', subject: 'shop.{match}', use: kept() } } })
    const client = await test.connect('/shop/x')
    expect(await ask(client, 'order.get')).toStrictEqual(['shop.get', asked])
    expect(await ask(client, 'order.list')).toStrictEqual(['shop.list', asked])
  })

  it('gives all clients one answer where the service is asked the same', async () => {
    const test = serve({ routes: { price: { http: `${url}/{shop}`, use: kept({ shared: true }) } } })
    const answers = [await ask(await test.connect('/shop/x?as=ann')), await ask(await test.connect('/shop/x?as=bob'))]
    expect(answers[1]).toStrictEqual(answers[0])
  })

  it('keeps clients apart that have a connection of their own to a service', async () => {
    const feed = wsGateway()
    let clients = 0
    feed
      .channel<number>('/feed', { codec: jsonRpc(), onConnect: () => (clients += 1) })
      .default(({ connection }) => connection.data)
    const attached = attachWebSockets(service, feed.routes)
    onTestFinished(async () => {
      await feed.close({ drainMs: 0 })
      attached.close()
    })
    const ws = `${url.replace('http', 'ws')}/feed`
    const test = serve({
      codec: { type: 'json-rpc' },
      routes: { price: { ws, match: 'json-rpc', use: kept({ shared: true }) } },
    })
    const results: unknown[] = []
    for (const client of [await test.connect('/shop/x'), await test.connect('/shop/x')]) {
      client.send('{"jsonrpc":"2.0","id":1,"method":"price"}')
      results.push((JSON.parse(String(await client.next())) as { result: unknown }).result)
    }
    expect(results).toStrictEqual([1, 2])
  })

  it('passes by what is done to a connection: each client joins, sends, subscribes', async () => {
    const test = serve({
      use: kept({ shared: true }),
      routes: {
        join: { room: 'join', name: 'lobby' },
        say: { room: 'send', name: 'lobby', self: false },
        sub: { nats: 'subscribe', allow: ['news.*'] },
      },
    })
    const clients = [await test.connect('/shop/x'), await test.connect('/shop/x')]
    for (const client of clients) {
      await ask(client, 'join')
      await ask(client, 'sub', 'news.a')
    }
    nats.publish('news.a', '"new"')
    for (const client of clients) expect(String(await client.next())).toContain('"new"')
    for (const round of [1, 2]) {
      clients[0]?.send(JSON.stringify({ type: 'say', data: 'hello' }))
      expect([round, String(await clients[1]?.next())]).toStrictEqual([round, '{"type":"say","data":"hello"}'])
    }
  })
})
