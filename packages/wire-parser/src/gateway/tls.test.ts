// SPDX-License-Identifier: Apache-2.0
import { connect as dial } from 'node:net'
import { satisfiesVersion } from '@nats-edge/embedded-nats'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as dialTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { compilePermissions } from '../permissions.ts'
import type { BackendTlsOptions, ListenerTlsOptions, WireGatewayOptions } from '../gateway.ts'
import {
  anyServer,
  type Binary,
  connectTo,
  eventually,
  plainConnect,
  RawClient,
  type Rig,
  startBroker,
  startGateway,
} from './rig.test-support.ts'
import { authority, clientAda, localhost, otherHost } from './tls.test-support.ts'

const binary = anyServer(inject('natsServers'))

async function tlsRig(tls: Partial<ListenerTlsOptions>, options: Partial<WireGatewayOptions> = {}): Promise<Rig> {
  return startGateway(await startBroker(binary), options, { port: 0, tls: { ...localhost, ...tls } })
}

/** A client that begins with TLS, or goes on with it behind INFO. */
async function secureClient(
  rig: Rig,
  way: 'first' | 'upgrade',
  options: ConnectionOptions = {},
): Promise<{ client: RawClient; tls: TLSSocket; info: string }> {
  let info = ''
  const settings: ConnectionOptions = { ca: authority, servername: 'localhost', ...options }
  let tls: TLSSocket
  if (way === 'first') {
    tls = dialTls({ port: rig.listener.port, host: '127.0.0.1', ...settings })
  } else {
    const socket = dial(rig.listener.port, '127.0.0.1')
    info = await new Promise<string>((resolve) => socket.once('data', (chunk: Buffer) => resolve(chunk.toString())))
    tls = dialTls({ socket, ...settings })
  }
  const client = new RawClient(tls)
  await new Promise<void>((resolve, reject) => tls.once('secureConnect', resolve).once('error', reject))
  return { client, tls, info }
}

describe('a listener with TLS', () => {
  it('says INFO in clear and then asks for TLS', async () => {
    const rig = await tlsRig({})
    const { client, info } = await secureClient(rig, 'upgrade')
    expect(JSON.parse(info.slice(5)) as unknown).toMatchObject({ tls_required: true })
    client.send(`${plainConnect}SUB a 1\r\nPUB a 2\r\nhi\r\n`)
    expect(await client.settled()).toBe('MSG a 1 2\r\nhi\r\n')
    const nats = await connectTo(rig.url, { tls: { ca: authority } })
    await nats.flush()
  })

  it('never reads what comes in clear where TLS has to come', async () => {
    const rig = await tlsRig({})
    const client = await RawClient.to(rig.url)
    client.send(`${plainConnect}PUB a 0\r\n\r\n`)
    await client.closed()
    expect(client.received.split('\r\n')).toHaveLength(2)
    await eventually(() => rig.of('connection.closed').length === 1)
    expect(rig.stat('wire_messages_total', 'in')).toBe(0)
    expect(rig.of('tls.failed')).toHaveLength(1)
    expect(rig.stat('wire_tls_failures_total')).toBe(1)
  })

  it('begins with TLS where it is to come first', async () => {
    const rig = await tlsRig({ mode: 'first' })
    const { client } = await secureClient(rig, 'first')
    await client.until('INFO')
    client.send(plainConnect)
    expect(await client.settled()).toBe('')
    const nats = await connectTo(rig.url, { tls: { ca: authority, handshakeFirst: true } })
    await nats.flush()
  })

  it('takes both with auto', async () => {
    const rig = await tlsRig({ mode: 'auto' })
    for (const way of ['first', 'upgrade'] as const) {
      const { client } = await secureClient(rig, way)
      client.send(`${plainConnect}SUB a 1\r\nPUB a 2\r\nhi\r\n`)
      expect(await client.settled()).toBe('MSG a 1 2\r\nhi\r\n')
    }
  })

  it('shows the certificate of the name that is asked for, and takes new ones', async () => {
    const rig = await tlsRig({ mode: 'first', hosts: { 'other.example': otherHost } })
    const names = async (servername: string): Promise<string> => {
      const { tls } = await secureClient(rig, 'first', { servername })
      return String(tls.getPeerCertificate().subject.CN)
    }
    expect(await names('localhost')).toBe('localhost')
    expect(await names('other.example')).toBe('other.example')
    expect(() => rig.listener.updateTls({ cert: localhost.cert, key: otherHost.key })).toThrow(TypeError)
    rig.listener.updateTls(otherHost)
    const { tls } = await secureClient(rig, 'first', { checkServerIdentity: () => undefined })
    expect(tls.getPeerCertificate().subject.CN).toBe('other.example')
  })

  it('gives hooks the certificate of a client, and refuses one without where it is required', async () => {
    const seen: unknown[] = []
    const rig = await tlsRig(
      { clientCertificate: 'require', ca: authority },
      {
        authenticate: (_connect, { certificate, servername }) => {
          seen.push(certificate?.subject.CN, certificate?.subjectaltname, servername)
          const name = String(certificate?.subject.CN)
          return { id: `cert:${name}`, name, claims: {}, permissions: compilePermissions({}) }
        },
      },
    )
    const { client, info } = await secureClient(rig, 'upgrade', clientAda)
    expect(JSON.parse(info.slice(5)) as unknown).toMatchObject({ tls_required: true, tls_verify: true })
    client.send(plainConnect)
    await client.settled()
    expect(seen).toEqual(['ada', 'email:ada@engines.example', 'localhost'])
    const stranger = await secureClient(rig, 'upgrade').catch(() => undefined)
    await stranger?.client.closed()
    await eventually(() => rig.of('tls.failed').length === 1)
  })

  it('does not take a certificate for one that no authority vouches for', async () => {
    const seen: unknown[] = []
    const rig = await tlsRig(
      { clientCertificate: 'request', ca: localhost.cert },
      { hooks: { onConnect: (_connect, { certificate }) => void seen.push(certificate) } },
    )
    for (const pair of [clientAda, {}]) {
      const { client } = await secureClient(rig, 'upgrade', pair)
      client.send(plainConnect)
      await client.settled()
    }
    expect(seen).toEqual([undefined, undefined])
  })

  it('gives up a client that does not finish the handshake', async () => {
    const rig = await tlsRig({ mode: 'first' }, { limits: { handshakeTimeoutMs: 100 } })
    const client = new RawClient(dial(rig.listener.port, '127.0.0.1'))
    await client.closed()
    await eventually(() => rig.gateway.health().connections === 0)
    expect(rig.stat('wire_connections_waiting')).toBe(0)
  })

  it('refuses options that do not fit', async () => {
    const gateway = (await tlsRig({})).gateway
    const refused: [ListenerTlsOptions, string][] = [
      [{ ...localhost, key: otherHost.key }, 'no pair'],
      [{ ...localhost, mode: 'later' as 'first' }, 'listener.tls.mode'],
      [{ ...localhost, cert: 7 as never }, 'listener.tls.cert'],
      [{ ...localhost, hosts: { x: { cert: localhost.cert, key: 'x' } } }, 'listener.tls.hosts.x'],
    ]
    for (const [tls, text] of refused) await expect(gateway.listen({ port: 0, tls })).rejects.toThrow(text)
    await expect(gateway.listen({ path: '/x', tls: localhost })).rejects.toThrow('unix socket')
  })
})

describe.each(inject('natsServers'))('TLS to nats-server $version', (server) => {
  it('is used where the server asks for it, and the server is verified', async () => {
    const url = await tlsBroker(server, 'tls_timeout')
    const rig = await rigTo(url, { ca: authority, servername: 'localhost' })
    const client = await RawClient.connected(rig.url)
    client.send(`SUB a 1\r\nPUB a 300000\r\n${'x'.repeat(300_000)}\r\n`)
    expect((await client.settled()).length).toBe('MSG a 1 300000\r\n\r\n'.length + 300_000)
    // What the listener does is said to the client, not what happens behind it.
    const other = await RawClient.to(rig.url)
    expect(other.info).not.toHaveProperty('tls_required')
  })

  it('is not given up for a server nobody vouches for', async () => {
    const url = await tlsBroker(server, 'tls_timeout')
    const rig = await rigTo(url, {})
    const client = await RawClient.to(rig.url)
    expect(await client.closed()).toContain(`-ERR 'No Backend Available'`)
    expect(rig.of('backend.failed')).toHaveLength(1)
  })

  it('shows the certificate of the gateway', async () => {
    const url = await tlsBroker(server, 'verify: true')
    const rig = await rigTo(url, { ca: authority, ...clientAda })
    await RawClient.connected(rig.url)
  })

  it('is asked for by tls://, also of a server that has none', async () => {
    const plain = await startBroker(server)
    const rig = await rigTo(plain.url.replace('nats:', 'tls:'), { ca: authority })
    expect(await (await RawClient.to(rig.url)).closed()).toContain(`-ERR 'No Backend Available'`)
  })

  if (satisfiesVersion(server.version, '>=2.10.5')) {
    it('may come first', async () => {
      const url = await tlsBroker(server, 'handshake_first: true')
      const rig = await rigTo(url, { ca: authority, servername: 'localhost', handshakeFirst: true })
      await RawClient.connected(rig.url)
    })
  }
})

async function rigTo(url: string, tls: BackendTlsOptions): Promise<Rig> {
  return startGateway(undefined, { backends: [{ url, tls }] })
}

/** A server that asks for TLS, on a port of its own: the one that is watched over speaks in clear. */
async function tlsBroker(server: Binary, setting: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wire-tls-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const files = { 'cert.pem': localhost.cert, 'key.pem': localhost.key, 'ca.pem': authority }
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  const { spawn } = await import('node:child_process')
  const line = setting === 'tls_timeout' ? 'timeout: 5' : setting
  const tls = `tls { cert_file: "${folder}/cert.pem", key_file: "${folder}/key.pem", ca_file: "${folder}/ca.pem", ${line} }`
  await writeFile(join(folder, 'server.conf'), `host: 127.0.0.1\nport: -1\n${tls}\n`)
  const child = spawn(server.path, ['-c', join(folder, 'server.conf')], { stdio: ['ignore', 'ignore', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => {
    log += chunk.toString()
  })
  await eventually(() => /Server is ready/.test(log))
  return `nats://127.0.0.1:${/client connections on 127\.0\.0\.1:(\d+)/.exec(log)?.[1] ?? ''}`
}
