// SPDX-License-Identifier: Apache-2.0
import { type NatsServer, startNatsServer, steadyPort } from '@nats-edge/embedded-nats'
import type { NatsConnection } from '@nats-io/transport-node'
import { busFrom } from '@nats-edge/wire-parser/bus'
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { type HostKind, hostKinds } from './http-host.test-support.ts'
import { type RawClient, rawRequestText, type RawResponse } from './raw-client.test-support.ts'
import { connectTo, type Rig, startRig, until } from './rig.test-support.ts'
import type { RestProxyOptions } from './index.ts'

const inFlight = 200
const maxRounds = 5

interface Answered {
  readonly response: RawResponse
  readonly ms: number
}

describe.each(inject('natsServers'))('losing nats-server $version', (binary) => {
  let server: NatsServer
  const connections: NatsConnection[] = []
  const rigs: Rig[] = []

  async function connected(): Promise<NatsConnection> {
    const nats = await connectTo(server.url)
    connections.push(nats)
    return nats
  }

  async function rigOf(kind: HostKind, options: Partial<RestProxyOptions> = {}): Promise<Rig> {
    const rig = await startRig({ nats: await connected(), ...options }, kind)
    rigs.push(rig)
    await rig.proxy.ready()
    return rig
  }

  beforeEach(async () => {
    server = await startNatsServer({ binary, jetstream: false, port: await steadyPort() })
  })
  afterEach(async () => {
    for (const rig of rigs.splice(0)) await rig.stop()
    for (const nats of connections.splice(0)) await nats.close()
    await server.stop()
  })

  /** A service that takes requests and never answers them. */
  async function silentService(): Promise<{ count: () => number }> {
    const peer = await connected()
    let count = 0
    peer.subscribe('GET:.slow', { callback: () => void count++ })
    peer.subscribe('GET:.fast', {
      callback: (_error, message) => void message.respond(Buffer.from('08c8012000', 'hex')),
    })
    await peer.flush()
    return { count: () => count }
  }

  async function restart(): Promise<void> {
    server = await startNatsServer({ binary, jetstream: false, port: Number(new URL(server.url).port) })
  }

  /** Kills the broker with requests in flight and says how long the slowest answer took. */
  async function kill(clients: readonly RawClient[], atService: () => number): Promise<number> {
    const before = atService()
    let killedMs = 0
    const answers = clients.map(async (client): Promise<Answered> => {
      const response = await client.send(rawRequestText('GET /slow'))
      return { response, ms: performance.now() - killedMs }
    })
    await until('all requests to be with the service', () => atService() === before + clients.length)
    killedMs = performance.now()
    server.kill('SIGKILL')
    const answered = await Promise.all(answers)
    expect(answered.filter(({ response }) => response.status !== 503)).toEqual([])
    expect(new Set(answered.map(({ response }) => response.json()['code']))).toEqual(new Set(['disconnected']))
    return Math.max(...answered.map(({ ms }) => ms))
  }

  it.each(hostKinds)('reliability F1: answers everything in flight with 503 at once, on a %s host', async (kind) => {
    const rig = await rigOf(kind)
    const service = await silentService()
    const clients = await Promise.all(Array.from({ length: inFlight }, () => rig.client()))
    // Proxy, clients and service share one process here, so what as many answers cost it at this moment is no delay of the
    // proxy's, and a round in which the machine stalled proves nothing.
    let delayMs = Infinity
    for (let round = 0; round < maxRounds && delayMs >= inject('promptMs'); round++) {
      if (round > 0) await restart()
      await backAgain(clients[0])
      const slowestMs = await kill(clients, service.count)
      expect(gauge(rig, 'nats_requests_inflight')).toBe(0)
      delayMs = slowestMs - (await unaskedMs(clients))
    }
    expect(delayMs).toBeLessThan(inject('promptMs'))

    // While the broker is away, a new request is told so at once, with a body or without.
    for (const text of [rawRequestText('GET /fast'), rawRequestText('POST /fast', [], 'x'.repeat(100_000))]) {
      const startedMs = performance.now()
      const response = await clients[0]?.send(text)
      expect(response?.status).toBe(503)
      expect(response?.json()).toMatchObject({ code: 'disconnected' })
      expect(Number(response?.get('retry-after'))).toBeGreaterThan(0)
      expect(performance.now() - startedMs).toBeLessThan(inject('promptMs'))
    }
    await restart()
    await backAgain(clients[1])
  })

  it('reliability F1: keeps its memory while the broker is away and requests keep coming', async () => {
    const rig = await rigOf('raw')
    server.kill('SIGKILL')
    await server.exited
    const client = await rig.client()
    const request = rawRequestText('POST /a', [], Buffer.alloc(64 * 1024))
    const ask = async (times: number): Promise<void> => {
      for (let round = 0; round < times; round++) expect((await client.send(request)).status).toBe(503)
    }
    await ask(20)
    const before = await memoryInUse()
    await ask(500)
    // 500 bodies are 32 MB: kept, they would show.
    expect((await memoryInUse()) - before).toBeLessThan(8 * 1024 * 1024)
  })

  it('reliability P3: never accepts a publish that is only buffered', async () => {
    const routes = ['none', 'flush', 'jetstream'].map((confirm) => ({
      path: `/${confirm}`,
      subject: `pub.${confirm}`,
      envelope: 'publish' as const,
      publish: { confirm: confirm as 'none' },
    }))
    const rig = await rigOf('response', { routes })
    const client = await rig.client()
    server.kill('SIGKILL')
    await server.exited
    // Until the proxy knows, it may well say 202 for what nobody confirms.
    await until('the loss to be known', () => connections.every((nats) => busFrom(nats).state !== 'connected'))
    for (const { path } of routes) {
      const response = await client.send(rawRequestText(`POST ${path}`, [], 'x'))
      expect([path, response.status, response.json()['code']]).toEqual([path, 503, 'disconnected'])
    }
  })

  it('retries what is safe to retry until the broker is back, within the deadline', async () => {
    const retry = { attempts: 50, backoffMs: 1 }
    const routes = [{ path: '/fast', subject: 'GET:.fast', timeoutMs: 15_000, retry }]
    const rig = await rigOf('response', { routes })
    await silentService()
    const client = await rig.client()
    server.kill('SIGKILL')
    await server.exited
    const answer = client.send(rawRequestText('GET /fast'))
    const refused = await (await rig.client()).send(rawRequestText('POST /fast', [], 'x'))
    expect(refused.status).toBe(503)
    await restart()
    expect((await answer).status).toBe(200)
    expect(gauge(rig, 'nats_request_retries_total')).toBeGreaterThan(0)
  })

  it('serves from the moment a connection that was only promised is there', async () => {
    let arrive: ((nats: NatsConnection) => void) | undefined
    const promised = new Promise<NatsConnection>((resolve) => {
      arrive = resolve
    })
    const rig = await startRig({ nats: promised })
    rigs.push(rig)
    const client = await rig.client()
    const early = await client.send(rawRequestText('GET /fast'))
    expect([early.status, early.json()['code']]).toEqual([503, 'disconnected'])
    await silentService()
    arrive?.(await connected())
    await rig.proxy.ready()
    expect((await client.send(rawRequestText('GET /fast'))).status).toBe(200)
  })

  it('rejects ready() where the connection will never be', async () => {
    const rig = await startRig({ nats: Promise.reject(new Error('refused')) })
    rigs.push(rig)
    await expect(rig.proxy.ready()).rejects.toMatchObject({ code: 'closed' })
    expect((await (await rig.client()).send(rawRequestText('GET /a'))).status).toBe(503)
  })
})

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes in use, of objects and of buffers, once collections free nothing more: what is freed late is not kept. */
async function memoryInUse(): Promise<number> {
  let least = Infinity
  for (let idle = 0; idle < 3; idle++) {
    collect()
    await turn()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    const used = heapUsed + arrayBuffers
    if (used < least - 10_000) idle = 0
    least = Math.min(least, used)
  }
  return least
}

function gauge(rig: Rig, name: string): number {
  for (const family of rig.proxy.stats()) {
    if (family.name === name) for (const { value } of family.samples) if (typeof value === 'number') return value
  }
  throw new Error(`no metric ${name}`)
}

/** Asks until the answer is 200, as it must be soon after the broker is back. */
async function backAgain(client: RawClient | undefined): Promise<void> {
  const deadline = performance.now() + 10_000
  for (;;) {
    const { status } = (await client?.send(rawRequestText('GET /fast'))) ?? { status: 0 }
    if (status === 200) return
    if (performance.now() > deadline) throw new Error(`still answers ${status}`)
  }
}

/** How long the slowest takes of as many answers that need no broker. */
async function unaskedMs(clients: readonly RawClient[]): Promise<number> {
  const startedMs = performance.now()
  const answers = await Promise.all(clients.map((client) => client.send(rawRequestText('GET /'))))
  expect(answers.filter(({ status }) => status !== 404)).toEqual([])
  return performance.now() - startedMs
}
