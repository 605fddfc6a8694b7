// SPDX-License-Identifier: Apache-2.0
import { connect as dial, createServer, type Socket } from 'node:net'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { satisfiesVersion, steadyPort } from '@nats-edge/embedded-nats'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { wireGateway, type WireGatewayOptions } from '../gateway.ts'
import { anyServer, eventually, plainConnect, RawClient, startBroker, startGateway } from './rig.test-support.ts'

const binary = anyServer(inject('natsServers'))

describe('a listener', () => {
  it('serves a unix socket', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'wire-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const path = join(folder, 'nats.sock')
    const rig = await startGateway(await startBroker(binary), {}, { path, name: 'local' })
    expect(rig.listener).toMatchObject({ name: 'local', path, port: 0 })
    const client = new RawClient(dial(path))
    client.send(`${plainConnect}SUB a 1\r\nPUB a 0\r\n\r\n`)
    expect(await client.settled()).toBe('MSG a 1 0\r\n\r\n')
    expect([...rig.gateway.connections()]).toMatchObject([{ ip: '', listener: 'local' }])
  })

  it('says where it is, and gives its port back while connections stay', async () => {
    const rig = await startGateway(await startBroker(binary), {}, { port: await steadyPort() })
    const { port, name, host } = rig.listener
    expect({ name, host }).toEqual({ name: `127.0.0.1:${port}`, host: '127.0.0.1' })
    const client = await RawClient.connected(rig.url)
    await rig.listener.close()
    await expect(RawClient.to(rig.url)).rejects.toThrow(/closed/)
    client.send('SUB a 1\r\nPUB a 0\r\n\r\n')
    expect(await client.settled()).toBe('MSG a 1 0\r\n\r\n')
    const again = await rig.gateway.listen({ port })
    expect(again.port).toBe(port)
  })

  it('refuses an address it cannot have, and options that are none', async () => {
    const rig = await startGateway(await startBroker(binary))
    await expect(rig.gateway.listen({ port: rig.listener.port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await expect(rig.gateway.listen({})).rejects.toThrow('either port or path')
    await expect(rig.gateway.listen({ port: 70_000 })).rejects.toThrow(RangeError)
    await expect(rig.gateway.listen({ port: 0, prot: 1 } as never)).rejects.toThrow('"prot"')
  })
})

describe.each(inject('natsServers'))('INFO of nats-server $version', (server) => {
  it('leads clients to the gateway and never around it', async () => {
    const broker = await startBroker(server)
    const rig = await startGateway(broker, {
      advertise: ['gw1.example:4223', 'gw2.example:4223'],
      hideInfo: ['server_name', 'git_commit', 'go'],
      limits: { maxPayloadBytes: 5000 },
    })
    const direct = await RawClient.to(broker.url)
    const { info } = await RawClient.to(rig.url)
    expect(info).toMatchObject({
      host: '127.0.0.1',
      port: rig.listener.port,
      connect_urls: ['gw1.example:4223', 'gw2.example:4223'],
      max_payload: 5000,
      client_ip: '127.0.0.1',
      server_id: direct.info['server_id'],
      version: server.version,
      headers: true,
    })
    expect(JSON.stringify(info)).not.toContain(String(broker.port))
    for (const field of ['server_name', 'git_commit', 'go', 'ip', 'ws_connect_urls'])
      expect(info).not.toHaveProperty(field)
  })

  it('comes again with the first PONG, in the order of the server', async () => {
    const broker = await startBroker(server)
    const { url } = await startGateway(broker)
    const orders = []
    for (const address of [broker.url, url]) {
      const client = await RawClient.to(address)
      client.send(plainConnect)
      client.send('PING\r\n')
      // What follows the first PONG is there with the second one, if not before.
      await client.settled()
      await client.settled()
      orders.push(client.received.replaceAll(/INFO [^\r]*\r\n/g, 'INFO\r\n'))
    }
    expect(orders[1]).toBe(orders[0])
    if (satisfiesVersion(server.version, '>=2.12')) expect(orders[1]).toMatch(/^INFO\r\nPONG\r\nINFO\r\n/)
  })

  it('bounds the payload by the lower one of both limits, also when it changes', async () => {
    const fake = await fakeServer(1000)
    const { url } = await startGateway({ url: fake.url }, { limits: { maxPayloadBytes: 800 } })
    const client = await RawClient.to(url)
    expect(client.info).toMatchObject({ max_payload: 800 })
    client.send(`${plainConnect}PUB a 700\r\n${'x'.repeat(700)}\r\n`)
    await eventually(() => fake.received().includes('PUB a 700'))
    fake.say('INFO {"server_id":"fake","max_payload":100,"headers":true}\r\n')
    await client.until('"max_payload":100')
    client.send(`PUB a 101\r\n${'x'.repeat(101)}\r\n`)
    expect(await client.closed()).toContain(`-ERR 'Maximum Payload Violation'`)
  })
})

describe('a backend', () => {
  it('that cannot be reached is told of at once, without INFO: clients try again as where nobody listens', async () => {
    const rig = await startGateway({ url: 'nats://127.0.0.1:1' })
    const client = await RawClient.to(rig.url)
    expect(await client.closed()).toBe(`-ERR 'No Backend Available'\r\n`)
    expect(rig.of('backend.failed')).toHaveLength(1)
    expect(rig.gateway.health()).toMatchObject({ status: 'ok', backend: 'failed' })
    await eventually(() => rig.gateway.health().connections === 0)
    expect(rig.stat('wire_backend_dials_total', 'failed')).toBe(1)
    expect(rig.stat('wire_connections_closed_total', 'backend_error')).toBe(1)
  })

  it.each([
    ['says nothing', (): void => undefined],
    ['says something else', (socket: Socket): void => void socket.write('HTTP/1.1 200 OK\r\n\r\n')],
    ['says INFO that is none', (socket: Socket): void => void socket.write('INFO {"max_payload":"x"\r\n')],
    ['hangs up', (socket: Socket): void => void socket.destroy()],
  ] as const)('that %s is none', async (_name, behave) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      behave(socket)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : 0
    const rig = await startGateway({ url: `nats://127.0.0.1:${port}` }, { limits: { infoTimeoutMs: 150 } })
    const client = await RawClient.to(rig.url)
    expect(await client.closed()).toContain(`-ERR 'No Backend Available'`)
    await eventually(() => rig.gateway.health().connections === 0)
  })

  it('that is full is heard: its words go to the client', async () => {
    const server = await startBroker(binary, { config: 'max_connections: 1' })
    const rig = await startGateway(server)
    // The broker's own watcher may hold the one connection there is.
    const first = await RawClient.to(rig.url)
    first.send(plainConnect)
    const second = await RawClient.to(rig.url)
    second.send(plainConnect)
    await eventually(() => first.isClosed || second.isClosed)
    expect(first.received + second.received).toMatch(/-ERR 'maximum connections exceeded'/i)
  })

  it('may be dialled by a function of the operator’s', async () => {
    const server = await startBroker(binary)
    const backends: WireGatewayOptions['backends'] = [{ id: 'mine', dial: () => dial(server.port, '127.0.0.1') }]
    const rig = await startGateway(undefined, { backends })
    const client = await RawClient.connected(rig.url)
    client.send(`SUB a 1\r\nPUB a 200000\r\n${'x'.repeat(200_000)}\r\n`)
    expect((await client.settled()).length).toBe(200_000 + 'MSG a 1 200000\r\n\r\n'.length)
    expect(rig.of('backend.connected')).toMatchObject([{ backend: 'mine' }])
    const broken = await startGateway(undefined, { backends: [{ dial: () => Promise.reject(new Error('no way')) }] })
    expect(await (await RawClient.to(broken.url)).closed()).toContain('No Backend Available')
  })
})

describe('options', () => {
  const backends = [{ url: 'nats://127.0.0.1:4222' }]
  it.each<readonly [string, unknown, string]>([
    ['no backend', {}, 'backends'],
    ['two backends', { backends: [...backends, ...backends] }, 'list of one'],
    ['an unknown key', { backends, hook: {} }, '"hook"'],
    ['a URL of another scheme', { backends: [{ url: 'http://x' }] }, 'backends[0].url'],
    ['credentials in a URL', { backends: [{ url: 'nats://a:b@x:1' }] }, 'credentials'],
    ['neither url nor dial', { backends: [{ id: 'x' }] }, 'either url or dial'],
    ['a hook that is none', { backends, hooks: { onPublish: 1 } }, 'hooks.onPublish'],
    ['a hook on nothing', { backends, hooks: { onMessage: { on: 'x', handle: () => {} } } }, 'control-line'],
    ['a limit below 1', { backends, limits: { maxSubscriptions: 0 } }, 'limits.maxSubscriptions'],
    ['a limit that is no number', { backends, limits: { authTimeoutMs: '2s' } }, 'limits.authTimeoutMs'],
    ['an unknown limit', { backends, limits: { maxFoo: 1 } }, '"maxFoo"'],
    ['a foreign upgradeWebSocket', { backends, upgradeWebSocket: () => {} }, 'ws-toolkit/upgrade'],
    ['an admission that is none', { backends, admission: {} }, 'admission'],
    ['a range that is none', { backends, addresses: { deny: ['10.0.0.0/33'] } }, 'addresses.deny'],
    ['a proxy that is none', { backends, trustedProxies: ['proxy'] }, 'trustedProxies'],
    ['an address without port', { backends, advertise: ['gw.example'] }, 'advertise'],
    ['a field INFO cannot do without', { backends, hideInfo: ['nonce'] }, 'hideInfo'],
    [
      'a permission that is no pattern',
      { backends, policies: { permissions: { publish: { allow: ['a..b'] } } } },
      'a..b',
    ],
    ['an unknown policy', { backends, policies: { rate: [] } }, '"rate"'],
    ['a rate without a rate', { backends, policies: { rates: [{ by: 'ip' }] } }, 'policies.rates[0]'],
    ['a rate by nothing', { backends, policies: { rates: [{ messagesPerSecond: 1 }] } }, 'policies.rates[0].by'],
    ['a rate below 0', { backends, policies: { rates: [{ by: 'ip', bytesPerSecond: -1 }] } }, 'bytesPerSecond'],
    ['a payload without a bound', { backends, policies: { payloads: [{}] } }, 'policies.payloads[0].maxBytes'],
    ['a verb that cannot be refused', { backends, policies: { verbs: { allow: ['PING'] } } }, 'policies.verbs.allow'],
    ['a header name that is none', { backends, policies: { headers: { strip: ['a b'] } } }, 'policies.headers.strip'],
    ['a header nobody can inject', { backends, policies: { headers: { inject: ['password'] } } }, 'inject'],
  ])('are refused: %s', (_name, options, text) => {
    expect(() => wireGateway(options as WireGatewayOptions)).toThrow(text)
    expect(() => wireGateway(options as WireGatewayOptions)).toThrow(/./)
  })
})

/** A server that says INFO and then what it is told to. */
async function fakeServer(maxPayload: number): Promise<{ url: string; say(text: string): void; received(): string }> {
  const sockets: Socket[] = []
  let received = ''
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1')
    })
    socket.write(`INFO {"server_id":"fake","max_payload":${maxPayload},"headers":true}\r\n`)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  return {
    url: `nats://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    say: (text) => sockets.at(-1)?.write(text),
    received: () => received,
  }
}
