// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NatsServer } from '@nats-edge/embedded-nats'
import { startNatsServer } from '@nats-edge/embedded-nats'
import { nkeys } from '@nats-io/nats-core'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { newestServer, scratchFolder, startBroker, startEdge, until } from './edge.test-support.ts'
import type { TestEdge } from './edge.test-support.ts'
import { withoutPassword } from './nats.ts'
import * as certificates from './nats/certificate.test-data.ts'

let folder = ''
const brokers: NatsServer[] = []
const edges: TestEdge[] = []

beforeAll(() => {
  folder = scratchFolder()
  for (const [name, text] of Object.entries(certificates)) writeFileSync(file(name), text)
})

afterAll(() => {
  rmSync(folder, { recursive: true })
})

afterEach(async () => {
  for (const each of edges.splice(0)) await each.close({ delayMs: 0, graceMs: 0 })
  for (const each of brokers.splice(0)) await each.stop()
})

function file(name: string): string {
  return join(folder, name)
}

async function broker(config: string): Promise<NatsServer> {
  const each = await startBroker(0, config)
  brokers.push(each)
  return each
}

async function edgeTo(nats: Readonly<Record<string, unknown>>): Promise<TestEdge> {
  const each = await startEdge('', { nats })
  edges.push(each)
  return each
}

async function reasonOf(each: TestEdge): Promise<string> {
  const line = await until('a refusal is logged', () => each.lines.find((one) => one['level'] === 'warn'))
  return String(line['reason'])
}

describe('login', () => {
  it('by token works, and a wrong one is tried again with the reason in the log', async () => {
    const { url } = await broker('authorization { token: "s3cret-canary" }')
    const right = await edgeTo({ servers: url, credentials: { token: 's3cret-canary' } })
    await right.ready()
    const wrong = await edgeTo({ servers: url, credentials: { token: 'other-canary' } })
    expect(await reasonOf(wrong)).toMatch(/authorization/i)
    expect(JSON.stringify([right.lines, wrong.lines])).not.toContain('canary')
  })

  it('by the seed of an nkey works', async () => {
    const user = nkeys.createUser()
    const { url } = await broker(`authorization { users: [{ nkey: ${user.getPublicKey()} }] }`)
    const each = await edgeTo({ servers: url, credentials: { nkeySeed: new TextDecoder().decode(user.getSeed()) } })
    await each.ready()
    expect(each.bus.state).toBe('connected')
  })

  it('by a .creds file works, and the file is read again at each attempt', async () => {
    const { config, creds } = accounts()
    const guarded = await startNatsServer({ binary: newestServer(), config, jetstream: false })
    brokers.push(guarded)
    const path = file('edge.creds')
    writeFileSync(path, 'not yet written')
    const each = await edgeTo({ servers: guarded.url, credentials: { file: path } })
    expect(await reasonOf(each)).not.toBe('')
    writeFileSync(path, creds)
    await each.ready()
    expect(each.bus.state).toBe('connected')
  })
})

// The options of TLS are those of every version; TLS before INFO came with 2.10.4.
describe.each(inject('natsServers'))('TLS to nats-server $version', (server) => {
  async function tlsBroker(more = ''): Promise<NatsServer> {
    const paths = `cert_file: "${file('serverCertificate')}", key_file: "${file('serverKey')}", ca_file: "${file('authority')}"`
    const dataDir = join(folder, `data-${brokers.length}-${Date.now()}`)
    mkdirSync(dataDir)
    const each = await startNatsServer({ binary: server, config: `tls { ${paths}, timeout: 20 ${more} }`, dataDir })
    brokers.push(each)
    return each
  }

  it('needs the authority, and with it connects', async () => {
    const { url } = await tlsBroker()
    const blind = await edgeTo({ servers: url, tls: {} })
    expect(await reasonOf(blind)).toMatch(/certificate|self.signed|issuer/i)
    const each = await edgeTo({ servers: url, tls: { ca: file('authority') } })
    await each.ready()
    expect(each.bus.state).toBe('connected')
  })

  it('shows its own certificate where one is asked for', async () => {
    const { url } = await tlsBroker(', verify: true')
    const tls = { ca: file('authority'), cert: file('clientCertificate'), key: file('clientKey') }
    const each = await edgeTo({ servers: url, tls })
    await each.ready()
    expect(each.bus.state).toBe('connected')
  })

  it.skipIf(/^2\.([0-9]|10\.[0-3])(\.|$)/.test(server.version))(
    'begins before INFO where told to (skipped below nats-server 2.10.4, which cannot)',
    async () => {
      const { url } = await tlsBroker(', handshake_first: auto')
      const each = await edgeTo({ servers: url, tls: { ca: file('authority'), handshakeFirst: true } })
      await each.ready()
      expect(each.bus.state).toBe('connected')
    },
  )
})

describe('the connection', () => {
  it('notices a frozen broker within 3 s, and comes back when it goes on (reliability F3)', async () => {
    const frozen = await startNatsServer({ binary: newestServer() })
    brokers.push(frozen)
    const each = await edgeTo({ servers: frozen.url })
    await each.ready()
    frozen.kill('SIGSTOP')
    const begun = performance.now()
    await until('the loss is noticed', () => each.bus.state === 'disconnected')
    expect(performance.now() - begun).toBeLessThan(3000 + inject('promptMs'))
    expect((await fetch(`${each.url}/a`)).status).toBe(503)
    frozen.kill('SIGCONT')
    await until('it is back', () => each.bus.state === 'connected')
    expect(each.bus.epoch).toBe(2)
  })

  it('goes to another server of the list when one is not there', async () => {
    const { url } = await broker('')
    const each = await edgeTo({ servers: ['nats://127.0.0.1:1', url] })
    await each.ready()
    expect(each.bus.state).toBe('connected')
  })
})

describe('withoutPassword', () => {
  it.each([
    ['nats://user:secret@host:4222', 'nats://host:4222'],
    ['nats://token@host', 'nats://host'],
    ['nats://host:4222', 'nats://host:4222'],
    ['host:4222', 'host:4222'],
  ])('of %s is %s', (server, shown) => {
    expect(withoutPassword(server)).toBe(shown)
  })
})

/** An operator, an account and a user, as nsc would make them: the broker's configuration and the user's .creds file. */
function accounts(): { readonly config: string; readonly creds: string } {
  const operator = nkeys.createOperator()
  const account = nkeys.createAccount()
  const user = nkeys.createUser()
  const operatorJwt = signed(operator, operator, { type: 'operator' })
  const accountJwt = signed(operator, account, {
    type: 'account',
    limits: { subs: -1, conn: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, leaf: -1 },
  })
  const userJwt = signed(account, user, { type: 'user', subs: -1, data: -1, payload: -1, pub: {}, sub: {} })
  const seed = new TextDecoder().decode(user.getSeed())
  return {
    config: `operator: ${operatorJwt}\nresolver: MEMORY\nresolver_preload: { ${account.getPublicKey()}: ${accountJwt} }`,
    creds: `-----BEGIN NATS USER JWT-----\n${userJwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`,
  }
}

type KeyPair = ReturnType<typeof nkeys.createUser>

function signed(issuer: KeyPair, subject: KeyPair, nats: Readonly<Record<string, unknown>>): string {
  const sub = subject.getPublicKey()
  const claims = {
    jti: sub,
    iat: 1_600_000_000,
    iss: issuer.getPublicKey(),
    name: 'test',
    sub,
    nats: { ...nats, version: 2 },
  }
  const text = `${encode({ typ: 'JWT', alg: 'ed25519-nkey' })}.${encode(claims)}`
  return `${text}.${Buffer.from(issuer.sign(new TextEncoder().encode(text))).toString('base64url')}`
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
