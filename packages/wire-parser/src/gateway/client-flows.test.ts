// SPDX-License-Identifier: Apache-2.0
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { headers, nkeyAuthenticator, nkeys, usernamePasswordAuthenticator } from '@nats-io/nats-core'
import { describe, expect, inject, it, vi } from 'vitest'
import { forward } from '../gateway.ts'
import { type Binary, connectTo, eventually, type Rig, startBroker, startGateway } from './rig.test-support.ts'

// The same flows untouched, and where every message passes hooks and permissions.
const ways: readonly (readonly [string, Parameters<typeof startGateway>[1]])[] = [
  ['untouched', {}],
  [
    'through hooks and permissions',
    {
      hooks: {
        onConnect: () => Promise.resolve(undefined),
        onPublish: () => forward(),
        onSubscribe: () => Promise.resolve(forward()),
        onMessage: () => undefined,
      },
      policies: {
        permissions: { publish: { allow: ['>'], deny: ['secret.>'] }, subscribe: { deny: ['secret.>'] } },
        rates: [{ by: 'connection', messagesPerSecond: 1_000_000 }],
        payloads: [{ maxBytes: 1_000_000 }],
      },
    },
  ],
  ['through hooks that take their time', { hooks: { onPublish: later, onMessage: later } }],
  ['with headers for every message', { policies: { headers: { inject: ['clientIp', 'connectionId'] } } }],
]

function later(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

describe.each(inject('natsServers'))('a client of nats.js in front of nats-server $version', (binary) => {
  describe.each(ways)('%s', (_name, options) => {
    it('publishes, subscribes and asks, with headers and queue groups', async () => {
      const server = await startBroker(binary)
      const { url } = await startGateway(server, options)
      const [one, two] = [await connectTo(url, { name: 'one' }), await connectTo(url, { name: 'two' })]
      const seen: string[] = []
      one.subscribe('greet.*', {
        queue: 'q',
        callback: (_error, message) => {
          seen.push(`${message.subject} ${message.headers?.get('X') ?? ''} ${message.string()}`)
          message.respond(message.data, { headers: withHeader('Y', 'yes') })
        },
      })
      await one.flush()
      const reply = await two.request('greet.ada', 'hi', { timeout: 5000, headers: withHeader('X', 'x1') })
      expect(reply.string()).toBe('hi')
      expect(reply.headers?.get('Y')).toBe('yes')
      expect(seen).toEqual(['greet.ada x1 hi'])
      await expect(two.request('nobody', '')).rejects.toMatchObject({ name: 'RequestError' })
    })

    it('gets large messages whole and in order', async () => {
      const server = await startBroker(binary)
      const { url } = await startGateway(server, options)
      const nats = await connectTo(url)
      const sizes = [0, 1, 65_000, 65_536, 70_000, 300_000, 900_000, 17, 131_072]
      const got: number[] = []
      const sums: number[] = []
      nats.subscribe('big', {
        callback: (_error, message) => {
          got.push(message.data.length)
          sums.push(message.data.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7))
        },
      })
      const payloads = sizes.map((size) => Uint8Array.from({ length: size }, (_, i) => (i * 7 + size) & 255))
      for (const payload of payloads) nats.publish('big', payload)
      await eventually(() => got.length === sizes.length)
      expect(got).toEqual(sizes)
      expect(sums).toEqual(payloads.map((payload) => payload.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7)))
    })

    it('gets ten thousand messages whole and in order', { timeout: 60_000 }, async () => {
      const server = await startBroker(binary)
      const { url } = await startGateway(server, options)
      const [from, to] = [await connectTo(url), await connectTo(url)]
      const got: string[] = []
      to.subscribe('many.>', { callback: (_error, message) => void got.push(`${message.subject} ${message.string()}`) })
      await to.flush()
      const count = 10_000
      const sent = Array.from({ length: count }, (_, i) => `many.${i % 7} ${'x'.repeat(i % 97)}${i}`)
      for (const line of sent) from.publish(...(line.split(' ') as [string, string]))
      await eventually(() => got.length === count, 50_000)
      expect(got).toEqual(sent)
    })

    it('streams, fetches and acknowledges with JetStream', async () => {
      const server = await startBroker(binary, { jetstream: true })
      const { url } = await startGateway(server, options)
      const nats = await connectTo(url)
      const manager = await jetstreamManager(nats)
      await manager.streams.add({ name: 'ORDERS', subjects: ['orders.*'] })
      const js = jetstream(nats)
      for (let i = 0; i < 20; i++) expect((await js.publish(`orders.${i}`, 'x'.repeat(i * 1000))).seq).toBe(i + 1)
      await manager.consumers.add('ORDERS', { durable_name: 'worker', ack_policy: 'explicit' })
      const consumer = await js.consumers.get('ORDERS', 'worker')
      const subjects: string[] = []
      for await (const message of await consumer.fetch({ max_messages: 20, expires: 5000 })) {
        subjects.push(message.subject)
        message.ack()
      }
      expect(subjects).toEqual(Array.from({ length: 20 }, (_, i) => `orders.${i}`))
      await nats.flush()
      // The server works through acknowledgements when it likes.
      await vi.waitFor(async () => {
        expect((await manager.consumers.info('ORDERS', 'worker')).num_ack_pending).toBe(0)
      })
      const ordered = await js.consumers.get('ORDERS')
      const again: string[] = []
      for await (const message of await ordered.fetch({ max_messages: 20, expires: 5000 })) again.push(message.subject)
      expect(again).toEqual(subjects)
    })

    it('drains without losing what it was sent', async () => {
      const server = await startBroker(binary)
      const rig = await startGateway(server, options)
      const [from, to] = [await connectTo(rig.url), await connectTo(rig.url)]
      let got = 0
      to.subscribe('last', { callback: () => void got++ })
      await to.flush()
      for (let i = 0; i < 500; i++) from.publish('last')
      await from.drain()
      await to.drain()
      expect(got).toBe(500)
      await allGone(rig)
    })
  })

  it('logs in with an nkey, whose nonce is that of the server', async () => {
    const user = nkeys.createUser()
    const config = `authorization { users = [ { nkey: ${user.getPublicKey()} } ] }`
    const server = await startBroker(binary, { config })
    const { url } = await startGateway(server)
    const nats = await connectTo(url, { authenticator: nkeyAuthenticator(user.getSeed()) })
    await nats.flush()
    const stranger = nkeyAuthenticator(nkeys.createUser().getSeed())
    await expect(connectTo(url, { authenticator: stranger })).rejects.toMatchObject({ name: 'AuthorizationError' })
  })

  it('logs in with a password, or is refused in the words of the server', async () => {
    const rig = await passwordRig(binary)
    const nats = await connectTo(rig.url, { authenticator: usernamePasswordAuthenticator('ada', 'secret') })
    await nats.flush()
    const wrong = usernamePasswordAuthenticator('ada', 'guess')
    await expect(connectTo(rig.url, { authenticator: wrong })).rejects.toMatchObject({ name: 'AuthorizationError' })
    await nats.close()
    await allGone(rig)
    expect(JSON.stringify(rig.events)).not.toMatch(/secret|guess/)
  })
})

function withHeader(name: string, value: string): ReturnType<typeof headers> {
  const made = headers()
  made.set(name, value)
  return made
}

async function passwordRig(binary: Binary): Promise<Rig> {
  const server = await startBroker(binary, { config: 'authorization { user: ada, password: secret }' })
  return startGateway(server)
}

async function allGone(rig: Rig): Promise<void> {
  await eventually(() => [...rig.gateway.connections()].length === 0 && rig.stat('wire_connections', 'tcp') === 0)
  expect(rig.stat('wire_subscriptions')).toBe(0)
  expect(rig.stat('wire_queued_bytes')).toBe(0)
  expect(rig.stat('wire_connections_waiting')).toBe(0)
}
