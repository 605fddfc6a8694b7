// SPDX-License-Identifier: Apache-2.0
import { headers, type Msg } from '@nats-io/nats-core'
import type { NatsConnection } from '@nats-io/transport-node'
import { beforeEach, describe, expect, inject, it } from 'vitest'
import { jsonCodec, jsonRpc } from '../index.ts'
import { natsQueue, type NatsQueue, type NatsQueueOptions } from '../nats.ts'
import { ask, brokerFor, connectTo, startEdge, until, type Edge } from './nats-rig.test-support.ts'

const last = (): { headers: ReturnType<typeof headers> } => {
  const block = headers()
  block.set('Ws-End', '1')
  return { headers: block }
}

describe.each(inject('natsServers'))('natsQueue over nats-server $version', (binary) => {
  const broker = brokerFor(binary)
  let nats: NatsConnection
  let worker: NatsConnection
  let jobs: Msg[]

  beforeEach(async () => {
    jobs = []
    nats = await connectTo(broker.server)
    worker = await connectTo(broker.server)
    worker.subscribe('jobs', { queue: 'workers', callback: (_error, message) => void jobs.push(message) })
    await worker.flush()
  })

  async function start(options: NatsQueueOptions = {}): Promise<{ edge: Edge; backend: NatsQueue }> {
    const backend = natsQueue(nats, 'jobs', options)
    const edge = await startEdge((gateway) => {
      gateway.channel('/json', { codec: jsonCodec() }).route('job', backend)
      gateway.channel('/rpc', { codec: jsonRpc() }).route('job', backend)
      gateway.channel('/raw').default(backend)
    })
    return { edge, backend }
  }

  async function job(n: number): Promise<Msg> {
    await until(`job ${n}`, () => jobs.length >= n)
    const message = jobs[n - 1]
    if (message === undefined) throw new Error('no job')
    return message
  }

  it('answers each request with what a worker sends to its reply subject, in any order, once (F3)', async () => {
    const { edge, backend } = await start()
    const client = await edge.open('/json')
    client.ws.send('{"type":"job","id":1,"data":"a"}')
    client.ws.send('{"type":"job","id":2,"data":"b"}')
    const first = await job(1)
    const second = await job(2)
    const [info] = edge.gateway.connections()
    expect(first.reply).toMatch(new RegExp(`^_gw\\.[0-9a-f]{32}\\.${info?.id}\\.\\d+$`))
    second.respond('"two"')
    first.respond('"one"')
    first.respond('"again"')
    expect(JSON.parse(await client.next())).toEqual({ type: 'job', id: 2, data: 'two' })
    expect(JSON.parse(await client.next())).toEqual({ type: 'job', id: 1, data: 'one' })
    await until('the second answer to be counted', () => backend.stats().unmatched === 1)
    expect(backend.stats().pending).toBe(0)
  })

  it('streams answers until one has the header Ws-End (F3)', async () => {
    const { edge, backend } = await start({ stream: true })
    const client = await edge.open('/rpc')
    client.ws.send('{"jsonrpc":"2.0","id":1,"method":"job"}')
    const message = await job(1)
    for (const value of [1, 2]) message.respond(JSON.stringify(value))
    message.respond('3', last())
    const seen = [await client.next(), await client.next(), await client.next(), await client.next()]
    expect(seen.map((text) => JSON.parse(text) as unknown)).toEqual([
      ...[1, 2, 3].map((value) => ({ jsonrpc: '2.0', method: '$/stream', params: { id: 1, value } })),
      { jsonrpc: '2.0', id: 1, result: null },
    ])
    client.ws.send('{"jsonrpc":"2.0","id":2,"method":"job"}')
    ;(await job(2)).respond('', last())
    expect(JSON.parse(await client.next())).toEqual({ jsonrpc: '2.0', id: 2, result: null })
    expect(backend.stats().pending).toBe(0)
  })

  it('ends a stream that comes faster than it is taken, and one that falls silent', async () => {
    const hasty = await (await start({ stream: true, maxBufferedBytes: 100 })).edge.open('/rpc')
    hasty.ws.send('{"jsonrpc":"2.0","id":1,"method":"job"}')
    const message = await job(1)
    message.respond(JSON.stringify('x'.repeat(1000)))
    const codeOf = async (client: typeof hasty): Promise<unknown> => {
      for (;;) {
        const { id, error } = JSON.parse(await client.next()) as { id?: number; error?: { data: { code: string } } }
        if (id !== undefined) return error?.data.code
      }
    }
    expect(await codeOf(hasty)).toBe('overloaded')
    const silent = await (await start({ stream: true, timeoutMs: 100 })).edge.open('/rpc')
    silent.ws.send('{"jsonrpc":"2.0","id":2,"method":"job"}')
    ;(await job(2)).respond('1')
    expect(await codeOf(silent)).toBe('timeout')
  })

  it('takes the errors of workers, of time, and of nobody being there', async () => {
    const client = await (await start()).edge.open('/json')
    const impatient = await (await start({ timeoutMs: 60 })).edge.open('/json')
    client.ws.send('{"type":"job","id":0}')
    ;(await job(1)).respond('', last())
    // One answer was asked for: an empty one is one.
    expect(JSON.parse(await client.next())).toEqual({ type: 'job', id: 0, data: null })
    client.ws.send('{"type":"job","id":1}')
    const block = headers()
    block.set('Nats-Service-Error-Code', '500')
    block.set('Nats-Service-Error', 'broken')
    ;(await job(2)).respond('', { headers: block })
    expect(JSON.parse(await client.next())).toMatchObject({ error: { code: 'bad_reply', message: 'broken' } })
    expect(await ask(impatient, { type: 'job', id: 2 })).toMatchObject({ error: { code: 'timeout' } })
    // Taken back, and the broker has said that it has heard: a connection that is closed is missed some time later.
    await worker.drain()
    expect(await ask(client, { type: 'job', id: 3 })).toMatchObject({ error: { code: 'no_responders' } })
  })

  it('pushes to a client what comes without the last token, in the words of its channel (F3)', async () => {
    const { edge, backend } = await start({ event: 'news' })
    const client = await edge.open('/json')
    client.ws.send('{"type":"job","id":1}')
    const message = await job(1)
    message.respond('1')
    await client.next()
    const target = message.reply?.split('.').slice(0, 3).join('.') ?? ''
    worker.publish(target, '{"n":1}')
    expect(JSON.parse(await client.next())).toEqual({ type: 'news', data: { n: 1 } })
    const named = headers()
    named.set('Ws-Event', 'alarm')
    worker.publish(target, '2', { headers: named })
    expect(JSON.parse(await client.next())).toEqual({ type: 'alarm', data: 2 })
    worker.publish(target, '{')
    await until('the malformed push', () => backend.stats().undeliverable === 1)

    const raw = await edge.open('/raw')
    raw.ws.send('x')
    const rawMessage = await job(2)
    rawMessage.respond('y')
    expect(await raw.next()).toBe('y')
    worker.publish(rawMessage.reply?.split('.').slice(0, 3).join('.') ?? '', 'unasked')
    expect(await raw.next()).toBe('unasked')

    client.ws.terminate()
    await until('the client to be forgotten', () => backend.stats().connections === 1)
    const before = backend.stats().unmatched
    worker.publish(target, '3')
    await until('the push to nobody', () => backend.stats().unmatched === before + 1)
  })

  it.each([false, true])(
    'forgets what a client cancels: the answer is one for nobody, as a stream %s (F3)',
    async (stream) => {
      const { edge, backend } = await start({ stream })
      const client = await edge.open('/rpc')
      client.ws.send('{"jsonrpc":"2.0","id":1,"method":"job"}')
      const message = await job(1)
      client.ws.send('{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":1}}')
      expect(JSON.parse(await client.next())).toMatchObject({ id: 1, error: { code: -32800 } })
      expect(backend.stats()).toMatchObject({ pending: 0, unmatched: 0 })
      message.respond('1')
      await until('the answer to nobody', () => backend.stats().unmatched === 1)
    },
  )

  it('bounds what waits, and fails it when the gateway closes (F3)', async () => {
    const { edge, backend } = await start({ maxPending: 1 })
    const client = await edge.open('/json')
    client.ws.send('{"type":"job","id":1}')
    const { reply = '' } = await job(1)
    expect(await ask(client, { type: 'job', id: 2 })).toMatchObject({ error: { code: 'overloaded' } })
    backend.close()
    expect(JSON.parse(await client.next())).toMatchObject({ id: 1, error: { code: 'draining' } })
    expect(await ask(client, { type: 'job', id: 3 })).toMatchObject({ error: { code: 'draining' } })
    // Nobody listens where the answers went.
    await nats.flush()
    await expect(worker.request(reply)).rejects.toThrow(/no responders/i)
  })
})
