// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startNatsServer, steadyPort } from '@nats-edge/embedded-nats'
import type { NatsServer, NatsServerBinary } from '@nats-edge/embedded-nats'
import { connect, headers } from '@nats-io/transport-node'
import type { NatsConnection, NodeConnectionOptions } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { metricOf, RawClient, startEdge, until } from '../edge.test-support.ts'
import type { TestEdge } from '../edge.test-support.ts'
import { authority, serverCertificate, serverKey } from '../nats/certificate.test-data.ts'

const closing: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function brokerOf(
  binary: Pick<NatsServerBinary, 'path' | 'version'>,
  config = '',
  port = 0,
): Promise<NatsServer> {
  const broker = await startNatsServer({ binary, config, port })
  closing.push(() => broker.stop())
  return broker
}

async function edgeOf(
  broker: string,
  config: Readonly<Record<string, unknown>> = {},
  options: Parameters<typeof startEdge>[2] = {},
): Promise<TestEdge> {
  const each = await startEdge(broker, config, options)
  closing.push(() => each.close({ graceMs: 0 }))
  return each
}

async function clientOf(each: TestEdge, options: NodeConnectionOptions = {}): Promise<NatsConnection> {
  const client = await connect({ servers: each.wireUrl ?? '', reconnect: false, ...options })
  closing.push(() => client.close())
  return client
}

async function metrics(each: TestEdge): Promise<string> {
  return (await fetch(`${each.adminUrl}/metrics`)).text()
}

async function connections(each: TestEdge): Promise<number | undefined> {
  return metricOf(await metrics(each), 'nats_edge_wire_connections{surface="wire",transport="tcp"}')
}

/** The first thing a client complained about. */
function complaintOf(client: NatsConnection): Promise<string> {
  return (async () => {
    for await (const status of client.status()) if (status.type === 'error') return status.error.message
    return 'none'
  })()
}

function eventsOf(each: TestEdge, event: string): readonly Readonly<Record<string, unknown>>[] {
  return each.lines.filter((line) => line['event'] === event)
}

const binaries = inject('natsServers')
const newest = binaries.at(-1)
if (newest === undefined) throw new Error('no nats-server under test')

describe.each(binaries)('NATS clients at an edge in front of nats-server $version', (binary) => {
  it('log in with their own credentials, not with those of the edge', async () => {
    const users =
      'authorization { users: [{ user: edge, password: pw }, { user: ada, password: ada-pw, permissions: { publish: ["ada.>", "_INBOX.>", "$SYS.REQ.USER.INFO"] } }] }'
    const broker = await brokerOf(binary, users)
    const nats = { servers: broker.url, credentials: { user: 'edge', password: 'pw' } }
    const each = await edgeOf(broker.url, { nats })
    await each.ready()
    await expect(clientOf(each)).rejects.toThrow(/Authorization Violation/i)
    await expect(clientOf(each, { user: 'ada', pass: 'wrong' })).rejects.toThrow(/Authorization Violation/i)
    const ada = await clientOf(each, { user: 'ada', pass: 'ada-pw' })
    const complaint = complaintOf(ada)
    ada.publish('bob.private')
    expect(await complaint).toMatch(/Permissions Violation for Publish to "bob.private"/i)
    const refused = await until('the log tells of both refusals', () => {
      const told = eventsOf(each, 'connection.closed')
      return told.length === 2 && told
    })
    const refusal = { ip: '127.0.0.1', messagesIn: 0, cause: 'backend_closed', text: 'Authorization Violation' }
    expect(refused).toMatchObject([refusal, refusal])
    const logged = JSON.stringify(each.lines)
    expect(logged).not.toContain('ada-pw')
  })

  it('are held to the policies of the configuration, and the log says what was refused', async () => {
    const broker = await brokerOf(binary)
    const each = await edgeOf(broker.url, {
      wire: {
        policies: {
          permissions: { publish: { deny: ['secret.>'] }, subscribe: { deny: ['secret.>'] }, jetStream: 'deny' },
          payloads: [{ max: '16B', subjects: ['small'], action: 'error' }],
          rates: [{ by: 'connection', subjects: ['slow'], messagesPerSecond: 1, burstMessages: 2, action: 'error' }],
          headers: { strip: ['X-Internal'], inject: ['clientIp'] },
        },
      },
    })
    await each.ready()
    const server = await connect({ servers: broker.url })
    closing.push(() => server.close())
    const seen: string[] = []
    server.subscribe('>', {
      callback: (_, message) => {
        if (message.subject.startsWith('_INBOX')) return
        const names = message.headers?.keys().sort().join(',') ?? ''
        seen.push(
          `${message.subject} ${message.string()} ${names} ${message.headers?.get('Nats-Edge-Client-Ip') ?? ''}`,
        )
      },
    })
    await server.flush()
    const client = await clientOf(each)
    const complaints: string[] = []
    void (async () => {
      for await (const status of client.status()) if (status.type === 'error') complaints.push(status.error.message)
    })()
    const block = headers()
    block.set('X-Internal', 'no')
    block.set('X-Kept', 'yes')
    client.publish('open', 'a', { headers: block })
    client.publish('secret.plan', 'b')
    client.publish('small', 'a'.repeat(17))
    client.publish('small', 'c')
    for (const payload of ['1', '2', '3']) client.publish('slow', payload)
    client.publish('$JS.API.INFO', '')
    await client.flush()
    await server.flush()
    expect(seen).toEqual([
      'open a Nats-Edge-Client-Ip,X-Kept 127.0.0.1',
      'small c Nats-Edge-Client-Ip 127.0.0.1',
      'slow 1 Nats-Edge-Client-Ip 127.0.0.1',
      'slow 2 Nats-Edge-Client-Ip 127.0.0.1',
    ])
    await until('all four refusals were told', () => complaints.length === 4)
    expect(complaints.join('\n')).toMatch(/secret\.plan[^]*Maximum Payload[^]*Rate Limit[^]*\$JS\.API\.INFO/i)
    const text = await metrics(each)
    const stopped = (by: string): number | undefined =>
      metricOf(text, `nats_edge_wire_operations_stopped_total{surface="wire",by="${by}"}`)
    expect([stopped('permission'), stopped('payload'), stopped('rate')]).toEqual([2, 1, 1])
    expect(eventsOf(each, 'operation.denied')).toMatchObject([
      { level: 'info', by: 'permission', subject: 'secret.plan', dryRun: false, ip: '127.0.0.1' },
      { by: 'permission', subject: '$JS.API.INFO' },
    ])
    expect(eventsOf(each, 'operation.limited')).toMatchObject([{ by: 'payload' }, { by: 'rate' }])
  })

  it('are only reported where a rule says dryRun', async () => {
    const broker = await brokerOf(binary)
    const each = await edgeOf(broker.url, {
      wire: {
        policies: {
          permissions: { publish: { deny: ['secret.>'] }, dryRun: true },
          payloads: [{ max: '1B', dryRun: true }],
        },
      },
    })
    await each.ready()
    const client = await clientOf(each)
    const got = new Promise<string>((resolve) => {
      client.subscribe('secret.>', { callback: (_, message) => resolve(message.string()) })
    })
    client.publish('secret.plan', 'long enough')
    expect(await got).toBe('long enough')
    expect(eventsOf(each, 'operation.denied')).toMatchObject([{ subject: 'secret.plan', dryRun: true }])
    expect(eventsOf(each, 'operation.limited')).toMatchObject([{ by: 'payload', dryRun: true }])
    const series = 'nats_edge_wire_operations_stopped_total{surface="wire",by="permission"}'
    expect(metricOf(await metrics(each), series)).toBe(0)
  })

  it('come back when the broker was killed and is there again, and nothing is left of those before', async () => {
    const first = await startNatsServer({ binary, port: await steadyPort() })
    const each = await edgeOf(first.url)
    await each.ready()
    const client = await clientOf(each, { reconnect: true, reconnectTimeWait: 20, maxReconnectAttempts: -1 })
    const got: string[] = []
    client.subscribe('news', { callback: (_, message) => void got.push(message.string()) })
    await client.flush()
    expect(await connections(each)).toBe(1)
    first.kill()
    await first.exited
    await until('the client is gone', async () => (await connections(each)) === 0)
    await until('it is not ready', async () => (await fetch(`${each.adminUrl}/readyz`)).status === 503)
    await until('a client was turned away', () => eventsOf(each, 'backend.failed').length > 0)
    await brokerOf(binary, '', Number(new URL(first.url).port))
    await until('the client is back', async () => (await connections(each)) === 1)
    await client.flush()
    client.publish('news', 'back')
    await until('news came', () => got.includes('back'))
    await client.close()
    await until('no connection is left', async () => (await connections(each)) === 0)
    expect(eventsOf(each, 'connection.closed').at(-1)).toMatchObject({ cause: 'client_closed', level: 'info' })
  })
})

describe('the NATS listener', () => {
  let broker: NatsServer
  let folder = ''

  beforeAll(async () => {
    broker = await startNatsServer({ binary: newest })
    folder = mkdtempSync(join(tmpdir(), 'nats-edge-test-'))
    for (const [name, pem] of Object.entries({ cert: serverCertificate, key: serverKey, ca: authority })) {
      writeFileSync(join(folder, `${name}.pem`), pem)
    }
  })

  afterAll(async () => {
    await broker.stop()
    rmSync(folder, { recursive: true })
  })

  it.each(['upgrade', 'first', 'auto'])('speaks TLS in the mode %s', async (mode) => {
    const tls = { mode, cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
    const admin = { address: '127.0.0.1:0' }
    const each = await edgeOf(broker.url, { listen: { public: { address: '127.0.0.1:0' }, admin, wire: { tls } } })
    await each.ready()
    expect(each.wireUrl).toMatch(/^tls:\/\/127\.0\.0\.1:\d+$/)
    const handshakeFirst = mode === 'first'
    const client = await clientOf(each, { tls: { caFile: join(folder, 'ca.pem'), handshakeFirst } })
    expect(client.info?.tls_required).toBe(true)
    client.subscribe('echo', { callback: (_, message) => void message.respond(message.data) })
    expect((await client.request('echo', 'sealed', { timeout: 10_000 })).string()).toBe('sealed')
  })

  it('is beside the public one, off, or on a unix socket, which a killed process may have left', async () => {
    const listen = { public: { address: '127.0.0.1:0' }, admin: { address: '127.0.0.1:0' } }
    const path = join(folder, 'wire.sock')
    const both = await edgeOf(broker.url, { listen: { ...listen, wire: { address: false, path } } })
    await both.ready()
    expect(both.wireUrl).toBeUndefined()
    const socket = createConnection({ path })
    const info = await new Promise<string>((resolve) => socket.once('data', (data) => resolve(String(data))))
    socket.destroy()
    expect(info).toMatch(/^INFO \{/)
    const { checks } = (await (await fetch(`${both.adminUrl}/readyz?verbose`)).json()) as { checks: unknown }
    expect(checks).toEqual({ nats: 'ok', surfaces: 'ok', drain: 'ok', wire: 'ok' })
    const index: unknown = await (await fetch(`${both.url}/`)).json()
    expect(JSON.stringify(index)).toContain(`the NATS protocol; WebSocket here, unix:${path}`)
    await expect(startEdge(broker.url, { listen: { ...listen, wire: { path } } })).rejects.toThrow(
      `cannot listen on ${path}: the port is taken by another program (listen.wire.path)`,
    )
    const off = await edgeOf(broker.url, { wire: { enabled: false } })
    expect(off.wireUrl).toBeUndefined()
    expect((await fetch(`${off.url}/`)).status).toBe(200)
    expect(await metrics(off)).not.toContain('nats_edge_wire_')
  })

  it('takes port 4223 of the host of the public listener, and says so where that is taken', async () => {
    const listen = { public: { address: '127.0.0.77:0' }, admin: { address: '127.0.0.1:0' } }
    const free = await edgeOf(broker.url, { listen })
    expect(free.wireUrl).toMatch(/^nats:\/\/127\.0\.0\.77:\d+$/)
    const port = Number(new URL(free.wireUrl ?? '').port)
    const wire = { address: `127.0.0.77:${port}` }
    await expect(startEdge(broker.url, { listen: { ...listen, wire } })).rejects.toThrow(
      `cannot listen on 127.0.0.77:${port}: the port is taken by another program (listen.wire.address)`,
    )
    const fixed = { public: { address: '127.0.0.78:18080' }, admin: { address: '127.0.0.1:0' } }
    expect((await edgeOf(broker.url, { listen: fixed })).wireUrl).toBe('nats://127.0.0.78:4223')
  })

  it('shares limits.connections with the other listeners, and has bounds of its own', async () => {
    const each = await edgeOf(broker.url, { limits: { connections: 3 }, wire: { limits: { maxConnections: 2 } } })
    await each.ready()
    const one = await clientOf(each)
    await clientOf(each)
    await expect(clientOf(each)).rejects.toThrow(/maximum connections exceeded/i)
    // Both NATS clients count, so there is one place for HTTP.
    const [first, second] = [new RawClient(each.url), new RawClient(each.url)]
    first.send('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await first.until(/^HTTP\/1\.1 /)
    second.send('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    expect(await second.until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 503 /)
    first.destroy()
    second.destroy()
    await one.close()
    await until('a client fits in again', () => clientOf(each).then(() => true))
    expect(
      metricOf(await metrics(each), 'nats_edge_wire_connections_refused_total{surface="wire",reason="admission"}'),
    ).toBeGreaterThan(0)
  })

  it('is closed for good: no port, no connection, no metric above zero', async () => {
    const each = await startEdge(broker.url)
    await each.ready()
    const client = await connect({ servers: each.wireUrl ?? '', reconnect: false })
    const url = each.wireUrl ?? ''
    await each.close({ graceMs: 0 })
    expect(await client.closed()).toBeUndefined()
    await expect(connect({ servers: url, reconnect: false })).rejects.toThrow(/refused/i)
  })
})

describe('beyond loopback the NATS listener', () => {
  const open = { public: { address: '127.0.0.1:0' }, admin: { address: '127.0.0.1:0' }, wire: { address: '0.0.0.0:0' } }

  function loopback(each: TestEdge): string {
    return (each.wireUrl ?? '').replace('0.0.0.0', '127.0.0.1')
  }

  it.each(binaries)(
    'ends the edge where nats-server $version asks nobody to log in, and lets nobody in before',
    async (binary) => {
      const broker = await brokerOf(binary)
      const each = await edgeOf(broker.url, { listen: open })
      const refused = connect({ servers: loopback(each), reconnect: false })
      await expect(refused).rejects.toThrow(/Authorization Violation/i)
      const failure = await each.failed
      expect(failure).toMatchObject({ name: 'UnprotectedListener' })
      expect(failure.message).toMatch(
        /"listen\.wire\.address" is 0\.0\.0\.0:0, where everybody could use NATS.*--insecure/,
      )
    },
  )

  it.each(binaries)('serves where nats-server $version asks for a login, and with insecure anyway', async (binary) => {
    const guarded = await brokerOf(binary, 'authorization { user: u, password: p }')
    const nats = { servers: guarded.url, credentials: { user: 'u', password: 'p' } }
    const each = await edgeOf(guarded.url, { nats, listen: open })
    await each.ready()
    const client = await connect({ servers: loopback(each), user: 'u', pass: 'p', reconnect: false })
    await client.close()
    const unguarded = await brokerOf(binary)
    const insecure = await edgeOf(unguarded.url, { listen: open }, { insecure: true })
    await insecure.ready()
    const anybody = await connect({ servers: loopback(insecure), reconnect: false })
    await anybody.close()
  })

  it('turns clients away where a user without a password is let in (no_auth_user), or another server is named', async () => {
    const config = 'accounts { A { users: [{ user: a, password: a }] } }\nno_auth_user: a'
    const broker = await brokerOf(newest, config)
    const each = await edgeOf(broker.url, { listen: open, wire: { backends: [{ url: broker.url }] } })
    await expect(connect({ servers: loopback(each), reconnect: false })).rejects.toThrow(/Authorization Violation/i)
    expect(await each.failed).toMatchObject({ name: 'UnprotectedListener' })
  })
})

describe('the server behind NATS clients', () => {
  it('is the one of nats.servers the edge uses: new clients follow it to another one', async () => {
    const [one, two] = [await brokerOf(newest), await brokerOf(newest)]
    const nats = { servers: [one.url, two.url], ping: { interval: '200ms', maxOut: 2 } }
    const each = await edgeOf(one.url, { nats })
    await each.ready()
    const { server_id: nameBefore } = (await clientOf(each)).info ?? {}
    // The edge has taken one of both by chance.
    const direct = await connect({ servers: one.url })
    const { server_id: nameOfOne } = direct.info ?? {}
    await direct.close()
    await (nameBefore === nameOfOne ? one : two).stop()
    await until('clients reach the other server', async () => {
      const after = await connect({ servers: each.wireUrl ?? '', reconnect: false })
      const { server_id: name } = after.info ?? {}
      await after.close()
      return name !== undefined && name !== nameBefore
    })
  })

  it('is unknown where the program has a connection of its own, and then has to be named', async () => {
    const broker = await brokerOf(newest)
    const nats = await connect({ servers: broker.url })
    closing.push(() => nats.close())
    const without = await edgeOf('nats://127.0.0.1:1', {}, { nats })
    expect(without.wireUrl).toBeUndefined()
    const named = await edgeOf('nats://127.0.0.1:1', { wire: { backends: [{ url: broker.url }] } }, { nats })
    await named.ready()
    const client = await clientOf(named)
    await client.flush()
  })

  it('may be reached over TLS, verified by the authority of nats.tls', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'nats-edge-test-'))
    for (const [name, pem] of Object.entries({ cert: serverCertificate, key: serverKey, ca: authority })) {
      writeFileSync(join(folder, `${name}.pem`), pem)
    }
    const broker = await brokerOf(newest, `tls { cert_file: "${folder}/cert.pem", key_file: "${folder}/key.pem" }`)
    const nats = { servers: broker.url, tls: { ca: join(folder, 'ca.pem') } }
    const each = await edgeOf(broker.url, { nats })
    await each.ready()
    const client = await clientOf(each)
    await client.flush()
    // The listener speaks none, whatever the server does.
    expect(client.info?.tls_required).not.toBe(true)
    const unknown = await edgeOf(broker.url, {
      nats: { servers: broker.url },
      wire: { backends: [{ url: broker.url }] },
    })
    await expect(clientOf(unknown)).rejects.toThrow(/unexpected response from server/i)
    expect(eventsOf(unknown, 'backend.failed')).toMatchObject([{ reason: expect.stringContaining('certificate') }])
    rmSync(folder, { recursive: true })
  })
})
