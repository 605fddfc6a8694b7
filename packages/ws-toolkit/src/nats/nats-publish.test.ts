// SPDX-License-Identifier: Apache-2.0
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { beforeEach, describe, expect, inject, it } from 'vitest'
import { jsonCodec, jsonRpc, type Middleware } from '../index.ts'
import { natsPublish } from '../nats.ts'
import { ask, brokerFor, connectTo, startEdge, until } from './nats-rig.test-support.ts'

let count = 0

describe.each(inject('natsServers'))('natsPublish over nats-server $version', (binary) => {
  const broker = brokerFor(binary, { jetstream: true })
  let nats: NatsConnection
  let manager: JetStreamManager
  let stream: string

  beforeEach(async () => {
    nats = await connectTo(broker.server)
    manager = await jetstreamManager(nats)
    count += 1
    stream = `S${count}`
  })

  it('publishes without an answer (F2)', async () => {
    const peer = await connectTo(broker.server)
    const heard: string[] = []
    peer.subscribe('chat.*', {
      callback: (_error, message) => void heard.push(`${message.subject} ${message.string()}`),
    })
    await peer.flush()
    const edge = await startEdge((gateway) => {
      gateway.channel('/chat/:room').default(natsPublish(nats, 'chat.{room}'))
      gateway.channel('/json', { codec: jsonCodec() }).route('say', natsPublish(nats, 'chat.json'))
    })
    const client = await edge.open('/chat/lobby')
    client.ws.send('hello')
    const json = await edge.open('/json')
    json.ws.send('{"type":"say","data":{"a":1}}')
    await until('both messages', () => heard.length === 2)
    expect(heard.toSorted()).toEqual(['chat.json {"a":1}', 'chat.lobby hello'])
  })

  it('answers with the place in the stream, and stores a repeated request once (F2)', async () => {
    await manager.streams.add({ name: stream, subjects: [`${stream}.>`] })
    const edge = await startEdge((gateway) => {
      gateway
        .channel('/json', { codec: jsonCodec() })
        .route('put', natsPublish(nats, `${stream}.a`, { ack: 'jetstream' }))
      gateway.channel('/raw').default(natsPublish(nats, `${stream}.a`, { ack: 'jetstream' }))
    })
    const client = await edge.open('/json')
    const put = (id: string | number): Promise<unknown> => ask(client, { type: 'put', id, data: 1 })
    expect(await put(1)).toEqual({ type: 'put', id: 1, data: { stream, seq: 1, duplicate: false } })
    expect(await put(1)).toEqual({ type: 'put', id: 1, data: { stream, seq: 1, duplicate: true } })
    // Another id, though it is written alike; and what would leave its header line.
    expect(await put('1')).toMatchObject({ data: { seq: 2, duplicate: false } })
    expect(await put('x\r\nNats-Rollup: all')).toMatchObject({ data: { seq: 3 } })
    expect(await put('x'.repeat(300))).toMatchObject({ error: { code: 'bad_request' } })
    const raw = await edge.open('/raw')
    expect(await ask(raw, 'bytes')).toEqual({ stream, seq: 4, duplicate: false })
    // Clients number their requests alike.
    const other = await edge.open('/json')
    expect(await ask(other, { type: 'put', id: 1, data: 1 })).toMatchObject({ data: { seq: 5, duplicate: false } })
    expect((await manager.streams.info(stream)).state.messages).toBe(5)
  })

  it('stores what has no id once however often it is tried, and each message of its own (F2)', async () => {
    await manager.streams.add({ name: stream, subjects: [`${stream}.>`] })
    const publish = natsPublish(nats, `${stream}.a`, { ack: 'jetstream' })
    // An answer that was lost, as far as whoever tries again knows.
    const twice: Middleware<undefined> = async (request, next) => {
      await next(request.with({ data: 'changed' }))
      return next()
    }
    const edge = await startEdge((gateway) => {
      gateway.channel('/raw').use(twice).default(publish)
      gateway.channel('/batch', { codec: jsonRpc() }).use(twice).route('put', publish)
    })
    const raw = await edge.open('/raw')
    expect(await ask(raw, 'same')).toEqual({ stream, seq: 1, duplicate: true })
    expect(await ask(raw, 'same')).toEqual({ stream, seq: 2, duplicate: true })
    // One message of two requests without an id.
    const batch = await edge.open('/batch')
    const put = { jsonrpc: '2.0', method: 'put', params: [1] }
    batch.ws.send(JSON.stringify([put, put]))
    const stored = async (): Promise<number> => (await manager.streams.info(stream)).state.messages
    await expect.poll(stored).toBe(4)
    expect(await ask(raw, 'last')).toEqual({ stream, seq: 5, duplicate: true })
  })

  it('answers with what the stream or its absence says', async () => {
    await manager.streams.add({ name: stream, subjects: [`${stream}.>`], max_msg_size: 10 })
    const peer = await connectTo(broker.server)
    peer.subscribe('no.stream', { callback: (_error, message) => void message.respond('hello') })
    await peer.flush()
    const edge = await startEdge((gateway) => {
      gateway
        .channel('/json', { codec: jsonCodec() })
        .route('full', natsPublish(nats, `${stream}.a`, { ack: 'jetstream' }))
        .route('none', natsPublish(nats, 'nowhere', { ack: 'jetstream' }))
        .route('other', natsPublish(nats, 'no.stream', { ack: 'jetstream' }))
    })
    const client = await edge.open('/json')
    const full = await ask(client, { type: 'full', id: 1, data: 'x'.repeat(100) })
    expect(full).toMatchObject({ error: { code: 'bad_reply', message: expect.stringContaining('size') as unknown } })
    expect(await ask(client, { type: 'none', id: 2 })).toMatchObject({ error: { code: 'no_responders' } })
    expect(await ask(client, { type: 'other', id: 3 })).toMatchObject({ error: { code: 'bad_reply' } })
  })

  it('asks for permission to publish', async () => {
    const edge = await startEdge(
      (gateway) => {
        gateway.channel('/json', { codec: jsonCodec() }).route('put', natsPublish(nats, 'a.{symbol}'))
      },
      { rules: { publish: { allow: ['a.{{name}}'] } } },
    )
    const client = await edge.open('/json', 'ann')
    const refused = await ask(client, { type: 'put', id: 1, data: { symbol: 'bob' } })
    expect(refused).toMatchObject({ error: { code: 'forbidden' } })
  })
})
