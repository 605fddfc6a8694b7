// SPDX-License-Identifier: Apache-2.0
import { connect as dial } from 'node:net'
import { compilePermissions } from '@nats-edge/wire-parser'
import { wireGateway } from '@nats-edge/wire-parser/gateway'
import { upgradeWebSocket as strangersUpgrade } from '@hono/node-server'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { Hono } from 'hono'
import { describe, expect, inject, it } from 'vitest'
import {
  connectTo,
  eventually,
  type HostKind,
  plainConnect,
  RawWebSocket,
  startBroker,
  startRig,
  type WebSocketRig,
} from './web-socket-rig.ts'

const servers = inject('natsServers')
const newest = servers.at(-1)
if (newest === undefined) throw new Error('no nats-server under test')

async function newestRig(options: Partial<Parameters<typeof startRig>[0]> = {}, more = {}): Promise<WebSocketRig> {
  const server = await startBroker(newest as (typeof servers)[number])
  return startRig({ backends: [{ url: server.url }], ...options }, more)
}

describe.each(servers)('nats.js over WebSocket in front of nats-server $version', (binary) => {
  it.each<HostKind>(['attached', 'serve'])('publishes, subscribes, asks and streams (%s)', async (kind) => {
    const server = await startBroker(binary)
    const rig = await startRig({ backends: [{ url: server.url }] }, { kind })
    const nats = await connectTo(rig, { name: 'browser' })
    nats.subscribe('ask', { callback: (_error, message) => void message.respond(message.data) })
    const large = Uint8Array.from({ length: 900_000 }, (_, i) => i & 255)
    const reply = await nats.request('ask', large, { timeout: 10_000 })
    expect(Buffer.compare(reply.data, large)).toBe(0)
    await expect(nats.request('nobody', '', { timeout: 10_000 })).rejects.toMatchObject({ name: 'RequestError' })
    const manager = await jetstreamManager(nats)
    await manager.streams.add({ name: 'S', subjects: ['s.*'] })
    const js = jetstream(nats)
    for (let i = 0; i < 10; i++) expect((await js.publish(`s.${i}`, 'x'.repeat(i * 9000))).seq).toBe(i + 1)
    const consumer = await js.consumers.get('S')
    const subjects: string[] = []
    for await (const message of await consumer.fetch({ max_messages: 10, expires: 10_000 }))
      subjects.push(message.subject)
    expect(subjects).toEqual(Array.from({ length: 10 }, (_, i) => `s.${i}`))
    expect([...rig.gateway.connections()]).toMatchObject([
      { transport: 'ws', name: 'browser', ip: '127.0.0.1', listener: 'ws' },
    ])
    await nats.drain()
    await eventually(() => rig.gateway.health().connections === 0)
  })

  it('gets ten thousand messages whole and in order', async () => {
    const server = await startBroker(binary)
    const rig = await startRig({ backends: [{ url: server.url }], hooks: { onMessage: () => undefined } })
    const [from, to] = [await connectTo(rig), await connectTo(rig)]
    const got: string[] = []
    to.subscribe('many', { callback: (_error, message) => void got.push(message.string()) })
    await to.flush()
    const sent = Array.from({ length: 10_000 }, (_, i) => `${'x'.repeat(i % 97)}${i}`)
    for (const payload of sent) from.publish('many', payload)
    await eventually(() => got.length === sent.length, 20_000)
    expect(got).toEqual(sent)
  })
})

describe('messages of a WebSocket', () => {
  it('are one stream of bytes: operations span them, and they hold many', async () => {
    const rig = await newestRig()
    const client = await RawWebSocket.connected(rig.url)
    for (const piece of ['SUB a 1\r', '\nPU', 'B a 5\r\nhe', '', 'llo\r\nPUB a 1\r\nx\r\nPUB a 1\r\n', 'y\r\n']) {
      client.socket.send(piece)
      client.socket.ping()
    }
    expect(await client.settled()).toBe('MSG a 1 5\r\nhello\r\nMSG a 1 1\r\nx\r\nMSG a 1 1\r\ny\r\n')
  })

  it('may come as text, in fragments, and go out binary', async () => {
    const rig = await newestRig()
    const client = await RawWebSocket.connected(rig.url)
    client.socket.send('SUB a 1\r\nPUB a 5', { fin: false, binary: false })
    client.socket.send('\r\nhello', { fin: false })
    client.socket.send('\r\n', { fin: true })
    expect(await client.settled()).toBe('MSG a 1 5\r\nhello\r\n')
    expect(client.frames.every(({ isBinary }) => isBinary)).toBe(true)
  })

  it('go out as text where that is asked for', async () => {
    const rig = await newestRig({ outputFrames: 'text' })
    const client = await RawWebSocket.connected(rig.url)
    client.socket.send('SUB a 1\r\nPUB a 2\r\nhi\r\n')
    expect(await client.settled()).toBe('MSG a 1 2\r\nhi\r\n')
    expect(client.frames.some(({ isBinary }) => isBinary)).toBe(false)
  })

  it('hold what one read of the server brought', async () => {
    const rig = await newestRig()
    const client = await RawWebSocket.connected(rig.url)
    client.socket.send(`SUB a 1\r\n${'PUB a 2\r\nhi\r\n'.repeat(1000)}`)
    await client.settled()
    expect(client.received.match(/MSG a 1 2\r\nhi\r\n/g)).toHaveLength(1000)
    expect(client.frames.length).toBeLessThan(200)
  })

  it('are deflated where both sides agree', async () => {
    const rig = await newestRig({ compression: { thresholdBytes: 100 } })
    const client = await RawWebSocket.connected(rig.url)
    expect(client.socket.extensions).toContain('permessage-deflate')
    client.socket.send(`SUB a 1\r\nPUB a 50000\r\n${'x'.repeat(50_000)}\r\n`)
    expect(await client.settled()).toBe(`MSG a 1 50000\r\n${'x'.repeat(50_000)}\r\n`)
    expect([...rig.gateway.connections()][0]?.bytesOut).toBeLessThan(10_000)
  })
})

describe('the end of a WebSocket', () => {
  it.each([
    ['an unknown operation', 'FOO\r\n', `-ERR 'Unknown Protocol Operation'`, 1002],
    ['bad arguments', 'PUB a b c d\r\n', undefined, 1002],
    ['a long control line', `SUB ${'a'.repeat(5000)} 1\r\n`, `-ERR 'maximum control line exceeded'`, 1002],
    ['a large payload', 'PUB a 99999999\r\n', `-ERR 'Maximum Payload Violation'`, 1009],
  ])('has the code of the server: %s', async (_name, command, text, code) => {
    const rig = await newestRig()
    const client = await RawWebSocket.connected(rig.url)
    client.socket.send(command)
    expect(await client.closed()).toBe(code)
    expect(client.received).toBe(text === undefined ? '' : `${text}\r\n`)
  })

  it('is 1008 where a client is refused, here or by the server', async () => {
    const server = await startBroker(newest, 'authorization { user: ada, password: right }')
    const behind = await startRig({ backends: [{ url: server.url }] })
    const here = await newestRig({ authenticate: () => undefined })
    for (const rig of [behind, here]) {
      const client = new RawWebSocket(rig.url)
      await client.until('INFO ')
      client.socket.send(plainConnect)
      expect(await client.closed()).toBe(1008)
      expect(client.received).toContain(`-ERR 'Authorization Violation'\r\n`)
    }
  })

  it('is 1001 when the gateway or the server goes', async () => {
    const server = await startBroker(newest)
    const rig = await startRig({ backends: [{ url: server.url }] })
    const [one, two] = [await RawWebSocket.connected(rig.url), await RawWebSocket.connected(rig.url)]
    rig.gateway.kick(({ id }) => id.endsWith('-1'), 'Go Home')
    expect(await one.closed()).toBe(1008)
    server.kill('SIGKILL')
    expect(await two.closed()).toBe(1001)
    const again = await newestRig()
    const three = await RawWebSocket.connected(again.url)
    await again.gateway.close({ drainMs: 0 })
    expect(await three.closed()).toBe(1001)
    expect(three.received).toContain('"ldm":true')
  })

  it('comes in the middle of a command as well', async () => {
    const rig = await newestRig()
    const client = await RawWebSocket.connected(rig.url)
    client.socket.send('SUB a 1\r\nPUB a 100\r\nxx')
    client.socket.close(1000)
    await client.closed()
    await eventually(() => rig.gateway.health().connections === 0)
    const rude = await RawWebSocket.connected(rig.url)
    rude.socket.terminate()
    await eventually(() => rig.gateway.health().connections === 0)
  })

  it('comes for a message above the limit, and for too much before CONNECT', async () => {
    const rig = await newestRig({ limits: { maxWsMessageBytes: 10_000, preConnectBytes: 2000 } })
    const client = await RawWebSocket.connected(rig.url)
    client.socket.send('x'.repeat(20_000))
    expect(await client.closed()).toBe(1009)
    const early = new RawWebSocket(rig.url)
    await early.until('INFO ')
    // One message that never ends: nothing of it is ever handed out.
    early.socket.send('x'.repeat(3000), { fin: false })
    await early.closed()
    expect(early.received).toContain(`-ERR 'maximum control line exceeded'`)
    await eventually(() => rig.gateway.health().connections === 0)
  })

  it('comes for a client that takes nothing', async () => {
    const rig = await newestRig({ limits: { slowClientMs: 1000, highWaterBytes: 200_000 } })
    const deaf = await RawWebSocket.connected(rig.url)
    deaf.socket.send('SUB flood 1\r\n')
    await deaf.settled()
    deaf.socket.pause()
    const from = await connectTo(rig)
    const end = performance.now() + 10_000
    while (rig.gateway.health().connections > 1 && performance.now() < end) {
      for (let i = 0; i < 20; i++) from.publish('flood', new Uint8Array(60_000))
      await from.flush()
    }
    expect(rig.events.filter(({ type }) => type === 'connection.closed')).toMatchObject([{ cause: 'slow_client' }])
  })
})

describe('the handshake', () => {
  async function status(rig: WebSocketRig, headers: Record<string, string> = {}, path = '/nats'): Promise<string> {
    const client = new RawWebSocket(`ws://127.0.0.1:${rig.port}${path}`, { headers })
    await eventually(() => client.failure !== '' || client.received.includes('INFO '))
    return client.failure === '' ? 'open' : client.failure.replace('Unexpected server response: ', '')
  }

  it('is refused with 503 where there is no backend, and nothing is left of it', async () => {
    const rig = await startRig({ backends: [{ url: 'nats://127.0.0.1:1' }] })
    expect(await status(rig)).toBe('503')
    await eventually(() => rig.gateway.health().connections === 0)
  })

  it('is refused for foreign pages, and for cookies without an Origin (reliability T6)', async () => {
    const rig = await newestRig({ origins: ['https://app.example'] })
    expect(await status(rig, { Origin: 'https://evil.example' })).toBe('403')
    expect(await status(rig, { Origin: 'https://app.example', Cookie: 'a=b' })).toBe('open')
    expect(await status(rig, { Cookie: 'a=b' })).toBe('403')
    expect(await status(rig)).toBe('open')
    const strict = await newestRig({ missingOrigin: 'deny' })
    expect(await status(strict)).toBe('403')
  })

  it('is refused by hooks, addresses and limits', async () => {
    const rig = await newestRig({
      hooks: { onAccept: ({ request }) => (request?.headers.has('x-ok') === true ? undefined : { action: 'deny' }) },
    })
    expect([await status(rig), await status(rig, { 'X-Ok': '1' })]).toEqual(['403', 'open'])
    const denied = await newestRig({ addresses: { deny: ['127.0.0.1'] } })
    expect(await status(denied)).toBe('403')
    const full = await newestRig({ limits: { maxConnections: 1 } })
    await RawWebSocket.connected(full.url)
    expect(await status(full)).toBe('503')
    void full.gateway.close({ drainMs: 60_000 })
    expect(await status(full)).toBe('503')
    await full.gateway.close({ drainMs: 0 })
  })

  it('believes X-Forwarded-For of trusted proxies only (reliability T19)', async () => {
    const ips: string[] = []
    const hooks = { onAccept: ({ ip }: { readonly ip: string }) => void ips.push(ip) }
    const headers = { 'X-Forwarded-For': '6.6.6.6, 1.2.3.4' }
    await status(await newestRig({ hooks, trustedProxies: ['127.0.0.0/8'] }), headers)
    await status(await newestRig({ hooks }), headers)
    await status(await newestRig({ hooks, clientIp: () => '9.9.9.9' }), headers)
    expect(ips).toEqual(['1.2.3.4', '127.0.0.1', '9.9.9.9'])
  })

  it('begins with the principal of the middleware before it, counted once', async () => {
    const who = {
      id: 'test:ada',
      name: 'ada',
      claims: {},
      permissions: compilePermissions({ publish: { deny: ['no'] } }),
    }
    const rig = await newestRig(
      { limits: { maxConnectionsPerUser: 1 } },
      {
        before: async (c: { set: (name: string, value: unknown) => void }, next: () => Promise<void>) => {
          c.set('principal', who)
          await next()
        },
      },
    )
    const client = await RawWebSocket.connected(rig.url)
    client.socket.send('PUB no 0\r\n\r\n')
    expect(await client.settled()).toBe(`-ERR 'Permissions Violation for Publish to "no"'\r\n`)
    expect(await status(rig)).toBe('429')
    client.socket.close()
    await eventually(() => rig.gateway.health().connections === 0)
    expect(await status(rig)).toBe('open')
  })

  it('is not for leaf nodes, MQTT or unmasked frames', async () => {
    const rig = await newestRig()
    expect(await status(rig, {}, '/nats/leafnode')).toBe('404')
    expect(await status(rig, {}, '/nats/mqtt')).toBe('404')
    const socket = dial(rig.port, '127.0.0.1')
    socket.write(
      'GET /nats HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nNats-No-Masking: true\r\n\r\n',
    )
    await new Promise((resolve) => socket.once('data', resolve))
    socket.write(Buffer.concat([Buffer.from([0x82, 6]), Buffer.from('PING\r\n')]))
    await new Promise((resolve) => socket.once('close', resolve).resume())
    await eventually(() => rig.gateway.health().connections === 0)
  })

  it('needs the helper of the toolkit', async () => {
    const backends = [{ url: 'nats://127.0.0.1:1' }]
    expect(() => wireGateway({ backends, upgradeWebSocket: strangersUpgrade as never })).toThrow('ws-toolkit/upgrade')
    const app = new Hono().route('/nats', wireGateway({ backends }).routes)
    const response = await app.request('/nats', { headers: { Upgrade: 'websocket', Connection: 'Upgrade' } })
    expect(response.status).toBe(501)
    expect(await response.json()).toMatchObject({ code: 'unsupported' })
  })

  it('tells INFO with the address the client knows', async () => {
    const rig = await newestRig({ advertise: ['tcp.example:4223'], advertiseWebSocket: ['ws.example:443'] })
    const client = new RawWebSocket(rig.url)
    await client.until('INFO ')
    const info: unknown = JSON.parse(client.received.slice(5))
    expect(info).toMatchObject({ host: '127.0.0.1', port: rig.port, connect_urls: ['ws.example:443'] })
    expect(info).not.toHaveProperty('tls_required')
  })

  it('follows a reload of what pages may connect', async () => {
    const rig = await newestRig()
    const page = { Origin: 'https://app.example' }
    expect(await status(rig, page)).toBe('403')
    expect(rig.gateway.reload({ origins: ['https://app.example'] })()).toMatchObject({
      applied: ['origins', 'observe'],
    })
    expect(await status(rig, page)).toBe('open')
  })
})
