// SPDX-License-Identifier: Apache-2.0
import { startNatsServer, type NatsServer, steadyPort } from '@nats-edge/embedded-nats'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { jsonCodec } from '../index.ts'
import { natsPublish, natsQueue, natsRequest, natsRoomBus, natsSubscribe } from '../nats.ts'
import { ask, connectTo, startEdge, until, type Binary } from './nats-rig.test-support.ts'

const inFlight = 200
const maxRounds = 5

/** A broker on a port that it finds free again when it was killed. */
async function startBroker(binary: Binary, port?: number): Promise<NatsServer> {
  const server = await startNatsServer({ binary, jetstream: false, port: port ?? (await steadyPort()) })
  onTestFinished(() => server.stop())
  return server
}

describe.each(inject('natsServers'))('losing nats-server $version', (binary) => {
  it('reliability F1: fails what waits within 100 ms and what comes at once, and keeps the sockets', async () => {
    let server = await startBroker(binary)
    const { port } = server
    const nats = await connectTo(server)
    const peer = await connectTo(server)
    let asked = 0
    for (const subject of ['silent', 'jobs']) peer.subscribe(subject, { callback: () => void asked++ })
    peer.subscribe('echo', { callback: (_error, message) => void message.respond(message.data) })
    await peer.flush()
    const request = natsRequest(nats, 'silent', { timeoutMs: 60_000 })
    const queue = natsQueue(nats, 'jobs', { timeoutMs: 60_000 })
    const edge = await startEdge((gateway) => {
      gateway
        .channel('/json', { codec: jsonCodec(), concurrency: 1000, messagesPerSecond: Infinity })
        .route('silent', request)
        .route('job', queue)
        .route('echo', natsRequest(nats, 'echo'))
        .route('put', natsPublish(nats, 'put'))
        .route('sub', natsSubscribe(nats, { allow: ['news'] }))
    })
    const client = await edge.open('/json')
    expect(await ask(client, { type: 'sub', id: 'sub', data: 'news' })).toMatchObject({ data: { subject: 'news' } })
    // Broker, service and clients share two cores here: a round in which the machine stalled proves nothing.
    let slowestMs = Infinity
    for (let round = 0; round < maxRounds && slowestMs >= 100; round++) {
      if (round > 0) server = await startBroker(binary, port)
      await backAgain()
      const before = asked
      for (let id = 0; id < inFlight; id++) client.ws.send(JSON.stringify({ type: id % 2 ? 'job' : 'silent', id }))
      await until('all to be asked', () => asked === before + inFlight)
      const killedMs = performance.now()
      server.kill('SIGKILL')
      for (let left = inFlight; left > 0; left--) {
        expect(JSON.parse(await client.next())).toMatchObject({ error: { code: 'disconnected' } })
      }
      slowestMs = performance.now() - killedMs
      expect([request.stats().pending, queue.stats().pending]).toEqual([0, 0])
    }
    expect(slowestMs).toBeLessThan(inject('promptMs'))

    for (const type of ['silent', 'job', 'put', 'sub']) {
      const refused = await ask(client, { type, id: type, data: 'news' })
      expect(refused).toMatchObject({ id: type, error: { code: 'disconnected' } })
    }
    server = await startBroker(binary, port)
    await backAgain()
    // The subscription has come back without the client doing anything.
    await peer.flush()
    peer.publish('news', '"again"')
    expect(JSON.parse(await client.next())).toMatchObject({ data: { subject: 'news', data: 'again' } })
    const told = edge.events.map(({ type }) => type).filter((type) => /^connection\.(lost|restored)$/.test(type))
    // Once each, though five parts use the connection.
    expect(told.slice(0, 2)).toEqual(['connection.lost', 'connection.restored'])
    expect(told.length % 2).toBe(0)
    expect(new Set(told.filter((_type, index) => index % 2 === 0))).toEqual(new Set(['connection.lost']))

    async function backAgain(): Promise<void> {
      const end = performance.now() + 10_000
      for (;;) {
        const answer = await ask(client, { type: 'echo', id: 'echo', data: 1 })
        if (typeof answer === 'object' && answer !== null && !('error' in answer)) return
        if (performance.now() > end) throw new Error(`still ${JSON.stringify(answer)}`)
      }
    }
  })

  it('reliability F3: takes a frozen broker for lost within 3 s, and goes on when it thaws', async () => {
    const server = await startBroker(binary)
    const nats = await connectTo(server, { pingInterval: 1000, maxPingOut: 2 })
    const peer = await connectTo(server)
    const silent = peer.subscribe('silent', { callback: () => {} })
    peer.subscribe('echo', { callback: (_error, message) => void message.respond(message.data) })
    await peer.flush()
    const edge = await startEdge((gateway) => {
      gateway
        .channel('/json', { codec: jsonCodec() })
        .route('silent', natsRequest(nats, 'silent', { timeoutMs: 60_000 }))
        .route('echo', natsRequest(nats, 'echo', { timeoutMs: 60_000 }))
    })
    const client = await edge.open('/json')
    client.ws.send(JSON.stringify({ type: 'silent', id: 1 }))
    await until('it to be asked', () => silent.getReceived() === 1)
    server.kill('SIGSTOP')
    const frozenMs = performance.now()
    expect(JSON.parse(await client.next())).toMatchObject({ id: 1, error: { code: 'disconnected' } })
    // Two pings without an answer, a second apart, and the machine is shared.
    expect(performance.now() - frozenMs).toBeLessThan(3000 + inject('promptMs'))
    expect(await ask(client, { type: 'echo', id: 2 })).toMatchObject({ error: { code: 'disconnected' } })
    server.kill('SIGCONT')
    await until('it to be back', () => edge.events.some(({ type }) => type === 'connection.restored'))
    await peer.flush()
    expect(await ask(client, { type: 'echo', id: 3, data: 'again' })).toMatchObject({ id: 3, data: 'again' })
  })

  it('brings the messages of rooms again once the broker is back', async () => {
    const server = await startBroker(binary)
    const connections = await Promise.all([connectTo(server), connectTo(server)])
    const edges = await Promise.all(
      connections.map((nats) =>
        startEdge(
          (gateway) => {
            gateway
              .channel('/chat', {
                onOpen: async (connection) => {
                  await connection.join('lobby')
                  connection.send('joined')
                },
              })
              .default(({ data }) => void gateway.rooms.room('lobby').broadcast(String(data)))
          },
          { roomBus: natsRoomBus(nats) },
        ),
      ),
    )
    const clients = await Promise.all(edges.map((edge) => edge.open('/chat')))
    for (const { next } of clients) expect(await next()).toBe('joined')
    server.kill('SIGKILL')
    const count = (type: string): number =>
      edges.reduce((sum, { events }) => sum + events.filter((event) => event.type === type).length, 0)
    await until('both to be told', () => count('connection.lost') === 2)
    const [first, second] = clients
    first?.ws.send('alone')
    expect(await first?.next()).toBe('alone')
    await startBroker(binary, server.port)
    await until('both to be back', () => count('connection.restored') === 2)
    // The broker has seen their subscriptions: otherwise what one says would be lost on the other.
    first?.ws.send('together')
    expect(await second?.next()).toBe('together')
  })
})
