// SPDX-License-Identifier: Apache-2.0
import { compilePermissions } from '../permissions.ts'
import { describe, expect, inject, it } from 'vitest'
import type { PolicyOptions, WireGatewayOptions } from '../gateway.ts'
import { anyServer, plainConnect, RawClient, type Rig, startBroker, startGateway } from './rig.test-support.ts'

const binary = anyServer(inject('natsServers'))
const verbose = 'CONNECT {"verbose":true,"pedantic":false,"headers":true}\r\n'

async function rigWith(policies: PolicyOptions, options: Partial<WireGatewayOptions> = {}): Promise<Rig> {
  return startGateway(await startBroker(binary), { policies, ...options })
}

async function answers(rig: Rig, commands: string, connect: string = plainConnect): Promise<string> {
  const client = await RawClient.connected(rig.url, connect)
  client.send(commands)
  const said = await client.settled()
  return client.isClosed ? `${said}(closed)` : said
}

const cannotPublish = (subject: string): string => `-ERR 'Permissions Violation for Publish to "${subject}"'\r\n`
const cannotSubscribe = (subject: string): string => `-ERR 'Permissions Violation for Subscription to "${subject}"'\r\n`

describe('permissions', () => {
  it('refuse publishes in the words of the server, and the connection stays', async () => {
    const rig = await rigWith({ permissions: { publish: { allow: ['ok.>'], deny: ['ok.secret'] } } })
    const commands =
      'SUB > 1\r\nPUB ok.a 0\r\n\r\nPUB ok.secret 0\r\n\r\nHPUB no 12 12\r\nNATS/1.0\r\n\r\n\r\nPUB ok.* 0\r\n\r\n'
    expect(await answers(rig, commands)).toContain(
      `${cannotPublish('ok.secret')}${cannotPublish('no')}${cannotPublish('ok.*')}`,
    )
    expect(rig.of('operation.denied').map(({ subject, rule }) => `${rule} ${subject}`)).toEqual([
      'permissions ok.secret',
      'permissions no',
      'permissions ok.*',
    ])
    expect(rig.stat('wire_operations_stopped_total', 'permission')).toBe(3)
  })

  it('give a verbose client one answer for each command, in order', async () => {
    const rig = await rigWith({ permissions: { publish: { deny: ['no'] }, subscribe: { deny: ['no'] } } })
    const commands = 'SUB a 1\r\nPUB no 0\r\n\r\nSUB no 2\r\nPUB b 0\r\n\r\n'
    expect(await answers(rig, commands, verbose)).toBe(`+OK\r\n${cannotPublish('no')}${cannotSubscribe('no')}+OK\r\n`)
  })

  it('hold for large payloads, which are lost as they come', async () => {
    const rig = await rigWith({ permissions: { publish: { deny: ['no'] } } })
    const payload = 'x'.repeat(300_000)
    const commands = `SUB a 1\r\nPUB no 300000\r\n${payload}\r\nPUB a 1\r\ny\r\n`
    expect(await answers(rig, commands)).toBe(`${cannotPublish('no')}MSG a 1 1\r\ny\r\n`)
  })

  it('take a subscription within what is allowed, and filter what is denied on delivery', async () => {
    const rig = await rigWith({
      permissions: { subscribe: { allow: ['room.>', '_INBOX.>'], deny: ['room.secret.>'] } },
    })
    expect(await answers(rig, 'SUB > 1\r\nSUB room.secret.x 2\r\nSUB a q 3\r\n')).toBe(
      `${cannotSubscribe('>')}${cannotSubscribe('room.secret.x')}-ERR 'Permissions Violation for Subscription to "a" using queue "q"'\r\n`,
    )
    const commands = 'SUB room.> 1\r\nPUB room.a 1\r\n1\r\nPUB room.secret.b 1\r\n2\r\nPUB room.c 1\r\n3\r\n'
    expect(await answers(rig, commands)).toBe('MSG room.a 1 1\r\n1\r\nMSG room.c 1 1\r\n3\r\n')
  })

  it('do not count filtered deliveries towards UNSUB max', async () => {
    const rig = await rigWith({ permissions: { subscribe: { deny: ['a.no'] } } })
    const commands = `SUB a.* 1\r\nUNSUB 1 2\r\n${['a.no', 'a.1', 'a.no', 'a.2', 'a.3'].map((s) => `PUB ${s} 0\r\n\r\n`).join('')}`
    expect(await answers(rig, commands)).toBe('MSG a.1 1 0\r\n\r\nMSG a.2 1 0\r\n\r\n')
  })

  it('filter also what was on its way when the client unsubscribed', async () => {
    const rig = await rigWith({ permissions: { subscribe: { deny: ['a.no'] } } })
    const commands = 'SUB a.* 1\r\nPUB a.no 0\r\n\r\nPUB a.yes 0\r\n\r\nUNSUB 1\r\n'
    expect(await answers(rig, commands)).toBe('MSG a.yes 1 0\r\n\r\n')
  })

  it('let a client answer what it was asked, once and for a while (reliability T4)', async () => {
    const rig = await rigWith({
      permissions: { publish: { allow: ['ask'] }, allowResponses: { max: 1, ttlMs: 60_000 } },
    })
    const commands = 'SUB ask 1\r\nPUB ask reply.1 0\r\n\r\n'
    const client = await RawClient.connected(rig.url)
    client.send(commands)
    expect(await client.settled()).toBe('MSG ask 1 reply.1 0\r\n\r\n')
    client.clear()
    client.send('PUB reply.1 0\r\n\r\nPUB reply.1 0\r\n\r\nPUB reply.2 0\r\n\r\n')
    expect(await client.settled()).toBe(`${cannotPublish('reply.1')}${cannotPublish('reply.2')}`)
  })

  it('let a client that may only answer publish nothing else (reliability T4)', async () => {
    const server = await startBroker(binary)
    const { url } = await startGateway(server, { policies: { permissions: { allowResponses: true } } })
    const [asking, answering] = [await RawClient.connected(server.url), await RawClient.connected(url)]
    answering.send('SUB ask 1\r\nPUB ask 0\r\n\r\n')
    expect(await answering.settled()).toBe(cannotPublish('ask'))
    asking.send('SUB reply.1 1\r\nPUB ask reply.1 0\r\n\r\n')
    await answering.until('MSG ask 1 reply.1')
    answering.send('PUB reply.1 2\r\nok\r\n')
    await asking.until('MSG reply.1 1 2\r\nok\r\n')
  })

  it.each([
    ['systemSubjects', '$SYS.REQ.SERVER.PING', { systemSubjects: 'deny' }],
    ['jetStream', '$JS.API.INFO', { jetStream: 'deny' }],
  ] as const)('switch %s off both ways', async (_name, subject, permissions) => {
    const rig = await rigWith({ permissions })
    expect(await answers(rig, `PUB ${subject} 0\r\n\r\nSUB ${subject} 1\r\n`)).toBe(
      cannotPublish(subject) + cannotSubscribe(subject),
    )
    expect(await answers(rig, 'SUB a 1\r\nPUB a 0\r\n\r\n')).toBe('MSG a 1 0\r\n\r\n')
  })

  it('make clients one-way', async () => {
    const publishing = await rigWith({ permissions: { direction: 'publish' } })
    expect(await answers(publishing, 'SUB a 1\r\nPUB a 0\r\n\r\n')).toBe(cannotSubscribe('a'))
    const subscribing = await rigWith({ permissions: { direction: 'subscribe' } })
    expect(await answers(subscribing, 'SUB a 1\r\nPUB a 0\r\n\r\n')).toBe(cannotPublish('a'))
  })

  it('are filled with the principal, each value one token', async () => {
    const rig = await rigWith(
      { permissions: { publish: { allow: ['user.{{name}}.>', 'tenant.{{claim.tenant}}'] } } },
      {
        authenticate: ({ user }) => ({
          id: `test:${user}`,
          name: String(user),
          claims: { tenant: 'acme' },
          permissions: compilePermissions({ publish: { deny: ['user.ada.no'] } }),
        }),
      },
    )
    const commands = ['user.ada.x', 'user.bob.x', 'tenant.acme', 'tenant.x', 'user.ada.no'].map(
      (s) => `PUB ${s} 0\r\n\r\n`,
    )
    const connect = 'CONNECT {"verbose":false,"pedantic":false,"user":"ada"}\r\n'
    expect(await answers(rig, commands.join(''), connect)).toBe(
      ['user.bob.x', 'tenant.x', 'user.ada.no'].map(cannotPublish).join(''),
    )
    const dotted = 'CONNECT {"verbose":false,"pedantic":false,"user":"a.>"}\r\n'
    expect(await answers(rig, 'PUB user.a.x 0\r\n\r\n', dotted)).toBe(cannotPublish('user.a.x'))
  })

  it('only report with dryRun', async () => {
    const rig = await rigWith({ permissions: { publish: { allow: [] }, subscribe: { allow: ['b'] }, dryRun: true } })
    expect(await answers(rig, 'SUB a 1\r\nPUB a 0\r\n\r\n')).toBe('MSG a 1 0\r\n\r\n')
    expect(rig.of('operation.denied')).toMatchObject([
      { verb: 'SUB', subject: 'a', dryRun: true },
      { verb: 'PUB', subject: 'a', dryRun: true },
    ])
    expect(rig.stat('wire_operations_stopped_total', 'permission')).toBe(0)
  })
})

describe('authorize', () => {
  it('decides in place of the principal, at once or later', async () => {
    const asked: unknown[] = []
    const rig = await rigWith(
      {},
      {
        authorize: (principal, action, resource, context) => {
          asked.push([principal, action, resource, context])
          return resource === 'later.no' ? Promise.resolve(false) : resource !== 'no'
        },
      },
    )
    const commands = 'SUB a 1\r\nSUB no 2\r\nSUB later.no 3\r\nPUB no 0\r\n\r\nPUB later.no r 0\r\n\r\nPUB a 0\r\n\r\n'
    expect(await answers(rig, commands)).toBe(
      `${cannotSubscribe('no')}${cannotSubscribe('later.no')}${cannotPublish('no')}${cannotPublish('later.no')}MSG a 1 0\r\n\r\n`,
    )
    const context = { surface: 'wire', ip: '127.0.0.1' }
    expect(asked).toEqual([
      [undefined, 'subscribe', 'a', context],
      [undefined, 'subscribe', 'no', context],
      [undefined, 'subscribe', 'later.no', context],
      [undefined, 'publish', 'no', context],
      [undefined, 'request', 'later.no', context],
      [undefined, 'publish', 'a', context],
    ])
  })

  it('is asked about subjects only, and refuses what is none', async () => {
    const asked: string[] = []
    const rig = await rigWith({}, { authorize: (_principal, _action, resource) => asked.push(resource) > 0 })
    expect(await answers(rig, 'PUB a.* 0\r\n\r\nPUB a..b 0\r\n\r\n')).toBe(cannotPublish('a.*') + cannotPublish('a..b'))
    expect(asked).toEqual([])
  })
})

describe('verbs', () => {
  it('are refused where they are not allowed, PING never', async () => {
    const rig = await rigWith({ verbs: { allow: ['SUB'] } })
    const commands = 'SUB a 1\r\nPUB a 0\r\n\r\nHPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\nUNSUB 1\r\n'
    expect(await answers(rig, commands)).toBe(cannotPublish('a') + cannotPublish('a'))
    expect([...rig.gateway.connections()][0]?.subscriptions).toBe(1)
  })
})

describe('payloads', () => {
  it('close as the server does, or lose the message only', async () => {
    const rig = await rigWith({
      payloads: [
        { maxBytes: 10, subjects: ['small.>'], action: 'error' },
        { maxBytes: 100, verbs: ['PUB'] },
      ],
    })
    const violation = `-ERR 'Maximum Payload Violation'\r\n`
    const eleven = 'x'.repeat(11)
    expect(await answers(rig, `PUB small.a 11\r\n${eleven}\r\nPUB a 11\r\n${eleven}\r\n`)).toBe(violation)
    const headers = `NATS/1.0\r\nA: ${'x'.repeat(100)}\r\n\r\n`
    expect(await answers(rig, `HPUB a ${headers.length} ${headers.length}\r\n${headers}\r\n`)).toBe('')
    const long = await RawClient.connected(rig.url)
    long.send(`PUB a 101\r\n${'x'.repeat(101)}\r\nPUB a 0\r\n\r\n`)
    expect(await long.closed()).toBe(violation)
  })

  it('are judged before they have come', async () => {
    const rig = await rigWith({ payloads: [{ maxBytes: 1000, action: 'error' }] })
    const client = await RawClient.connected(rig.url)
    const payload = 'x'.repeat(900_000)
    client.send(`PUB a 900000\r\n${payload}\r\nPUB a 1\r\ny\r\n`)
    expect(await client.settled()).toBe(`-ERR 'Maximum Payload Violation'\r\n`)
  })
})

describe('rates', () => {
  it('hold a client back and lose nothing', async () => {
    const rig = await rigWith({ rates: [{ by: 'connection', messagesPerSecond: 200, burstMessages: 5 }] })
    const client = await RawClient.connected(rig.url)
    const startMs = performance.now()
    client.send('SUB a 1\r\n')
    client.send(Array.from({ length: 30 }, (_, i) => `PUB a 2\r\n${String(i).padStart(2, '0')}\r\n`).join(''))
    const said = await client.settled()
    expect(said).toBe(Array.from({ length: 30 }, (_, i) => `MSG a 1 2\r\n${String(i).padStart(2, '0')}\r\n`).join(''))
    expect(performance.now() - startMs).toBeGreaterThan(100)
    expect(rig.of('operation.limited').length).toBeGreaterThan(0)
  })

  it.each([
    ['drop', ''],
    ['error', `-ERR 'Rate Limit Exceeded'\r\n`],
  ] as const)('lose a message with %s', async (action, said) => {
    const rig = await rigWith({
      rates: [{ by: 'all', subjects: ['a'], messagesPerSecond: 0.001, burstMessages: 1, action }],
    })
    expect(await answers(rig, 'PUB a 0\r\n\r\nPUB a 0\r\n\r\nPUB b 0\r\n\r\n')).toBe(said)
    expect(await answers(rig, 'PUB b 0\r\n\r\nPUB a 0\r\n\r\n', verbose)).toBe(
      action === 'drop' ? '+OK\r\n+OK\r\n' : `+OK\r\n${said}`,
    )
  })

  it('close with close', async () => {
    const rig = await rigWith({ rates: [{ by: 'ip', bytesPerSecond: 1, burstBytes: 10, action: 'close' }] })
    const client = await RawClient.connected(rig.url)
    client.send('SUB a 1\r\nPUB a 8\r\n12345678\r\nPUB a 8\r\n12345678\r\n')
    expect(await client.closed()).toBe(`MSG a 1 8\r\n12345678\r\n-ERR 'Rate Limit Exceeded'\r\n`)
  })

  it('count a connection on, however often it says CONNECT', async () => {
    const rig = await rigWith({
      rates: [{ by: 'connection', messagesPerSecond: 0.001, burstMessages: 2, action: 'error' }],
    })
    const again = `PUB a 0\r\n\r\n${plainConnect}`
    expect(await answers(rig, again.repeat(3))).toBe(`-ERR 'Rate Limit Exceeded'\r\n`)
  })

  it('keep users apart and count them together on all their connections', async () => {
    const rig = await rigWith(
      { rates: [{ by: 'user', messagesPerSecond: 0.001, burstMessages: 1, action: 'error' }] },
      { authenticate: ({ user = '' }) => ({ id: user, name: user, claims: {}, permissions: compilePermissions({}) }) },
    )
    expect(await answers(rig, 'PUB a 0\r\n\r\n', as('ada'))).toBe('')
    expect(await answers(rig, 'PUB a 0\r\n\r\n', as('bob'))).toBe('')
    expect(await answers(rig, 'PUB a 0\r\n\r\n', as('ada'))).toBe(`-ERR 'Rate Limit Exceeded'\r\n`)
  })
})

describe('headers', () => {
  it('are stripped of what clients must not say, under every spelling a reader may know (reliability T5)', async () => {
    const rig = await rigWith({ headers: { strip: ['Secret*', 'Nats-Trace-Dest'] } })
    const forged = block(
      'A: 1\r\nNats-Edge-User: root\r\nSECRET-x : 2\r\n folded\r\nB: 3\n nats-edge-tenant: x\nC: 4\r\n',
    )
    const clean = block('A: 1\r\nB: 3\r\nC: 4\r\n')
    const untouched = block('A: 1\r\nB:2\r\n')
    const commands = `SUB a 1\r\n${hpub('a', forged, 'x')}${hpub('a', untouched, 'y')}${hpub('a', block('Secret: 1\r\n'), 'z')}`
    expect(await answers(rig, commands)).toBe(
      `HMSG a 1 ${clean.length} ${clean.length + 1}\r\n${clean}x\r\n` +
        `HMSG a 1 ${untouched.length} ${untouched.length + 1}\r\n${untouched}y\r\n` +
        'MSG a 1 1\r\nz\r\n',
    )
  })

  it('say who sent a message', async () => {
    const rig = await rigWith(
      { headers: { inject: ['user', 'tenant', 'clientIp', 'connectionId', 'time', 'traceparent'] } },
      {
        authenticate: () => ({
          id: 'test:a\r\nb',
          name: 'a',
          claims: { tenant: 'acme' },
          permissions: compilePermissions({}),
        }),
      },
    )
    const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const said = await answers(
      rig,
      `SUB a 1\r\nPUB a r 2\r\nhi\r\n${hpub('a', block(`traceparent: ${trace}\r\nNats-Edge-User: root\r\n`), '')}`,
    )
    const [first = '', second = ''] = said.split('HMSG a 1 ').slice(1)
    expect(first).toMatch(
      /^r \d+ \d+\r\nNATS\/1\.0\r\nNats-Edge-Time: \d{4}-[^\r]+Z\r\ntraceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-01\r\nNats-Edge-User: test:a  b\r\nNats-Edge-Tenant: acme\r\nNats-Edge-Client-Ip: 127\.0\.0\.1\r\nNats-Edge-Conn-Id: \S+\r\n\r\nhi\r\n$/,
    )
    expect(second).toContain(`traceparent: ${trace}\r\n`)
    expect(second).not.toContain('root')
    expect(rig.of('operation.replaced').length).toBe(2)
  })

  it('reach only clients that asked for headers, as from the server itself', async () => {
    const rig = await rigWith({ headers: { inject: ['clientIp'] } })
    const old = await RawClient.connected(rig.url, 'CONNECT {"verbose":false,"pedantic":false}\r\n')
    old.send('SUB a 1\r\nPUB a r 2\r\nhi\r\n')
    expect(await old.settled()).toBe('MSG a 1 r 2\r\nhi\r\n')
    old.send('HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n')
    await old.closed()
  })

  it('only report with dryRun', async () => {
    const rig = await rigWith({ headers: { inject: ['clientIp'], dryRun: true } })
    const forged = block('Nats-Edge-User: root\r\n')
    expect(await answers(rig, `SUB a 1\r\n${hpub('a', forged, '')}`)).toBe(
      `HMSG a 1 ${forged.length} ${forged.length}\r\n${forged}\r\n`,
    )
    expect(rig.of('operation.limited')).toMatchObject([{ by: 'header', dryRun: true }])
  })

  it('need a CONNECT first: without one the server takes no headers', async () => {
    const rig = await rigWith({ headers: { inject: ['clientIp'] } })
    const client = await RawClient.to(rig.url)
    client.send('PUB a 0\r\n\r\n')
    expect((await client.closed()).replace(/INFO [^\r]*\r\n/, '')).toBe(`-ERR 'Authorization Violation'\r\n`)
  })
})

describe('limits on subscriptions', () => {
  it('bound their number, tokens and wildcards', async () => {
    const rig = await rigWith({}, { limits: { maxSubscriptions: 3, maxSubjectTokens: 4, maxWildcards: 1 } })
    const commands =
      'SUB a 1\r\nSUB b 2\r\nSUB a.b.c.d.e 3\r\nSUB *.* 3\r\nSUB c 3\r\nSUB d 4\r\nSUB a 1\r\nUNSUB 1\r\nSUB d 4\r\n'
    expect(await answers(rig, commands)).toBe(
      `-ERR 'Permissions Violation for Subscription to "a.b.c.d.e", too many tokens'\r\n` +
        `${cannotSubscribe('*.*')}-ERR 'maximum subscriptions exceeded'\r\n`,
    )
    expect([...rig.gateway.connections()][0]?.subscriptions).toBe(3)
  })

  it('forget those that ended by themselves, or that the server refuses', async () => {
    const config = 'authorization { users: [{ user: a, password: b, permissions: { subscribe: { deny: ["no.>"] } } }] }'
    const server = await startBroker(binary, { config })
    const rig = await startGateway(server, { limits: { maxSubscriptions: 1 } })
    const client = await RawClient.connected(
      rig.url,
      'CONNECT {"verbose":false,"pedantic":false,"user":"a","pass":"b"}\r\n',
    )
    client.send('SUB a 1\r\nUNSUB 1 1\r\nPUB a 0\r\n\r\n')
    await client.settled()
    client.send('SUB no.x 2\r\n')
    await client.settled()
    client.send('SUB b..c 3\r\n')
    await client.settled()
    expect([...rig.gateway.connections()][0]?.subscriptions).toBe(0)
    client.clear()
    client.send('SUB a 4\r\nPUB a 0\r\n\r\n')
    expect(await client.settled()).toBe('MSG a 4 0\r\n\r\n')
  })
})

function as(user: string): string {
  return `CONNECT {"verbose":false,"pedantic":false,"user":"${user}"}\r\n`
}

function block(lines: string): string {
  return `NATS/1.0\r\n${lines}\r\n`
}

function hpub(subject: string, headers: string, payload: string): string {
  return `HPUB ${subject} ${headers.length} ${headers.length + payload.length}\r\n${headers}${payload}\r\n`
}
