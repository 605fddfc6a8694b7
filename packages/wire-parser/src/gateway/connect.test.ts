// SPDX-License-Identifier: Apache-2.0
import { describe, expect, inject, it, vi } from 'vitest'
import type { Admission } from '../admission.ts'
import { compilePermissions, type PermissionRules } from '../permissions.ts'
import type { Principal } from '../principal.ts'
import { deny, replace, type WireAuthenticate, type WireGatewayOptions } from '../gateway.ts'
import {
  anyServer,
  connectTo,
  eventually,
  holdClock,
  plainConnect,
  RawClient,
  type Rig,
  startBroker,
  startGateway,
} from './rig.test-support.ts'

const binary = anyServer(inject('natsServers'))

function principal(name: string, rules: PermissionRules = {}, more: Partial<Principal> = {}): Principal {
  return { id: `test:${name}`, name, claims: {}, permissions: compilePermissions(rules), ...more }
}

const byUser: WireAuthenticate = ({ user, pass }) => (pass === 'right' && user !== undefined ? principal(user) : deny())

async function rigWith(
  options: Partial<WireGatewayOptions>,
  config = '',
  prepare: () => void = () => undefined,
): Promise<Rig> {
  const server = await startBroker(binary, { config })
  prepare()
  return startGateway(server, options)
}

function says(fields: Record<string, unknown>): string {
  return `CONNECT ${JSON.stringify({ verbose: false, pedantic: false, ...fields })}\r\n`
}

/** What a client hears, INFO left out, until it is closed. */
async function refused(url: string, commands: string): Promise<string> {
  const client = await RawClient.to(url)
  client.send(commands)
  return (await client.closed()).replaceAll(/INFO [^\r]*\r\n/g, '')
}

const violation = `-ERR 'Authorization Violation'\r\n`

describe('authenticate', () => {
  it('says who a client is, and INFO that it will be asked', async () => {
    const rig = await rigWith({ authenticate: byUser })
    const client = await RawClient.to(rig.url)
    expect(client.info).toMatchObject({ auth_required: true })
    client.send(says({ user: 'ada', pass: 'right', name: 'app', lang: 'raw', version: '1' }))
    await client.settled()
    expect([...rig.gateway.connections()]).toMatchObject([
      { principalId: 'test:ada', name: 'app', lang: 'raw', version: '1', transport: 'tcp', ip: '127.0.0.1' },
    ])
    expect([...rig.gateway.users()]).toMatchObject([{ principalId: 'test:ada', connections: 1 }])
    expect(rig.of('auth.passed')).toMatchObject([{ user: 'test:ada', name: 'app' }])
  })

  it('refuses in the words of the server, and no secret gets out', async () => {
    const rig = await rigWith({ authenticate: byUser })
    expect(await refused(rig.url, says({ user: 'ada', pass: 'guess', auth_token: 'token-1', jwt: 'jwt-1' }))).toBe(
      violation,
    )
    expect(rig.of('auth.failed')).toMatchObject([{ reason: 'authenticate' }])
    expect(rig.stat('wire_auth_total', 'failed')).toBe(1)
    await eventually(() => rig.of('connection.closed').length === 1)
    expect(JSON.stringify(rig.events)).not.toMatch(/guess|token-1|jwt-1/)
  })

  it.each([
    ['another command first', 'PUB a 0\r\n\r\n', violation],
    ['PING first', 'PING\r\n', violation],
    ['an empty line', '\r\n', violation],
    ['a key that only folds to a known one', 'CONNECT {"verbose":false,"USER":"ada","pass":"right"}\r\n', violation],
    ['a key twice', 'CONNECT {"user":"ada","user":"root","pass":"right"}\r\n', violation],
    ['no JSON', 'CONNECT {\r\n', ''],
    ['a field of another type', 'CONNECT {"user":7,"pass":"right"}\r\n', ''],
    ['nobody', says({}), violation],
  ])('closes for %s', async (_name, commands, said) => {
    const { url } = await rigWith({ authenticate: byUser })
    expect(await refused(url, commands)).toBe(said)
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('secret cause')
      },
    ],
    ['rejects', () => Promise.reject(new Error('secret cause'))],
  ] as const)('that %s lets nobody in', async (_how, authenticate) => {
    const rig = await rigWith({ authenticate })
    expect(await refused(rig.url, says({}))).toBe(`-ERR 'Internal Gateway Error'\r\n`)
    expect(rig.of('hook.failed')).toMatchObject([{ hook: 'authenticate' }])
  })

  it('that answers nothing lets nobody in', async () => {
    const { url } = await rigWith({ authenticate: () => undefined })
    expect(await refused(url, says({}))).toBe(violation)
  })

  it('may take its time, while nothing of the client reaches the server', async () => {
    let admit: (who: Principal) => void = () => undefined
    const rig = await rigWith({ authenticate: () => new Promise<Principal>((resolve) => (admit = resolve)) })
    const client = await RawClient.to(rig.url)
    client.send(`${says({})}SUB a 1\r\nPUB a 2\r\nhi\r\nPING\r\n`)
    await eventually(() => [...rig.gateway.connections()][0]?.pending === 1)
    expect(rig.stat('wire_messages_total', 'in')).toBe(0)
    admit(principal('late'))
    await client.until('MSG a 1 2\r\nhi\r\nPONG\r\n')
  })

  it('judges every CONNECT, the second with what the first has said', async () => {
    const seen: unknown[] = []
    const rig = await rigWith({
      authenticate: ({ user, pass, name }) => {
        seen.push([user, pass, name])
        return pass === 'right' ? principal(String(user), { publish: { allow: [`${user}.>`] } }) : deny()
      },
    })
    const client = await RawClient.connected(rig.url, says({ user: 'ada', pass: 'right', name: 'app' }))
    client.send('PUB ada.x 0\r\n\r\nPUB bob.x 0\r\n\r\n')
    expect(await client.settled()).toBe(`-ERR 'Permissions Violation for Publish to "bob.x"'\r\n`)
    client.clear()
    client.send('CONNECT {"user":"bob"}\r\nPUB ada.x 0\r\n\r\nPUB bob.x 0\r\n\r\n')
    expect(await client.settled()).toBe(`-ERR 'Permissions Violation for Publish to "ada.x"'\r\n`)
    expect(seen).toEqual([
      ['ada', 'right', 'app'],
      ['bob', 'right', 'app'],
    ])
    client.clear()
    client.send('CONNECT {"pass":"wrong"}\r\n')
    expect(await client.closed()).toBe(violation)
  })

  it.each(inject('natsServers'))('ends all subscriptions at another CONNECT, on $version too', async (server) => {
    const rig = await startGateway(await startBroker(server), { authenticate: ({ user = '' }) => principal(user, {}) })
    const client = await RawClient.connected(rig.url, says({ user: 'ada' }))
    client.send('SUB all 1\r\nCONNECT {"user":"bob"}\r\nPUB all 0\r\n\r\nSUB other 1\r\nPUB other 0\r\n\r\n')
    expect(await client.settled()).toBe('MSG other 1 0\r\n\r\n')
    expect([...rig.gateway.connections()][0]).toMatchObject({ principalId: 'test:bob', subscriptions: 1 })
  })

  it.each(inject('natsServers'))(
    'filters what a reused sid subscribes to after another CONNECT, on $version',
    async (server) => {
      const rules = { subscribe: { allow: ['a', 'b.>'], deny: ['b.secret'] } }
      const rig = await startGateway(await startBroker(server), { policies: { permissions: rules } })
      const other = await connectTo(rig.url)
      const client = await RawClient.connected(rig.url)
      client.send('SUB a 1\r\n')
      await client.settled()
      client.send(`${plainConnect}SUB b.> 1\r\n`)
      await client.settled()
      other.publish('b.secret')
      other.publish('b.open')
      await other.flush()
      expect((await client.settled()).replaceAll('PONG\r\n', '')).toBe('MSG b.open 1 0\r\n\r\n')
    },
  )

  it('judges what follows by who the client has become, also while something else is decided', async () => {
    const waiting: (() => void)[] = []
    const rig = await rigWith({
      authenticate: ({ user = '' }) => principal(user, { publish: { allow: [`${user}.>`] } }),
      hooks: {
        onPublish: ({ subject }) =>
          subject === 'ada.slow' ? new Promise((resolve) => waiting.push(resolve)) : undefined,
      },
    })
    const client = await RawClient.connected(rig.url, says({ user: 'ada' }))
    client.send(
      'PUB ada.slow 0\r\n\r\nPUB ada.x 0\r\n\r\nCONNECT {"user":"bob"}\r\nPUB ada.y 0\r\n\r\nPUB bob.y 0\r\n\r\n',
    )
    await eventually(() => waiting.length === 1)
    expect([...rig.gateway.connections()][0]).toMatchObject({ principalId: 'test:ada' })
    waiting[0]?.()
    expect(await client.settled()).toBe(`-ERR 'Permissions Violation for Publish to "ada.y"'\r\n`)
  })

  it('does not keep anybody in whose credential has expired (reliability T9)', async () => {
    const rig = await rigWith({ authenticate: () => principal('ada', {}, { expiresAt }) }, '', holdClock)
    let expiresAt = Date.now() + 60_000
    const client = await RawClient.connected(rig.url, says({}))
    vi.advanceTimersByTime(59_900)
    expect(await client.settled()).toBe('')
    client.clear()
    vi.advanceTimersByTime(2000)
    expect(await client.closed()).toBe(`-ERR 'User Authentication Expired'\r\n`)
    expiresAt = Date.now() - 1
    expect(await refused(rig.url, says({}))).toBe(`-ERR 'User Authentication Expired'\r\n`)
    await eventually(() => rig.stat('wire_connections_closed_total', 'credential_expired') === 2)
  })

  it('goes along with the login at the server itself', async () => {
    const config = 'authorization { user: ada, password: right }'
    const rig = await rigWith({ authenticate: byUser }, config)
    const client = await RawClient.connected(rig.url, says({ user: 'ada', pass: 'right' }))
    client.send('SUB a 1\r\nPUB a 0\r\n\r\n')
    expect(await client.settled()).toBe('MSG a 1 0\r\n\r\n')
    expect(await refused(rig.url, says({ user: 'bob', pass: 'right' }))).toBe(violation)
  })
})

describe('onConnect', () => {
  it('sees CONNECT and may say another one to the server', async () => {
    const config = 'authorization { user: gateway, password: secret }'
    const seen: unknown[] = []
    const rig = await rigWith(
      {
        hooks: {
          onConnect: (connect) => {
            seen.push(connect)
            if (connect.user !== 'ada') return deny('Who Are You')
            const json = Buffer.from(JSON.stringify({ ...connect, user: 'gateway', pass: 'secret' }))
            return replace({ verb: 'CONNECT', json })
          },
        },
      },
      config,
    )
    const client = await RawClient.connected(rig.url, says({ user: 'ada' }))
    client.send('SUB a 1\r\nPUB a 0\r\n\r\n')
    expect(await client.settled()).toBe('MSG a 1 0\r\n\r\n')
    expect(seen).toEqual([{ verbose: false, pedantic: false, user: 'ada' }])
    expect(await refused(rig.url, says({ user: 'bob' }))).toBe(`-ERR 'Who Are You'\r\n`)
  })
})

describe('limits before and at CONNECT', () => {
  it('close who says nothing in time', async () => {
    const rig = await rigWith({ limits: { authTimeoutMs: 100 } }, '', holdClock)
    const [silent, slow] = [await RawClient.to(rig.url), await RawClient.to(rig.url)]
    slow.send('CONNECT {"verb')
    const quick = await RawClient.connected(rig.url)
    vi.advanceTimersByTime(90)
    expect(await quick.settled()).toBe('')
    expect([silent.isClosed, slow.isClosed]).toEqual([false, false])
    vi.advanceTimersByTime(60)
    for (const late of [silent, slow]) {
      expect((await late.closed()).replace(/INFO [^\r]*\r\n/, '')).toBe(`-ERR 'Authentication Timeout'\r\n`)
    }
    quick.clear()
    expect(await quick.settled()).toBe('')
    expect(rig.stat('wire_connections_closed_total', 'auth_timeout')).toBe(2)
  })

  it('close who sends too much before it', async () => {
    const { url } = await rigWith({ limits: { preConnectBytes: 500 } })
    expect(await refused(url, `CONNECT {"name":"${'x'.repeat(600)}`)).toBe(`-ERR 'maximum control line exceeded'\r\n`)
    const client = await RawClient.connected(url, says({ name: 'x'.repeat(300) }))
    client.send(`PUB a 1000\r\n${'x'.repeat(1000)}\r\n`)
    expect(await client.settled()).toBe('')
  })

  it('take a CONNECT as long as the server does, and no longer', async () => {
    const rig = await rigWith({})
    const argument = (bytes: number): string => {
      const start = '{"verbose":false,"jwt":"'
      return `CONNECT ${start}${'x'.repeat(bytes - start.length - 2)}"}\r\n`
    }
    const client = await RawClient.connected(rig.url, argument(4096))
    expect(await client.settled()).toBe('')
    expect(await refused(rig.url, argument(4097))).toBe(`-ERR 'maximum control line exceeded'\r\n`)
  })

  it('bound those who are not in yet, by address and altogether', async () => {
    const rig = await rigWith({ limits: { maxConnectionsPerIp: 2, authTimeoutMs: 300 } }, '', holdClock)
    const waiting = [await RawClient.to(rig.url), await RawClient.to(rig.url)]
    const third = await RawClient.to(rig.url)
    expect((await third.closed()).replace(/INFO [^\r]*\r\n/, '')).toBe(`-ERR 'maximum connections exceeded'\r\n`)
    waiting[0]?.send(plainConnect)
    await waiting[0]?.settled()
    const fourth = await RawClient.connected(rig.url)
    expect(await fourth.settled()).toBe('')
    expect(rig.of('connection.refused')).toEqual([{ type: 'connection.refused', ip: '127.0.0.1', reason: 'pending' }])
    vi.advanceTimersByTime(400)
    await waiting[1]?.closed()
    await eventually(() => rig.stat('wire_connections_waiting') === 0)
    expect(await waiting[0]?.settled()).toContain('PONG')
  })

  it('bound all connections, and those of one principal (reliability T15)', async () => {
    const rig = await rigWith({ authenticate: byUser, limits: { maxConnections: 3, maxConnectionsPerUser: 1 } })
    const ada = await RawClient.connected(rig.url, says({ user: 'ada', pass: 'right' }))
    expect(await refused(rig.url, says({ user: 'ada', pass: 'right' }))).toBe(
      `-ERR 'maximum account active connections exceeded'\r\n`,
    )
    await eventually(() => rig.gateway.health().connections === 1)
    // The same one again on its own connection is not another one.
    ada.send(says({ user: 'ada', pass: 'right' }))
    expect(await ada.settled()).toBe('')
    const more = [await RawClient.connected(rig.url, says({ user: 'b', pass: 'right' })), await RawClient.to(rig.url)]
    expect(await refused(rig.url, '')).toBe(`-ERR 'maximum connections exceeded'\r\n`)
    for (const client of [ada, ...more]) client.socket.destroy()
    await eventually(() => rig.gateway.health().connections === 0)
    await RawClient.connected(rig.url, says({ user: 'ada', pass: 'right' }))
  })

  it('bound how often an address connects', async () => {
    const rig = await rigWith({ limits: { connectsPerSecond: 1, connectBurst: 2 } }, '', holdClock)
    await RawClient.connected(rig.url)
    await RawClient.connected(rig.url)
    expect(await refused(rig.url, '')).toBe(`-ERR 'maximum connections exceeded'\r\n`)
    expect(rig.of('connection.refused')).toMatchObject([{ reason: 'rate' }])
    vi.advanceTimersByTime(1000)
    const again = await RawClient.connected(rig.url)
    expect(await again.settled()).toBe('')
  })

  it('keep addresses out without a word', async () => {
    const rig = await rigWith({ addresses: { deny: ['127.0.0.0/8'] } })
    await expect(RawClient.to(rig.url)).rejects.toThrow('closed')
    expect(rig.stat('wire_connections_refused_total', 'address')).toBe(1)
    const open = await rigWith({ addresses: { allow: ['127.0.0.1'] } })
    await RawClient.connected(open.url)
  })

  it('are another admission’s business where one is given', async () => {
    const asked: unknown[] = []
    let held = 0
    const admission: Admission = {
      admit: (who) => {
        asked.push(who)
        if (held === 1) return { code: 'too_many_connections', retryAfterMs: 1000 }
        held++
        return { identify: (id) => void asked.push(id), release: () => void held-- }
      },
    }
    const rig = await rigWith({ admission, authenticate: byUser })
    const client = await RawClient.connected(rig.url, says({ user: 'ada', pass: 'right' }))
    expect(await refused(rig.url, '')).toBe(`-ERR 'maximum connections exceeded'\r\n`)
    client.socket.destroy()
    await eventually(() => held === 0)
    const who = { surface: 'wire', transport: 'tcp', ip: '127.0.0.1' }
    expect(asked).toEqual([who, 'test:ada', who])
  })
})

describe('a client that does not finish CONNECT (reliability T13)', () => {
  it('costs a place for a while: all come back, and others get in', async () => {
    // Hundreds of them in the ordinary run, as many as in the threat they stand for in the long one.
    const count = inject('propertyRuns') >= 100_000 ? 10_000 : 400
    const rig = await rigWith({ limits: { authTimeoutMs: 1000, maxPendingAuth: 200, maxConnectionsPerIp: 200 } })
    const clients: RawClient[] = []
    for (let i = 0; i < count; i += 100) {
      const some = await Promise.all(Array.from({ length: 100 }, () => RawClient.to(rig.url).catch(() => undefined)))
      for (const client of some) {
        client?.send('CONNECT {"user":"')
        if (client !== undefined) clients.push(client)
      }
      expect(rig.stat('wire_connections_waiting')).toBeLessThanOrEqual(200)
    }
    await eventually(() => clients.every((client) => client.isClosed), 20_000)
    await eventually(() => rig.gateway.health().connections === 0)
    expect(rig.stat('wire_connections_waiting')).toBe(0)
    expect(rig.stat('wire_connections', 'tcp')).toBe(0)
    const refusedOnes = rig.stat('wire_connections_refused_total', 'pending')
    expect(rig.stat('wire_connections_closed_total', 'auth_timeout') + refusedOnes).toBe(count)
    await RawClient.connected(rig.url)
  }, 60_000)
})
