// SPDX-License-Identifier: Apache-2.0
import { describe, expect, inject, it, vi } from 'vitest'
import { compilePermissions, type PermissionRules } from '../permissions.ts'
import type { Principal } from '../principal.ts'
import type { TraceRecord, WireGatewayOptions } from '../gateway.ts'
import { anyServer, eventually, holdClock, RawClient, type Rig, startBroker, startGateway } from './rig.test-support.ts'

const binary = anyServer(inject('natsServers'))

async function rigWith(options: Partial<WireGatewayOptions> = {}): Promise<Rig> {
  return startGateway(await startBroker(binary), options)
}

function principal(name: string, rules: PermissionRules = {}): Principal {
  return { id: `test:${name}`, name, claims: {}, permissions: compilePermissions(rules) }
}

const as = (user: string): string => `CONNECT {"verbose":false,"pedantic":false,"user":"${user}"}\r\n`
const byName: Partial<WireGatewayOptions> = { authenticate: ({ user = '' }) => principal(user) }

describe('connections', () => {
  it('are shown with what went through them', async () => {
    const rig = await rigWith()
    const client = await RawClient.connected(rig.url)
    client.send('SUB a 1\r\nSUB b 2\r\nPUB a 2\r\nhi\r\nPUB b 1\r\nx\r\nUNSUB 2\r\n')
    await client.settled()
    const [info] = [...rig.gateway.connections()]
    expect(info).toMatchObject({
      surface: 'wire',
      transport: 'tcp',
      messagesIn: 2,
      messagesOut: 2,
      subscriptions: 1,
      denied: 0,
      pending: 0,
      queuedBytes: 0,
      listener: rig.listener.name,
    })
    expect(info?.bytesIn).toBeGreaterThan(60)
    expect(rig.stat('wire_messages_total', 'in')).toBe(2)
    expect(rig.stat('wire_connections_opened_total', 'tcp')).toBe(1)
    client.socket.destroy()
    await eventually(() => rig.gateway.health().connections === 0)
    expect(rig.stat('wire_messages_total', 'out')).toBe(2)
    expect(rig.stat('wire_connections_closed_total', 'client_closed')).toBe(1)
    expect(rig.of('connection.closed')).toMatchObject([{ cause: 'client_closed', messagesIn: 2, messagesOut: 2 }])
  })

  it('are kicked with a reason', async () => {
    const rig = await rigWith(byName)
    const [ada, bob] = [await RawClient.connected(rig.url, as('ada')), await RawClient.connected(rig.url, as('bob'))]
    expect(rig.gateway.kick(({ principalId }) => principalId === 'test:ada', 'Go Home')).toBe(1)
    expect(await ada.closed()).toBe(`-ERR 'Go Home'\r\n`)
    expect(await bob.settled()).toBe('')
    await eventually(() => rig.gateway.health().connections === 1)
    expect(rig.stat('wire_connections_closed_total', 'kicked')).toBe(1)
  })

  it('are ended, or checked again at once, when their principal changes', async () => {
    const rig = await rigWith(byName)
    const [ada, bob] = [await RawClient.connected(rig.url, as('ada')), await RawClient.connected(rig.url, as('bob'))]
    bob.send('SUB a.> 1\r\nSUB b.> 2\r\nSUB c 3\r\n')
    await bob.settled()
    const rules = { subscribe: { deny: ['a.>', 'b.no'] }, publish: { deny: ['x'] } }
    expect(rig.gateway.updatePrincipals((who) => (who.name === 'bob' ? principal('bob', rules) : undefined))).toBe(1)
    expect(await ada.closed()).toBe(`-ERR 'User Authentication Revoked'\r\n`)
    await bob.until(`-ERR 'Permissions Violation for Subscription to "a.>"'\r\n`)
    bob.clear()
    bob.send('PUB a.1 0\r\n\r\nPUB b.no 0\r\n\r\nPUB b.yes 0\r\n\r\nPUB x 0\r\n\r\nPUB c 0\r\n\r\n')
    const said = await bob.settled()
    expect(said.replace(`-ERR 'Permissions Violation for Publish to "x"'\r\n`, '')).toBe(
      'MSG b.yes 2 0\r\n\r\nMSG c 3 0\r\n\r\n',
    )
    expect([...rig.gateway.connections()][0]?.subscriptions).toBe(2)
  })

  it('are traced without payloads and credentials', async () => {
    const rig = await rigWith()
    const client = await RawClient.to(rig.url)
    const records: TraceRecord[] = []
    const stop = rig.gateway.trace(
      (record) => records.push(record),
      ({ ip }) => ip === '127.0.0.1',
    )
    const silent = rig.gateway.trace(() => {
      throw new Error('broken')
    })
    client.send(
      'CONNECT {"verbose":false,"pedantic":false,"pass":"secret"}\r\nSUB a q 1\r\nPUB a r 6\r\nsecret\r\nUNSUB 1\r\n',
    )
    await client.settled()
    stop()
    silent()
    client.send('PUB b 0\r\n\r\n')
    await client.settled()
    // The server says INFO and asks for a sign of life as it likes.
    const shown = records.filter(({ verb, direction }) => verb !== 'INFO' && !(verb === 'PING' && direction === 'out'))
    expect(new Set(records.map(({ connection }) => connection)).size).toBe(1)
    expect(shown).toMatchObject([
      { direction: 'in', verb: 'CONNECT' },
      { direction: 'in', verb: 'SUB', subject: 'a', queue: 'q', sid: '1' },
      { direction: 'in', verb: 'PUB', subject: 'a', replyTo: 'r', bytes: 6 },
      { direction: 'in', verb: 'UNSUB', sid: '1' },
      { direction: 'in', verb: 'PING' },
      { direction: 'out', verb: 'MSG', subject: 'a', replyTo: 'r', sid: '1', bytes: 6 },
      { direction: 'out', verb: 'PONG' },
    ])
    expect(JSON.stringify(records)).not.toContain('secret')
  })

  it('tell the observer what happens, and a broken observer harms nobody', async () => {
    const rig = await rigWith({ samplePublishes: 2, policies: { permissions: { publish: { deny: ['no'] } } } })
    const client = await RawClient.connected(rig.url)
    client.send('SUB a 1\r\nPUB a 1\r\nx\r\nPUB a 2\r\nxx\r\nPUB no 0\r\n\r\nPUB a 4\r\nxxxx\r\nUNSUB 1\r\n')
    await client.settled()
    client.socket.end()
    await eventually(() => rig.of('connection.closed').length === 1)
    expect(rig.events.map(({ type }) => type)).toEqual([
      'backend.connected',
      'connection.opened',
      'auth.passed',
      'subscription.added',
      'publish.sampled',
      'operation.denied',
      'publish.sampled',
      'subscription.removed',
      'connection.closed',
    ])
    expect(rig.of('publish.sampled')).toMatchObject([
      { subject: 'a', bytes: 2 },
      { subject: 'a', bytes: 4 },
    ])
    const broken = await rigWith({
      observe: () => {
        throw new Error('broken')
      },
    })
    await RawClient.connected(broken.url)
    expect(broken.stat('wire_observer_failures_total')).toBe(3)
  })
})

describe('reload', () => {
  it('puts policies, hooks and limits into effect on connections that stay', async () => {
    const rig = await rigWith()
    const client = await RawClient.connected(rig.url)
    client.send('SUB a.> 1\r\nSUB no.x 2\r\n')
    await client.settled()
    client.clear()
    const commit = rig.gateway.reload({
      policies: { permissions: { publish: { deny: ['no.>'] }, subscribe: { deny: ['no.>', 'a.secret'] } } },
      hooks: { onPublish: () => undefined },
      limits: { maxSubscriptions: 2 },
      observe: undefined,
    })
    client.send('PUB no.x 0\r\n\r\n')
    expect(await client.settled()).toBe('MSG no.x 2 0\r\n\r\n')
    client.clear()
    expect(commit()).toEqual({
      applied: ['hooks', 'policies', 'limits', 'observe'],
      unchanged: ['backends'],
      needsRestart: [],
      closed: 0,
    })
    await client.until(`-ERR 'Permissions Violation for Subscription to "no.x"'\r\n`)
    client.clear()
    client.send('PUB no.x 0\r\n\r\nPUB a.secret 0\r\n\r\nPUB a.b 0\r\n\r\n')
    const said = await client.settled()
    expect(said).toContain(`-ERR 'Permissions Violation for Publish to "no.x"'\r\n`)
    expect(said).toContain('MSG a.b 1 0\r\n\r\n')
    expect(said).not.toContain('a.secret')
    client.clear()
    client.send('SUB b 3\r\nSUB c 4\r\n')
    expect(await client.settled()).toBe(`-ERR 'maximum subscriptions exceeded'\r\n`)
  })

  it('changes nothing where it throws', async () => {
    const rig = await rigWith()
    const client = await RawClient.connected(rig.url)
    expect(() => rig.gateway.reload({ policies: { rates: [{ by: 'moon' }] } })).toThrow('policies.rates[0].by')
    expect(() => rig.gateway.reload({ polices: {} })).toThrow('"polices"')
    expect(() => rig.gateway.reload(undefined)).toThrow(TypeError)
    expect(await client.settled()).toBe('')
  })

  it('keeps the buckets of rates that stay, and says what needs a restart', async () => {
    const rates = [{ by: 'ip', messagesPerSecond: 0.001, burstMessages: 1, action: 'error' }] as const
    const rig = await rigWith({ policies: { rates } })
    const client = await RawClient.connected(rig.url)
    client.send('PUB a 0\r\n\r\n')
    expect(await client.settled()).toBe('')
    client.clear()
    const { signal } = new AbortController()
    expect(rig.gateway.reload({ policies: { rates }, signal })()).toMatchObject({ needsRestart: ['signal'] })
    client.send('PUB a 0\r\n\r\n')
    expect(await client.settled()).toBe(`-ERR 'Rate Limit Exceeded'\r\n`)
  })

  it('closes those whose address may not connect any more', async () => {
    const rig = await rigWith()
    const client = await RawClient.connected(rig.url)
    expect(rig.gateway.reload({ addresses: { deny: ['127.0.0.1'] } })()).toMatchObject({ closed: 1 })
    expect(await client.closed()).toBe(`-ERR 'Authorization Violation'\r\n`)
  })

  it('adds headers only where the server knows that the client can have them', async () => {
    const rig = await rigWith()
    const old = await RawClient.connected(rig.url, 'CONNECT {"verbose":false,"pedantic":false}\r\n')
    const modern = await RawClient.connected(rig.url)
    rig.gateway.reload({ policies: { headers: { inject: ['clientIp'] } } })()
    old.send('SUB a 1\r\nPUB a 0\r\n\r\n')
    expect(await old.settled()).toBe('MSG a 1 0\r\n\r\n')
    modern.send('SUB b 1\r\nPUB b 0\r\n\r\n')
    expect(await modern.settled()).toContain('Nats-Edge-Client-Ip: 127.0.0.1')
  })

  it('sends new clients to another backend', async () => {
    const [one, two] = [await startBroker(binary), await startBroker(binary)]
    const rig = await startGateway(one)
    const stays = await RawClient.connected(rig.url)
    rig.gateway.reload({ backends: [{ url: two.url }] })()
    const comes = await RawClient.connected(rig.url)
    expect([...rig.gateway.connections()].map(({ backend }) => `nats://${backend}`)).toEqual([one.url, two.url])
    expect(await stays.settled()).toBe('')
    expect(await comes.settled()).toBe('')
  })
})

describe('close', () => {
  it('tells clients, lets them be for a while, then closes them one after the other', async () => {
    const server = await startBroker(binary)
    holdClock()
    const rig = await startGateway(server, { advertise: ['other.example:4223'] })
    const clients = await Promise.all(Array.from({ length: 10 }, () => RawClient.connected(rig.url)))
    for (const client of clients) client.send('SUB a 1\r\n')
    for (const client of clients) await client.settled()
    let ends = 0
    for (const client of clients) client.socket.on('close', () => ends++)
    const closed = rig.gateway.close({ drainMs: 1000 })
    for (const client of clients) await client.until(/"ldm":true/)
    expect(clients[0]?.info).toMatchObject({ ldm: true, connect_urls: ['other.example:4223'] })
    expect(rig.gateway.health()).toMatchObject({ status: 'draining' })
    await expect(RawClient.to(rig.url)).rejects.toThrow('closed')
    // Who stays is served until it is its turn.
    const [first] = clients
    first?.clear()
    first?.send('PUB a 0\r\n\r\n')
    await first?.until('MSG a 1 0\r\n\r\n')
    // A quarter of the time is theirs, the rest is one step for each.
    vi.advanceTimersByTime(249)
    for (const client of clients) await client.settled()
    expect(ends).toBe(0)
    for (const [before, waitMs] of [1, ...Array.from({ length: 9 }, () => 75)].entries()) {
      vi.advanceTimersByTime(waitMs - 1)
      expect(rig.stat('wire_connections_closed_total', 'shutdown')).toBe(before)
      vi.advanceTimersByTime(1)
      await eventually(() => ends === before + 1)
      for (const client of clients) await client.settled()
      expect(ends).toBe(before + 1)
    }
    await closed
    expect(rig.stat('wire_connections_closed_total', 'shutdown')).toBe(10)
    expect(rig.stat('wire_connections', 'tcp')).toBe(0)
  })

  it('closes a single client when its time has come, not when all of it is over', async () => {
    const ends = Array.from({ length: 8 }, async () => {
      const rig = await rigWith()
      const client = await RawClient.connected(rig.url)
      const startMs = performance.now()
      await rig.gateway.close({ drainMs: 8000 })
      await client.closed()
      return performance.now() - startMs
    })
    expect(Math.max(...(await Promise.all(ends)))).toBeLessThan(6000)
  })

  it('may be shortened, never lengthened', async () => {
    const rig = await rigWith()
    const client = await RawClient.connected(rig.url)
    const first = rig.gateway.close({ drainMs: 60_000 })
    const second = rig.gateway.close({ drainMs: 0 })
    void rig.gateway.close({ drainMs: 60_000 })
    await Promise.all([first, second])
    await client.closed()
    await expect(rig.gateway.listen({ port: 0 })).rejects.toThrow('closed')
  })

  it('comes with the signal, and lets go of what is being dialled', async () => {
    const abort = new AbortController()
    const rig = await rigWith({ signal: abort.signal })
    const client = await RawClient.connected(rig.url)
    abort.abort()
    await client.closed()
    await rig.gateway.close()
    expect(rig.gateway.health().connections).toBe(0)
    const silent = await startGateway(
      { url: 'nats://127.0.0.1:1' },
      {
        backends: [{ dial: () => new Promise(() => undefined) }],
      },
    )
    const waiting = RawClient.to(silent.url)
    waiting.catch(() => undefined)
    await eventually(() => silent.gateway.health().connections === 1)
    void silent.gateway.close({ drainMs: 0 })
    await eventually(() => silent.gateway.health().connections === 0)
  })

  it('waits for nobody where there is nobody', async () => {
    const rig = await rigWith()
    await rig.gateway.close()
    expect(rig.gateway.health()).toMatchObject({ connections: 0, status: 'draining' })
  })
})
