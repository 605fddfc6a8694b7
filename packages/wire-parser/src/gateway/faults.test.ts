// SPDX-License-Identifier: Apache-2.0
import { connect as dial, createServer, type Server, type Socket } from 'node:net'
import { steadyPort } from '@nats-edge/embedded-nats'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import {
  anyServer,
  connectTo,
  eventually,
  plainConnect,
  RawClient,
  type Rig,
  startBroker,
  startGateway,
} from './rig.test-support.ts'

const binary = anyServer(inject('natsServers'))
const mebibyte = 1_048_576
const greeting = 'INFO {"server_id":"fake","max_payload":1048576,"headers":true}\r\n'

function urlOf(server: Server): string {
  const address = server.address()
  return `nats://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
}

async function nobodyLeft(rig: Rig): Promise<void> {
  await eventually(() => rig.gateway.health().connections === 0)
  const gauges = ['wire_connections_waiting', 'wire_subscriptions', 'wire_queued_bytes'].map((name) => rig.stat(name))
  expect([...gauges, rig.stat('wire_connections', 'tcp')]).toEqual([0, 0, 0, 0])
}

/** A client that stops reading. */
async function deafClient(url: string, commands: string): Promise<Socket> {
  const { port } = new URL(url)
  const socket = dial(Number(port), '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => undefined)
  await new Promise((resolve) => socket.once('data', resolve))
  socket.write(`${plainConnect}${commands}PING\r\n`)
  await new Promise((resolve) => socket.once('data', resolve))
  socket.pause()
  return socket
}

describe('reliability F9: a client that takes nothing', () => {
  it('costs a bounded buffer, is closed in the end, and nobody else notices', async () => {
    const rig = await startGateway(await startBroker(binary), {
      limits: { slowClientMs: 1000, highWaterBytes: 262_144 },
    })
    await deafClient(rig.url, 'SUB flood 1\r\n')
    const [from, to] = [await connectTo(rig.url), await connectTo(rig.url)]
    let got = 0
    to.subscribe('other', { callback: () => void got++ })
    await to.flush()
    const payload = new Uint8Array(60_000)
    let most = 0
    const end = performance.now() + 30_000
    while (rig.stat('wire_connections_closed_total', 'slow_client') === 0 && performance.now() < end) {
      for (let i = 0; i < 20; i++) from.publish('flood', payload)
      from.publish('other')
      await from.flush()
      most = Math.max(most, rig.stat('wire_queued_bytes'))
    }
    expect(rig.stat('wire_connections_closed_total', 'slow_client')).toBe(1)
    expect(most).toBeGreaterThan(262_144)
    // The high water, one read, and what one loop turn may add.
    expect(most).toBeLessThan(mebibyte)
    await eventually(() => got > 5)
    expect(rig.of('connection.closed')).toMatchObject([{ cause: 'slow_client' }])
  }, 60_000)

  it('is served again where it goes on in time, and gets everything', async () => {
    const rig = await startGateway(await startBroker(binary), { limits: { highWaterBytes: 65_536 } })
    const deaf = await deafClient(rig.url, 'SUB flood 1\r\n')
    const from = await connectTo(rig.url)
    const count = 200
    for (let i = 0; i < count; i++) from.publish('flood', new Uint8Array(50_000))
    await from.flush()
    await eventually(() => rig.stat('wire_queued_bytes') > 65_536)
    const chunks: Buffer[] = []
    deaf.on('data', (chunk: Buffer) => chunks.push(chunk))
    deaf.resume()
    // The server asks for a sign of life as it likes.
    const bytes = (): number => Buffer.concat(chunks).toString('latin1').replaceAll('PING\r\n', '').length
    const expected = count * ('MSG flood 1 50000\r\n\r\n'.length + 50_000)
    await eventually(() => bytes() >= expected)
    expect(bytes()).toBe(expected)
    expect(rig.stat('wire_queued_bytes')).toBe(0)
  })

  it('is closed at once where its own errors pile up', async () => {
    const rig = await startGateway(await startBroker(binary), {
      policies: { permissions: { publish: { allow: [] } } },
      limits: { maxPendingBytes: 200_000, slowClientMs: 60_000 },
    })
    const deaf = await deafClient(rig.url, '')
    const bad = `PUB ${'x'.repeat(3000)} 0\r\n\r\n`.repeat(20)
    const flood = (): void => {
      while (!deaf.destroyed && deaf.write(bad));
    }
    deaf.on('drain', flood)
    flood()
    await eventually(() => rig.stat('wire_connections_closed_total', 'slow_client') === 1)
  })
})

// What takes longer for each of them the more there are takes minutes for so many.
describe('reliability T17: a client that asks for the same a hundred thousand times at once', () => {
  const count = 100_000
  const denied = `-ERR 'Permissions Violation for Subscription to "no.x"'\r\n`

  it.each([
    ['PING', 'PING\r\n'.repeat(4 * count), 'PONG\r\n'.length * 4 * count],
    ['SUB of what is denied', 'SUB no.x 99999\r\n'.repeat(count), denied.length * count],
  ])(
    '%s is answered as often, and others meanwhile',
    async (_name, commands, expectedBytes) => {
      const config =
        'authorization { users: [{ user: ada, password: p, permissions: { subscribe: { deny: "no.>" } } }] }'
      const rig = await startGateway(await startBroker(binary, { config }))
      const login = plainConnect.replace('{', '{"user":"ada","pass":"p",')
      const [client, other] = [await RawClient.connected(rig.url, login), await RawClient.connected(rig.url, login)]
      client.send(Array.from({ length: 9000 }, (_, sid) => `SUB a.${sid} ${sid}\r\n`).join(''))
      await client.settled()
      client.clear()
      let bytes = 0
      client.socket.removeAllListeners('data').on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      client.send(commands)
      await eventually(() => bytes > 0)
      await other.settled()
      await eventually(() => bytes >= expectedBytes, 60_000)
      // The server asks for signs of life as it likes.
      expect([0, 6, 12, 18]).toContain(bytes - expectedBytes)
    },
    60_000,
  )
})

describe('a server that takes nothing', () => {
  it('holds its client back, which loses nothing', async () => {
    const sockets: Socket[] = []
    let bytes = 0
    const server = createServer((socket) => {
      sockets.push(socket)
      socket.on('error', () => undefined)
      socket.write(greeting)
      socket.once('data', (chunk: Buffer) => {
        bytes += chunk.length
        socket.pause()
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    const rig = await startGateway({ url: urlOf(server) }, { limits: { highWaterBytes: 100_000 } })
    const client = await RawClient.to(rig.url)
    client.send(plainConnect)
    await eventually(() => bytes > 0)
    const message = `PUB a 50000\r\n${'x'.repeat(50_000)}\r\n`
    let sent = 0
    while (client.socket.writableLength < 10 * mebibyte && sent < 1000) {
      client.send(message)
      sent++
      if (sent % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    // Far less than was sent has left the client: the rest waits where it is, not in the gateway.
    expect(client.socket.writableLength).toBeGreaterThan(5 * mebibyte)
    sockets[0]?.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    sockets[0]?.resume()
    const expected = plainConnect.length + sent * message.length
    await eventually(() => bytes === expected)
  })
})

describe.each(inject('natsServers'))('reliability F1, F2, F3: nats-server $version', (server) => {
  it('killed under load ends its clients at once, and a new one serves them again', async () => {
    const broker = await startBroker(server, { port: await steadyPort(), restart: true })
    const rig = await startGateway(broker)
    const clients = await Promise.all(Array.from({ length: 20 }, () => RawClient.connected(rig.url)))
    for (const client of clients) client.send(`SUB load 1\r\n${'PUB load 3\r\nabc\r\n'.repeat(500)}`)
    await clients[0]?.until('MSG load 1 3')
    const startMs = performance.now()
    broker.kill('SIGKILL')
    await Promise.all(clients.map((client) => client.closed()))
    expect(performance.now() - startMs).toBeLessThan(inject('promptMs'))
    await nobodyLeft(rig)
    expect(rig.stat('wire_connections_closed_total', 'backend_closed')).toBe(20)
    expect(rig.of('backend.lost')).toHaveLength(20)
    // Until it is back, clients are told so, and nothing hangs.
    for (const end = performance.now() + 15_000; ;) {
      const client = await RawClient.to(rig.url)
      client.send(`${plainConnect}PING\r\n`)
      await eventually(() => client.isClosed || client.received.includes('PONG'))
      if (client.received.includes('PONG')) break
      expect(client.received).toContain('No Backend Available')
      if (performance.now() > end) throw new Error('the server did not come back')
    }
  }, 60_000)

  it('frozen holds on to its clients, and serves them when it goes on', async () => {
    const broker = await startBroker(server)
    const rig = await startGateway(broker)
    const client = await RawClient.connected(rig.url)
    rig.gateway.reload({ limits: { infoTimeoutMs: 300 } })()
    broker.kill('SIGSTOP')
    try {
      // The signal may take a moment: until then somebody gets in.
      let said = ''
      while (!said.includes('No Backend Available')) {
        const other = await RawClient.to(rig.url)
        said = await other.closed()
      }
      client.send('SUB a 1\r\nPUB a 2\r\nhi\r\nPING\r\n')
    } finally {
      broker.kill('SIGCONT')
    }
    await client.until('MSG a 1 2\r\nhi\r\nPONG\r\n')
  })
})

describe('a server that turns a client away', () => {
  it.each([
    ["-ERR 'Authorization Violation'\r\n", 'backend_closed', 'Authorization Violation'],
    ["-ERR 'Maximum Subscriptions Exceeded'\r\n", 'client_closed', undefined],
  ])(
    'with %j is told apart from one that is lost, also where the client is the first to go',
    async (answer, ...end) => {
      const server = createServer((socket) => {
        socket.on('error', () => undefined).write(greeting)
        socket.once('data', () => socket.write(answer))
        onTestFinished(() => void socket.destroy())
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      onTestFinished(() => void server.close())
      const rig = await startGateway({ url: urlOf(server) })
      const client = await RawClient.to(rig.url)
      client.send(plainConnect)
      await client.until(answer)
      client.socket.end()
      await nobodyLeft(rig)
      expect(rig.of('connection.closed').map(({ cause, text }) => [cause, text])).toEqual([end])
      expect(rig.of('backend.lost')).toEqual([])
    },
  )

  it('is not lost when it is the first to go', async () => {
    const config = 'authorization { user: ada, password: right }'
    const rig = await startGateway(await startBroker(binary, { config }))
    const client = await RawClient.to(rig.url)
    client.send(plainConnect)
    await client.closed()
    await nobodyLeft(rig)
    expect(rig.of('connection.closed')).toMatchObject([{ cause: 'backend_closed', text: 'Authorization Violation' }])
    expect(rig.of('backend.lost')).toEqual([])
  })
})

describe('a connection that ends', () => {
  it.each([
    ['in the middle of CONNECT', 'CONNECT {"ver'],
    ['in the middle of a control line', `${plainConnect}PUB a`],
    ['in the middle of a payload', `${plainConnect}PUB a 1000\r\nxxx`],
    ['in the middle of a large payload', `${plainConnect}PUB a 500000\r\n${'x'.repeat(200_000)}`],
    [
      'with deliveries on their way',
      `${plainConnect}SUB a 1\r\n${`PUB a 1000\r\n${'x'.repeat(1000)}\r\n`.repeat(500)}`,
    ],
    ['before it said anything', ''],
  ])('%s leaves nothing behind, by FIN or by RST', async (_name, commands) => {
    const rig = await startGateway(await startBroker(binary))
    for (const way of ['end', 'reset'] as const) {
      const client = await RawClient.to(rig.url)
      client.send(commands)
      await new Promise((resolve) => setImmediate(resolve))
      if (way === 'end') client.socket.end()
      else client.socket.resetAndDestroy()
      await nobodyLeft(rig)
    }
  })

  it('has everything it sent delivered', async () => {
    const rig = await startGateway(await startBroker(binary))
    const to = await RawClient.connected(rig.url)
    to.send('SUB a 1\r\n')
    await to.settled()
    to.clear()
    const from = await RawClient.connected(rig.url)
    from.send('PUB a 5\r\nhello\r\n'.repeat(2000))
    from.socket.end()
    await eventually(() => to.received.length >= 2000 * 'MSG a 1 5\r\nhello\r\n'.length)
  })

  it('hundreds of times leaves every counter where it began (reliability F22)', async () => {
    const rig = await startGateway(await startBroker(binary))
    const count = inject('propertyRuns') >= 100_000 ? 10_000 : 300
    for (let i = 0; i < count; i += 50) {
      await Promise.all(
        Array.from({ length: 50 }, async (_, j) => {
          const client = await RawClient.to(rig.url)
          if (j % 3 > 0) client.send(plainConnect)
          if (j % 3 > 1) client.send('SUB a 1\r\nPUB a 0\r\n\r\n')
          client.socket.destroy()
        }),
      )
    }
    await nobodyLeft(rig)
    const closed = ['client_closed', 'connection_error', 'backend_closed', 'backend_error']
    const ends = closed.map((cause) => rig.stat('wire_connections_closed_total', cause))
    expect(ends.reduce((sum, number) => sum + number, 0)).toBe(count)
  }, 60_000)
})
