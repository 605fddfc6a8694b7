// SPDX-License-Identifier: Apache-2.0
import { createServer, Socket } from 'node:net'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import type { GatewayEvent, PolicyOptions, WireGatewayOptions } from '../gateway.ts'
import {
  anyServer,
  eventually,
  plainConnect,
  RawClient,
  type Rig,
  startBroker,
  startGateway,
} from './rig.test-support.ts'

const binary = anyServer(inject('natsServers'))

async function rigWith(options: Partial<WireGatewayOptions>, config = ''): Promise<Rig> {
  return startGateway(await startBroker(binary, { config }), options)
}

/** A backend that says something and nothing else. */
async function backendThatSays(greeting: string): Promise<{ readonly url: string }> {
  const server = createServer((socket) => socket.on('error', () => undefined).write(greeting))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const address = server.address()
  return { url: `nats://127.0.0.1:${typeof address === 'object' ? address?.port : 0}` }
}

/** INFO of so many bytes altogether. */
function infoOf(bytes: number): string {
  const json = (urls: string): string => `{"server_id":"x","max_payload":1048576,"connect_urls":["${urls}"]}`
  return `INFO ${json('u'.repeat(bytes - json('').length - 7))}\r\n`
}

describe('limits', () => {
  it('cut control lines to the byte, wherever they are cut', async () => {
    const { url } = await rigWith({ limits: { maxControlLineBytes: 100 } })
    for (const size of [1, 50, 1000]) {
      const client = await RawClient.connected(url)
      const longest = `SUB ${'a'.repeat(98)} 1\r\n`
      for (let at = 0; at < longest.length; at += size) {
        client.send(longest.slice(at, at + size))
        await new Promise((resolve) => setImmediate(resolve))
      }
      expect(await client.settled()).toBe('')
      client.send(`SUB ${'a'.repeat(99)} 2\r\n`)
      expect(await client.closed()).toContain(`-ERR 'maximum control line exceeded'\r\n`)
    }
  })

  it('let longer CONNECTs through where the server takes them too', async () => {
    const { url } = await rigWith({ limits: { maxConnectBytes: 30_000 } }, 'max_control_line: 32768')
    const long = `CONNECT {"verbose":false,"jwt":"${'j'.repeat(20_000)}"}\r\n`
    const client = await RawClient.connected(url, long)
    client.send('SUB a 1\r\nPUB a 0\r\n\r\n')
    expect(await client.settled()).toBe('MSG a 1 0\r\n\r\n')
  })

  it('bound the headers of a message by themselves', async () => {
    const { url } = await rigWith({ limits: { maxHeaderBytes: 50 } })
    const client = await RawClient.connected(url)
    const headers = (bytes: number): string => `NATS/1.0\r\nA: ${'x'.repeat(bytes - 17)}\r\n\r\n`
    client.send(`SUB a 1\r\nHPUB a 50 1050\r\n${headers(50)}${'x'.repeat(1000)}\r\n`)
    expect(await client.settled()).toContain('HMSG a 1 50 1050\r\n')
    client.send(`HPUB a 51 51\r\n${headers(51)}\r\n`)
    expect(await client.closed()).toContain(`-ERR 'Maximum Payload Violation'\r\n`)
  })

  it('bound the INFO of a server', async () => {
    const [fits, large] = [await backendThatSays(infoOf(20_000)), await backendThatSays(infoOf(20_001))]
    const limits = { maxInfoBytes: 20_000 - 5 - 2 }
    const client = await RawClient.to((await startGateway(fits, { limits })).url)
    expect(client.info).toMatchObject({ server_id: 'x' })
    const refused = await RawClient.to((await startGateway(large, { limits })).url)
    expect(await refused.closed()).toContain(`-ERR 'No Backend Available'\r\n`)
  })

  it('hold little where reads are short, and large messages pass all the same', async () => {
    const { url } = await rigWith({ limits: { readBufferBytes: 4096 } })
    const client = await RawClient.connected(url)
    const payload = Array.from({ length: 60_000 }, (_, i) => String.fromCharCode(97 + (i % 26))).join('')
    client.send(`SUB a 1\r\nPUB a 60000\r\n${payload}\r\n`)
    expect(await client.settled()).toBe(`MSG a 1 60000\r\n${payload}\r\n`)
  })

  it('give up a backend that does not answer the call', async () => {
    const dial = (): Socket => new Socket().connect({ host: 'silent.invalid', port: 1, lookup: () => undefined })
    const rig = await startGateway(undefined, { backends: [{ dial }], limits: { dialTimeoutMs: 100 } })
    const client = await RawClient.to(rig.url)
    expect(await client.closed()).toContain(`-ERR 'No Backend Available'\r\n`)
    expect(rig.events.find(({ type }) => type === 'backend.failed')).toMatchObject({
      error: { message: expect.stringContaining('dialTimeoutMs (100)') },
    })
    await eventually(() => rig.gateway.health().connections === 0)
  })

  it('bound the decisions under way', async () => {
    let [pending, most] = [0, 0]
    const onPublish = async (): Promise<void> => {
      most = Math.max(most, ++pending)
      await new Promise((resolve) => setTimeout(resolve, 2))
      pending--
    }
    const { url } = await rigWith({ limits: { maxPendingHooks: 3 }, hooks: { onPublish } })
    const client = await RawClient.connected(url)
    client.send(`SUB a 1\r\n${'PUB a 1\r\nx\r\n'.repeat(50)}`)
    expect(await client.settled()).toBe('MSG a 1 1\r\nx\r\n'.repeat(50))
    expect(most).toBe(3)
  })
})

describe('a rule that only reports', () => {
  it.each<readonly [string, PolicyOptions]>([
    [
      'rates[0]',
      { rates: [{ by: 'connection', messagesPerSecond: 0.001, burstMessages: 1, action: 'close', dryRun: true }] },
    ],
    ['payloads[0]', { payloads: [{ maxBytes: 1, dryRun: true }] }],
    ['verbs', { verbs: { allow: ['SUB'], dryRun: true } }],
  ])('stops nothing: %s', async (rule, policies) => {
    const rig = await rigWith({ policies })
    const client = await RawClient.connected(rig.url)
    client.send('SUB a 1\r\nPUB a 2\r\nhi\r\nPUB a 2\r\nho\r\n')
    expect(await client.settled()).toBe('MSG a 1 2\r\nhi\r\nMSG a 1 2\r\nho\r\n')
    const told = rig.events.filter((event): event is Extract<GatewayEvent, { dryRun: boolean }> => 'dryRun' in event)
    expect(told.length).toBeGreaterThan(0)
    for (const event of told) expect(event).toMatchObject({ rule: expect.stringContaining(rule), dryRun: true })
    expect([...rig.gateway.connections()][0]?.denied).toBe(0)
  })
})

describe('what clients log in with (reliability T22)', () => {
  const secrets = {
    pass: 'canary-pass',
    auth_token: 'canary-token',
    jwt: 'canary-jwt',
    nkey: 'canary-nkey',
    sig: 'canary-sig',
    proxy_sig: 'canary-proxy',
  }

  it('is in no event, trace, list or number, whether it is let in, refused or wrong', async () => {
    const rig = await rigWith({
      authenticate: ({ name, pass }) => {
        if (name === 'broken') throw new Error(`what about ${pass}`)
        return undefined
      },
    })
    const records: unknown[] = []
    const shown: unknown[] = []
    const stop = rig.gateway.trace((record) => records.push(record))
    const silent = await rigWith({ limits: { authTimeoutMs: 200 } })
    silent.gateway.trace((record) => records.push(record))
    const said = JSON.stringify({ verbose: false, ...secrets })
    const broken = JSON.stringify({ name: 'broken', ...secrets })
    for (const [url, line] of [
      [rig.url, `CONNECT ${said}\r\n`],
      [rig.url, `CONNECT ${broken}\r\n`],
      [rig.url, `CONNECT ${said.slice(0, -1)},"PASS":"canary"}\r\n`],
      [rig.url, `CONNECT ${said.slice(0, -1)}\r\n`],
      [silent.url, `CONNECT ${said}`],
      [silent.url, `CONNECT ${said}\r\nPING\r\n`],
    ] as const) {
      const client = await RawClient.to(url)
      client.send(line)
      await eventually(() => client.isClosed || client.received.includes('PONG'))
      for (const { gateway } of [rig, silent]) {
        shown.push([...gateway.connections()], [...gateway.users()], [...gateway.stats()], gateway.health())
      }
      expect(client.received).not.toContain('canary')
    }
    stop()
    const failures = rig.of('hook.failed')
    expect(failures).toHaveLength(1)
    const told = [rig.events, silent.events].map((events) => events.filter(({ type }) => type !== 'hook.failed'))
    expect(JSON.stringify([told, records, shown])).not.toContain('canary')
  })
})

describe('a permission to answer (reliability T4)', () => {
  it('is that of the connection that was asked', async () => {
    const permissions = { publish: { allow: ['ask'] }, allowResponses: true }
    const rig = await rigWith({ policies: { permissions } })
    const [asked, other] = [await RawClient.connected(rig.url), await RawClient.connected(rig.url, plainConnect)]
    asked.send('SUB ask 1\r\nPUB ask reply.1 0\r\n\r\n')
    await asked.until('MSG ask 1 reply.1')
    other.send('PUB reply.1 0\r\n\r\n')
    expect(await other.settled()).toBe(`-ERR 'Permissions Violation for Publish to "reply.1"'\r\n`)
    asked.clear()
    asked.send('PUB reply.1 0\r\n\r\n')
    expect(await asked.settled()).toBe('')
  })
})

describe('a reload that is refused', () => {
  it('leaves the rules as they were', async () => {
    const rig = await rigWith({ policies: { permissions: { publish: { deny: ['no'] } } } })
    const client = await RawClient.connected(rig.url)
    for (const wrong of [
      { policies: { permissions: { publish: { allow: ['a..b'] } } } },
      { policies: { permissions: { publish: { deny: [] } } }, limits: { maxSubscriptions: 0 } },
      { hooks: { onPublish: 'yes' } },
      { backends: [] },
    ]) {
      expect(() => rig.gateway.reload(wrong)).toThrow(Error)
    }
    const prepared = rig.gateway.reload({ policies: {} })
    client.send('PUB no 0\r\n\r\n')
    expect(await client.settled()).toBe(`-ERR 'Permissions Violation for Publish to "no"'\r\n`)
    client.clear()
    prepared()
    client.send('PUB no 0\r\n\r\n')
    expect(await client.settled()).toBe('')
  })
})
