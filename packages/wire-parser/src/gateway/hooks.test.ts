// SPDX-License-Identifier: Apache-2.0
import { satisfiesVersion } from '@nats-edge/embedded-nats'
import { describe, expect, inject, it } from 'vitest'
import type { Operation } from '../operation.ts'
import { delay, deny, drop, replace, respond, type WireConnection, type WireHooks } from '../gateway.ts'
import {
  anyServer,
  eventually,
  plainConnect,
  RawClient,
  type Rig,
  startBroker,
  startGateway,
  text,
} from './rig.test-support.ts'

const binary = anyServer(inject('natsServers'))
const verbose = 'CONNECT {"verbose":true,"pedantic":false,"headers":true,"no_responders":true}\r\n'

async function rigWith(hooks: WireHooks, options: Parameters<typeof startGateway>[1] = {}): Promise<Rig> {
  return startGateway(await startBroker(binary), { ...options, hooks })
}

/** What a verbose and a quiet client get for the same commands. */
async function both(hooks: WireHooks, commands: string): Promise<{ quiet: string; verbose: string }> {
  const { url } = await rigWith(hooks)
  const answers = []
  for (const line of [plainConnect, verbose]) {
    const client = await RawClient.connected(url, line)
    client.send(commands)
    await client.settled()
    answers.push(client.received.replace(/PONG\r\n$/, '') + (client.isClosed ? '(closed)' : ''))
  }
  return { quiet: answers[0] ?? '', verbose: answers[1] ?? '' }
}

const message = (subject: string, payload = 'hi'): Operation => ({
  verb: 'PUB',
  subject,
  payload: Buffer.from(payload),
})

describe('onPublish', () => {
  it('forwards where it returns nothing, and sees what was published', async () => {
    const seen: unknown[] = []
    const { url } = await rigWith({
      onPublish: (operation) => {
        seen.push(operation.verb, operation.subject, operation.replyTo, text(operation.payload))
        if ('headers' in operation) seen.push(text(operation.headers))
      },
    })
    const client = await RawClient.connected(url)
    client.send('SUB a 1\r\nPUB a r 2\r\nhi\r\nHPUB a 18 19\r\nNATS/1.0\r\nA: b\r\n\r\nx\r\n')
    expect(await client.settled()).toBe('MSG a 1 r 2\r\nhi\r\nHMSG a 1 18 19\r\nNATS/1.0\r\nA: b\r\n\r\nx\r\n')
    expect(seen).toEqual(['PUB', 'a', 'r', 'hi', 'HPUB', 'a', undefined, 'x', 'NATS/1.0\r\nA: b\r\n\r\n'])
  })

  it('drops without a word, but for the +OK of a verbose client', async () => {
    const hooks: WireHooks = { onPublish: ({ subject }) => (subject === 'no' ? drop() : undefined) }
    const answers = await both(hooks, 'SUB no 1\r\nPUB no 0\r\n\r\n')
    expect(answers).toEqual({ quiet: '', verbose: '+OK\r\n+OK\r\n' })
  })

  it('denies in the words of the server, or its own, and stays open', async () => {
    const hooks: WireHooks = { onPublish: ({ subject }) => (subject === 'no' ? deny() : deny('Not Today')) }
    const answers = await both(hooks, 'PUB no 0\r\n\r\nPUB x 0\r\n\r\n')
    const said = `-ERR 'Permissions Violation for Publish to "no"'\r\n-ERR 'Not Today'\r\n`
    expect(answers).toEqual({ quiet: said, verbose: said })
  })

  it('denies and closes, behind the answers to what came before', async () => {
    const hooks: WireHooks = {
      onPublish: ({ subject }) => (subject === 'no' ? deny('Go Away', { close: true }) : undefined),
    }
    const { url } = await rigWith(hooks)
    const expected = {
      [plainConnect]: `MSG a 1 1\r\nx\r\nPONG\r\n-ERR 'Go Away'\r\n`,
      [verbose]: `+OK\r\n+OK\r\nMSG a 1 1\r\nx\r\nPONG\r\n-ERR 'Go Away'\r\n`,
    }
    for (const [line, said] of Object.entries(expected)) {
      const client = await RawClient.connected(url, line)
      client.send('SUB a 1\r\nPUB a 1\r\nx\r\nPING\r\nPUB no 0\r\n\r\nPUB a 1\r\ny\r\n')
      expect(await client.closed()).toBe(said)
    }
  })

  it('delays, and what comes behind waits as well', async () => {
    const { url } = await rigWith({ onPublish: ({ subject }) => (subject === 'slow' ? delay(150) : undefined) })
    const client = await RawClient.connected(url)
    const startMs = performance.now()
    client.send('SUB slow 1\r\nSUB fast 2\r\nPUB slow 1\r\n1\r\nPUB fast 1\r\n2\r\n')
    expect(await client.settled()).toBe('MSG slow 1 1\r\n1\r\nMSG fast 2 1\r\n2\r\n')
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(145)
  })

  it('replaces with one, none or many, which are one command to a verbose client', async () => {
    const hooks: WireHooks = {
      onPublish: ({ subject }) => {
        if (subject === 'one') return replace(message('a', 'renamed'))
        if (subject === 'none') return replace()
        return replace(message('a', '1'), message('a', '2'), message('a', '3'))
      },
    }
    const commands = 'SUB a 1\r\nPUB one 0\r\n\r\nPUB none 0\r\n\r\nPUB many 0\r\n\r\nUNSUB 9\r\n'
    const answers = await both(hooks, commands)
    const deliveries = ['MSG a 1 7\r\nrenamed\r\n', 'MSG a 1 1\r\n1\r\n', 'MSG a 1 1\r\n2\r\n', 'MSG a 1 1\r\n3\r\n']
    expect(answers.quiet).toBe(deliveries.join(''))
    expect(answers.verbose.replaceAll('+OK\r\n', '')).toBe(deliveries.join(''))
    expect(answers.verbose.split('+OK\r\n')).toHaveLength(1 + 5)
  })

  it('cannot inject protocol: what is no operation closes the connection', async () => {
    const hooks: WireHooks = { onPublish: () => replace(message('a 0\r\n\r\nPUB b')) }
    const answers = await both(hooks, 'PUB x 0\r\n\r\n')
    expect(answers).toEqual({
      quiet: `-ERR 'Internal Gateway Error'\r\n(closed)`,
      verbose: `-ERR 'Internal Gateway Error'\r\n(closed)`,
    })
  })

  it('is checked again where it replaces: permissions and payload hold for what it gives', async () => {
    const big = message('a', 'x'.repeat(2_000_000))
    const { url } = await rigWith(
      { onPublish: ({ subject }) => (subject === 'big' ? replace(big) : replace(message('secret'))) },
      { policies: { permissions: { publish: { deny: ['secret'] } } } },
    )
    const client = await RawClient.connected(url)
    client.send('PUB x 0\r\n\r\n')
    expect(await client.settled()).toBe(`-ERR 'Permissions Violation for Publish to "secret"'\r\n`)
    client.clear()
    client.send('PUB big 0\r\n\r\n')
    expect(await client.closed()).toBe(`-ERR 'Maximum Payload Violation'\r\n`)
  })

  it('responds to the client, and the command goes nowhere', async () => {
    const hooks: WireHooks = {
      onPublish: ({ subject, replyTo }) =>
        subject === 'time'
          ? respond({ verb: 'MSG', subject: replyTo ?? '', sid: '1', payload: Buffer.from('noon') })
          : undefined,
    }
    const answers = await both(hooks, 'SUB r 1\r\nPUB time r 0\r\n\r\n')
    expect(answers.quiet).toBe('MSG r 1 4\r\nnoon\r\n')
    expect(answers.verbose).toBe('MSG r 1 4\r\nnoon\r\n+OK\r\n+OK\r\n')
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('broken')
      },
    ],
    ['rejects', () => Promise.reject(new Error('broken'))],
  ] as const)('that %s closes its own connection only', async (_how, broken) => {
    const rig = await rigWith({ onPublish: ({ subject }) => (subject === 'x' ? broken() : undefined) })
    const [victim, other] = [await RawClient.connected(rig.url), await RawClient.connected(rig.url)]
    victim.send('PUB x 0\r\n\r\n')
    expect(await victim.closed()).toBe(`-ERR 'Internal Gateway Error'\r\n`)
    other.send('SUB a 1\r\nPUB a 0\r\n\r\n')
    expect(await other.settled()).toBe('MSG a 1 0\r\n\r\n')
    expect(rig.of('hook.failed')).toMatchObject([{ hook: 'onPublish' }])
    expect(rig.stat('wire_hook_failures_total')).toBe(1)
  })

  it('may be asked about 64 messages at once, in order, and then the client is not read', async () => {
    const waiting: (() => void)[] = []
    const { url, gateway } = await rigWith({ onPublish: () => new Promise<void>((resolve) => waiting.push(resolve)) })
    const client = await RawClient.connected(url)
    client.send('SUB a 1\r\n')
    for (let i = 0; i < 200; i++) client.send(`PUB a ${String(i).length}\r\n${i}\r\n`)
    await eventually(() => waiting.length === 64)
    client.send('PING\r\n')
    await eventually(() => [...gateway.connections()][0]?.pending === 64)
    expect(waiting).toHaveLength(64)
    expect(client.received).toBe('')
    // The last one first: nothing may pass those before it.
    waiting.at(-1)?.()
    await new Promise((resolve) => setImmediate(resolve))
    expect(client.received).toBe('')
    for (let i = 0; i < 200; i++) {
      await eventually(() => waiting.length > i)
      waiting[i]?.()
    }
    await client.until('PONG')
    const got = [...client.received.matchAll(/MSG a 1 \d+\r\n(\d+)\r\n/g)].map((found) => Number(found[1]))
    expect(got).toEqual(Array.from({ length: 200 }, (_, i) => i))
  })

  it('that answers what is no decision closes its own connection only', async () => {
    const rig = await rigWith({ onPublish: () => Promise.resolve({ action: 'replace', operations: 7 } as never) })
    const client = await RawClient.connected(rig.url)
    client.send('PUB a 0\r\n\r\n')
    await client.closed()
    await eventually(() => rig.gateway.health().connections === 0)
    expect(rig.stat('wire_connections_closed_total', 'internal_error')).toBe(1)
    await RawClient.connected(rig.url)
  })

  it('keeps a payload it was given while other reads come in', async () => {
    const kept: Uint8Array[] = []
    const { url } = await rigWith({
      onPublish: async ({ payload }) => {
        kept.push(payload)
        await new Promise((resolve) => setTimeout(resolve, 5))
      },
    })
    const client = await RawClient.connected(url)
    client.send('SUB a 1\r\n')
    // Cut in the middle of a message, so that the parser has to hold it.
    const all = Array.from({ length: 30 }, (_, i) => `PUB a 3000\r\n${String(i).padStart(3000, '.')}\r\n`).join('')
    for (let at = 0; at < all.length; at += 1111) {
      client.send(all.slice(at, at + 1111))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await client.settled()
    expect(kept.map((payload) => Number(text(payload).replaceAll('.', '')))).toEqual(
      Array.from({ length: 30 }, (_, i) => i),
    )
    expect(client.received.match(/MSG a 1 3000/g)).toHaveLength(30)
  })
})

describe('a hook on the control line', () => {
  it('decides before a large payload is there, which then streams or is lost', async () => {
    const lines: unknown[] = []
    const { url } = await rigWith({
      onPublish: {
        on: 'control-line',
        handle: (line) => {
          lines.push(line)
          return line.subject === 'no' ? deny() : undefined
        },
      },
    })
    const client = await RawClient.connected(url)
    const payload = 'x'.repeat(500_000)
    client.send('SUB a 1\r\nSUB no 2\r\n')
    client.send(`PUB no 500000\r\n${payload}\r\nPUB a r 500000\r\n${payload}\r\nPUB no 1\r\nx\r\n`)
    const denied = `-ERR 'Permissions Violation for Publish to "no"'\r\n`
    const said = await client.settled()
    expect(said.replaceAll(denied, '') === `MSG a 1 r 500000\r\n${payload}\r\n`).toBe(true)
    expect(said.split(denied)).toHaveLength(3)
    expect(lines).toEqual([
      { verb: 'PUB', subject: 'no', replyTo: undefined, sid: '', headerBytes: -1, totalBytes: 500_000 },
      { verb: 'PUB', subject: 'a', replyTo: 'r', sid: '', headerBytes: -1, totalBytes: 500_000 },
      { verb: 'PUB', subject: 'no', replyTo: undefined, sid: '', headerBytes: -1, totalBytes: 1 },
    ])
  })

  it('may take its time, for what is published and what is delivered', async () => {
    const { url } = await rigWith({
      onPublish: { on: 'control-line', handle: () => Promise.resolve(undefined) },
      onMessage: {
        on: 'control-line',
        handle: ({ totalBytes }) => (totalBytes > 400_000 ? delay(5) : Promise.resolve()),
      },
    })
    const client = await RawClient.connected(url)
    const payload = 'x'.repeat(500_000)
    client.send(`SUB a 1\r\nPUB a 500000\r\n${payload}\r\nPUB a 1\r\ny\r\n`)
    expect(await client.settled()).toBe(`MSG a 1 500000\r\n${payload}\r\nMSG a 1 1\r\ny\r\n`)
  })
})

describe('onMessage', () => {
  it('drops, replaces and forwards what is delivered', async () => {
    const { url } = await rigWith({
      onMessage: (operation) => {
        const payload = text(operation.payload)
        if (payload === 'drop') return drop()
        if (payload === 'deny') return deny()
        if (payload !== 'twice') return undefined
        return replace(operation, { ...operation, verb: 'MSG', payload: Buffer.from('again') })
      },
    })
    const client = await RawClient.connected(url)
    client.send('SUB a 7\r\n')
    for (const payload of ['one', 'drop', 'twice', 'deny', 'end'])
      client.send(`PUB a ${payload.length}\r\n${payload}\r\n`)
    expect(await client.settled()).toBe(
      'MSG a 7 3\r\none\r\nMSG a 7 5\r\ntwice\r\nMSG a 7 5\r\nagain\r\nMSG a 7 3\r\nend\r\n',
    )
  })

  it('does not count what it drops towards UNSUB max', async () => {
    const { url, gateway } = await rigWith({
      onMessage: ({ payload }) => (text(payload) === 'drop' ? drop() : undefined),
    })
    for (const line of [plainConnect, verbose]) {
      const client = await RawClient.connected(url, line)
      client.send('SUB a 1\r\nUNSUB 1 2\r\n')
      for (const payload of ['drop', '1', 'drop', 'drop', '2', '3'])
        client.send(`PUB a ${payload.length}\r\n${payload}\r\n`)
      const said = await client.settled()
      expect(said.replaceAll('+OK\r\n', '')).toBe('MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\n')
      expect(said.split('+OK\r\n').length - 1).toBe(line === verbose ? 8 : 0)
      expect([...gateway.connections()].map(({ subscriptions }) => subscriptions)).toEqual([0])
      client.socket.destroy()
      await eventually(() => [...gateway.connections()].length === 0)
    }
  })

  it('closes where it denies so, with the words it gives', async () => {
    const { url } = await rigWith({ onMessage: () => deny('Enough', { close: true }) })
    const client = await RawClient.connected(url)
    client.send('SUB a 1\r\nPUB a 0\r\n\r\n')
    expect(await client.closed()).toBe(`-ERR 'Enough'\r\n`)
  })
})

describe('the other hooks', () => {
  it('see, refuse and replace subscriptions', async () => {
    const seen: unknown[] = []
    const hooks: WireHooks = {
      onSubscribe: (operation) => {
        seen.push({ ...operation })
        if (operation.subject === 'no') return Promise.resolve(deny())
        if (operation.subject === 'lost') return drop()
        return operation.subject === 'old' ? replace({ ...operation, subject: 'new' }) : undefined
      },
      onUnsubscribe: (operation) => {
        seen.push({ ...operation })
        return operation.sid === '9' ? deny('Stay') : undefined
      },
    }
    const { url } = await rigWith(hooks)
    const client = await RawClient.connected(url)
    client.send('SUB no q 1\r\nSUB lost 2\r\nSUB old 3\r\nUNSUB 9\r\nUNSUB 4 5\r\nPUB new 1\r\nx\r\n')
    expect(await client.settled()).toBe(
      `-ERR 'Permissions Violation for Subscription to "no" using queue "q"'\r\n-ERR 'Stay'\r\nMSG new 3 1\r\nx\r\n`,
    )
    expect(seen).toEqual([
      { verb: 'SUB', subject: 'no', queue: 'q', sid: '1' },
      { verb: 'SUB', subject: 'lost', sid: '2' },
      { verb: 'SUB', subject: 'old', sid: '3' },
      { verb: 'UNSUB', sid: '9' },
      { verb: 'UNSUB', sid: '4', max: 5 },
    ])
  })

  it('turn a client away before anything is dialled, or later', async () => {
    const rig = await rigWith({ onAccept: () => deny('Closed On Sundays') })
    const client = await RawClient.to(rig.url)
    expect((await client.closed()).replace(/INFO [^\r]*\r\n/, '')).toBe(`-ERR 'Closed On Sundays'\r\n`)
    expect(rig.of('backend.connected')).toEqual([])
    const late = await rigWith({ onInfo: () => deny('Not This Server') })
    const other = await RawClient.to(late.url)
    expect((await other.closed()).replace(/INFO [^\r]*\r\n/, '')).toBe(`-ERR 'Not This Server'\r\n`)
    expect(other.info).toMatchObject({ server_id: 'nats-edge' })
  })

  it('change INFO, the first one and every later one', async () => {
    const server = await startBroker(binary)
    let calls = 0
    const { url } = await startGateway(server, {
      hooks: {
        onInfo: (info) => {
          calls++
          const json = Buffer.from(JSON.stringify({ ...info, client_id: 7, server_name: `shown-${calls}` }))
          return replace({ verb: 'INFO', json })
        },
      },
    })
    const client = await RawClient.to(url)
    expect(client.info).toMatchObject({ server_name: 'shown-1' })
    client.send(plainConnect)
    await client.settled()
    // From 2.12 on a second INFO follows the first PONG.
    if (satisfiesVersion(binary.version, '>=2.12'))
      expect(client.info).toMatchObject({ server_name: 'shown-2', connect_info: true })
  })

  it('share data between both directions and are told of the end', async () => {
    const ends: unknown[] = []
    const { url } = await rigWith({
      onConnect: (_connect, connection) => void connection.data.set('name', 'ada'),
      onMessage: (operation, connection) =>
        replace({ ...operation, verb: 'MSG', payload: Buffer.from(String(connection.data.get('name'))) }),
      onClose: (report, connection) =>
        ends.push([report.cause, report.messagesIn, report.messagesOut, connection.data.get('name')]),
    })
    const client = await RawClient.connected(url)
    client.send('SUB a 1\r\nPUB a 0\r\n\r\n')
    expect(await client.settled()).toBe('MSG a 1 3\r\nada\r\n')
    client.socket.end()
    await eventually(() => ends.length > 0)
    expect(ends).toEqual([['client_closed', 1, 1, 'ada']])
  })

  it('pass everything through once they say so, from the next operation on', async () => {
    const seen: string[] = []
    const { url } = await rigWith({
      onPublish: ({ subject }, connection: WireConnection) => {
        seen.push(subject)
        if (subject === 'open') connection.passThrough()
      },
      onMessage: () => drop(),
    })
    const client = await RawClient.connected(url)
    client.send('SUB a 1\r\nPUB a 0\r\n\r\n')
    expect(await client.settled()).toBe('')
    client.clear()
    client.send('PUB open 0\r\n\r\nPUB a 1\r\nx\r\nPUB a 1\r\ny\r\nPI')
    client.send('NG\r\n')
    await client.until('PONG')
    expect(client.received).toBe('MSG a 1 1\r\nx\r\nMSG a 1 1\r\ny\r\nPONG\r\n')
    expect(seen).toEqual(['a', 'open'])
  })

  it('refuse a subject that is not UTF-8 or holds a CR rather than compare it', async () => {
    const { url } = await rigWith({ onPublish: () => undefined, onSubscribe: () => undefined })
    const client = await RawClient.connected(url)
    client.send('PUB \u00ff 0\r\n\r\nSUB \u00ff 1\r\n')
    const said = await client.settled()
    expect(said).toMatch(/^-ERR 'Permissions Violation for Publish to ".*"'\r\n-ERR 'Permissions Violation for Sub/)
    client.clear()
    client.send('SUB fo\ro 1\r\n')
    expect(await client.closed()).toBe('')
  })
})
