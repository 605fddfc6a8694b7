// SPDX-License-Identifier: Apache-2.0
import { getEventListeners } from 'node:events'
import type { Msg } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { type HostKind, hostKinds } from './http-host.test-support.ts'
import { rawRequestText } from './raw-client.test-support.ts'
import type { CloseOptions, RestProxyOptions } from './index.ts'
import { type Broker, newestServer, type Rig, startBroker, startRig, until } from './rig.test-support.ts'

let broker: Broker
let held: Msg[] = []
const ok = Buffer.from('08c8012000', 'hex')

beforeAll(async () => {
  broker = await startBroker(newestServer(inject('natsServers')))
  broker.peer.subscribe('GET:.hold', { callback: (_error, message) => void held.push(message) })
  broker.peer.subscribe('GET:.ok', { callback: (_error, message) => void message.respond(ok) })
  await broker.peer.flush()
})
afterAll(() => broker.stop())
beforeEach(() => {
  held = []
})

const rigs: Rig[] = []
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.stop()
})

async function rigOn(kind: HostKind, options: Partial<RestProxyOptions> = {}): Promise<Rig> {
  const rig = await startRig({ nats: broker.nats, ...options }, kind)
  rigs.push(rig)
  await rig.proxy.ready()
  return rig
}

describe.each(hostKinds)('closing a proxy on a %s host', (kind) => {
  const rigOf = (options: Partial<RestProxyOptions> = {}): Promise<Rig> => rigOn(kind, options)

  it('refuses new requests, lets those under way finish and keeps the connection', async () => {
    const rig = await rigOf()
    const [early, late] = await Promise.all([rig.client(), rig.client()])
    early.write(rawRequestText('GET /hold'))
    await until('the request', () => held.length === 1)
    let closed = false
    const closing = rig.proxy.close({ drainMs: 10_000, retryAfterMs: [7000, 7000] }).then(() => (closed = true))
    const refused = await late.send(rawRequestText('GET /ok'))
    expect([refused.status, refused.json()['code']]).toEqual([503, 'draining'])
    expect([refused.get('retry-after'), refused.get('connection')]).toEqual(['7', 'close'])
    expect(closed).toBe(false)
    held[0]?.respond(ok)
    const finished = await early.read()
    expect([finished.status, finished.get('connection')]).toEqual([200, 'close'])
    await closing
    expect(broker.nats.isClosed()).toBe(false)
  })

  it('ends what is under way when its time is over, a second call only sooner', async () => {
    const rig = await rigOf()
    const client = await rig.client()
    client.write(rawRequestText('GET /hold'))
    await until('the request', () => held.length === 1)
    const first = rig.proxy.close({ drainMs: 60_000 })
    const second = rig.proxy.close({ drainMs: 50 })
    const third = rig.proxy.close({ drainMs: 60_000 })
    await Promise.all([first, second, third])
    const ended = await client.read()
    expect([ended.status, ended.json()['code']]).toEqual([503, 'draining'])
  })

  it('answers with Connection: close until its time is over where requests are to be served', async () => {
    const rig = await rigOf()
    await rig.proxy.close({ drainMs: 60_000, serveRequests: true })
    const served = await (await rig.client()).send(rawRequestText('GET /ok'))
    expect([served.status, served.get('connection')]).toEqual([200, 'close'])
    const missing = await (await rig.client()).send(rawRequestText('GET /nobody'))
    expect([missing.status, missing.get('connection')]).toEqual([503, 'close'])
    await rig.proxy.close({ drainMs: 50, serveRequests: true })
    const deadline = performance.now() + 10_000
    let code: unknown
    while (code !== 'draining' && performance.now() < deadline) {
      const response = await (await rig.client()).send(rawRequestText('GET /ok'))
      code = response.status === 503 ? response.json()['code'] : undefined
    }
    expect(code).toBe('draining')
    // The first one may have been under way at that moment: from then on it holds for all.
    const after = await (await rig.client()).send(rawRequestText('GET /ok'))
    expect(after.status === 503 && after.json()['code']).toBe('draining')
  })

  it('happens at once with drainMs 0 and with an aborted signal', async () => {
    const controller = new AbortController()
    const rig = await rigOf({ signal: controller.signal })
    const client = await rig.client()
    client.write(rawRequestText('GET /hold'))
    await until('the request', () => held.length === 1)
    controller.abort()
    expect((await client.read()).json()).toMatchObject({ code: 'draining' })
    const aborted = await rigOf({ signal: AbortSignal.abort() })
    expect((await (await aborted.client()).send(rawRequestText('GET /ok'))).status).toBe(503)
    await aborted.proxy.close()
  })
})

describe('the options of close()', () => {
  it.each<[CloseOptions, string]>([
    [{ drainMs: -1 }, 'drainMs must be a number of at least 0, not -1'],
    [{ drainMs: NaN }, 'drainMs'],
    [{ retryAfterMs: [NaN, 1] }, 'retryAfterMs'],
    [{ retryAfterMs: [1, Infinity] }, 'retryAfterMs'],
    [{ retryAfterMs: [-1, 1] }, 'retryAfterMs'],
  ])('are checked before anything ends: %j', async (options, named) => {
    const { proxy } = await rigOn('response')
    await expect(proxy.close(options)).rejects.toThrow(new RegExp(`^${named}`))
    expect((await proxy.routes.request('/ok')).status).toBe(200)
  })

  it('may name a time beyond what a timer can hold', async () => {
    const { proxy } = await rigOn('response')
    const answer = proxy.routes.request('/ok')
    const closed = proxy.close({ drainMs: 2 ** 31 })
    expect((await answer).status).toBe(200)
    await closed
  })

  it('leaves nothing on the signal', async () => {
    const { signal } = new AbortController()
    const { proxy } = await rigOn('response', { signal })
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    await proxy.close()
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })
})

describe('reloading a proxy', () => {
  it('puts new routes into effect behind the same app and keeps the state of those that stay', async () => {
    const rig = await startRig({
      nats: broker.nats,
      routes: [route('/kept', 1), route('/gone', 1), route('/changed', 1)],
      defaultRoute: false,
    })
    rigs.push(rig)
    await rig.proxy.ready()
    const client = await rig.client()
    const statuses = async (): Promise<number[]> => {
      const list: number[] = []
      for (const path of ['/kept', '/gone', '/changed', '/new'])
        list.push((await client.send(rawRequestText(`GET ${path}`))).status)
      return list
    }
    expect(await statuses()).toEqual([200, 200, 200, 404])
    const commit = rig.proxy.reload({
      routes: [route('/kept', 1), route('/changed', 5), route('/new', 1)],
      defaultRoute: false,
      maxHeaders: 50,
    })
    expect(await statuses()).toEqual([429, 429, 429, 404])
    expect(commit()).toEqual({
      applied: ['maxHeaders', '/changed', '/new', '/gone'],
      unchanged: ['defaultRoute', '/kept'],
      needsRestart: [],
      closed: 0,
    })
    expect(await statuses()).toEqual([429, 404, 200, 200])
  })

  it('throws what is wrong and changes nothing', async () => {
    const rig = await startRig({ nats: broker.nats, routes: [{ path: '/a', subject: 'GET:.ok' }], defaultRoute: false })
    rigs.push(rig)
    await rig.proxy.ready()
    expect(() => rig.proxy.reload({ routes: [{ path: '/b', subject: 'a b' }] })).toThrow('routes[0].subject')
    expect(() => rig.proxy.reload({ rotues: [] })).toThrow('"rotues"')
    expect(() => rig.proxy.reload(undefined)).toThrow(TypeError)
    expect((await (await rig.client()).send(rawRequestText('GET /a'))).status).toBe(200)
  })

  it('says what only a restart can change', async () => {
    const rig = await startRig({ nats: broker.nats })
    rigs.push(rig)
    expect(rig.proxy.reload({ nats: broker.peer, signal: AbortSignal.abort() })().needsRestart).toEqual([
      'nats',
      'signal',
    ])
    expect(rig.proxy.reload({ nats: broker.nats })()).toEqual({
      applied: [],
      unchanged: [],
      needsRestart: [],
      closed: 0,
    })
  })
})

function route(path: string, burst: number): NonNullable<RestProxyOptions['routes']>[number] {
  return { path, subject: 'GET:.ok', rateLimit: { by: 'ip', ratePerSecond: 0.001, burst } }
}
