// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { type NatsServer, steadyPort } from '@nats-edge/embedded-nats'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import type { BusMessage, BusStatus } from '../message-bus.ts'
import { HeaderBlock } from '../headers.ts'
import { busFromConnection } from '../bus.ts'
import { bytes, connectTo, eventually, pattern, startBroker, subject } from './broker.test-support.ts'

const empty = new Uint8Array(0)
const timeout = { timeoutMs: 10_000 } as const

const users = `authorization { users = [
  { user: all, password: pw }
  { user: some, password: pw, permissions: {
      publish: { allow: ["ok.>", "_INBOX.>"] }, subscribe: { allow: ["ok.>", "_INBOX.>"] } } }
  { user: noinbox, password: pw, permissions: { subscribe: { allow: ["ok.>", "mine.>"] } } }
] }`

describe.each(inject('natsServers'))('a bus that nats-server $version refuses something', (binary) => {
  it('fails a request whose PUB is not allowed with forbidden, and no other one', async () => {
    const server = await startBroker(binary, { config: users })
    const all = busFromConnection(await connectTo(server, { user: 'all', pass: 'pw' }))
    const asked: BusMessage[] = []
    for (const name of ['ok.a', 'secret.a']) all.subscribe(pattern(name), (message) => void asked.push(message.copy()))
    await all.flush()
    const bus = busFromConnection(await connectTo(server, { user: 'some', pass: 'pw' }))
    const events: string[] = []
    const ask = (name: string): void => {
      bus.request(subject(name), empty, (reply) => void events.push(`${name} ${code(reply)}`), timeout)
    }
    ask('ok.a')
    ask('secret.a')
    ask('secret.a')
    bus.publish(subject('secret.b'), empty)
    await eventually(() => events.length === 2)
    expect(events).toEqual(['secret.a forbidden', 'secret.a forbidden'])
    await eventually(() => asked.length === 1)
    for (const { reply } of asked) if (reply !== undefined) all.publish(reply, empty)
    await eventually(() => events.length === 3)
    expect(events[2]).toBe('ok.a message')
    expect(bus.state).toBe('connected')
  })

  it('ends a subscription that is not allowed with forbidden, with and without a queue', async () => {
    const server = await startBroker(binary, { config: users })
    const bus = busFromConnection(await connectTo(server, { user: 'some', pass: 'pw' }))
    const events: string[] = []
    const statuses: BusStatus[] = []
    bus.onStatus((status) => void statuses.push(status))
    bus.subscribe(pattern('ok.x'), () => void events.push('ok.x'), { onEnd: () => void events.push('ok.x ended') })
    bus.subscribe(pattern('secret.x'), () => undefined, { onEnd: (error) => void events.push(`plain ${error.code}`) })
    bus.subscribe(pattern('secret.x'), () => undefined, {
      queue: 'q',
      onEnd: (error) => void events.push(`queue ${error.code}`),
    })
    await eventually(() => events.length === 2)
    expect(events.toSorted()).toEqual(['plain forbidden', 'queue forbidden'])
    bus.subscribe(pattern('secret.y'), () => undefined)
    await eventually(() => statuses.length > 0)
    expect(statuses).toEqual([{ type: 'failed', error: expect.objectContaining({ code: 'forbidden' }) as unknown }])
    bus.publish(subject('ok.x'), empty)
    await bus.flush()
    expect(events[2]).toBe('ok.x')
  })

  it('fails requests with forbidden when the inbox is not allowed, and works under an inboxPrefix that is', async () => {
    const server = await startBroker(binary, { config: users })
    const login = { user: 'noinbox', pass: 'pw' }
    const bus = busFromConnection(await connectTo(server, login))
    bus.subscribe(pattern('ok.svc'), (message) => message.reply && bus.publish(message.reply, empty))
    const codes: string[] = []
    const ask = (): void => {
      bus.request(subject('ok.svc'), empty, (reply) => void codes.push(code(reply)), timeout)
    }
    ask()
    ask()
    await eventually(() => codes.length === 2)
    ask()
    await eventually(() => codes.length === 3)
    expect(codes).toEqual(['forbidden', 'forbidden', 'forbidden'])

    for (const nats of [
      await connectTo(server, login),
      await connectTo(server, { ...login, inboxPrefix: 'mine.in' }),
    ]) {
      const replySubjects: string[] = []
      const options = nats === undefined ? {} : { inboxPrefix: 'mine.in' }
      const allowed = busFromConnection(nats, options)
      const service = allowed.subscribe(pattern('ok.other'), (message) => {
        replySubjects.push(String(message.reply))
        if (message.reply !== undefined) allowed.publish(message.reply, empty)
      })
      const replies: string[] = []
      allowed.request(subject('ok.other'), empty, (reply) => void replies.push(code(reply)), timeout)
      await eventually(() => replies.length === 1)
      expect(replies).toEqual(['message'])
      expect(replySubjects[0]).toMatch(/^mine\.in\.[\w-]{22}\.[\w-]{7}$/)
      expect(allowed.inbox()).toMatch(/^mine\.in\.[\w-]{22}$/)
      service.unsubscribe()
    }
  })

  it('counts headers and payload against max_payload: body_too_large', async () => {
    const server = await startBroker(binary, { config: 'max_payload: 2000' })
    const bus = busFromConnection(await connectTo(server))
    expect(bus.info?.maxPayloadBytes).toBe(2000)
    const headers = HeaderBlock.from([['A', 'x'.repeat(500)]])
    const rest = 2000 - headers.bytes.length
    const tooLarge = expect.objectContaining({ code: 'body_too_large' }) as unknown
    bus.publish(subject('a'), new Uint8Array(2000))
    bus.publish(subject('a'), new Uint8Array(rest), { headers })
    expect(() => bus.publish(subject('a'), new Uint8Array(2001))).toThrow(tooLarge)
    expect(() => bus.publish(subject('a'), new Uint8Array(rest + 1), { headers })).toThrow(tooLarge)
    expect(() => bus.request(subject('a'), new Uint8Array(2001), () => undefined, timeout)).toThrow(tooLarge)
    await bus.flush()
    expect(bus.state).toBe('connected')
  })

  it('reliability N22: follows max_payload of an INFO that comes at any time, with status info', async () => {
    const { server, reload } = await startReloadable(binary, 'max_payload: 2000')
    const bus = busFromConnection(await connectTo(server))
    const statuses: string[] = []
    bus.onStatus(({ type }) => void statuses.push(`${type} ${bus.info?.maxPayloadBytes}`))
    await reload('max_payload: 1000')
    // The server keeps a new limit to itself until it has something else to say: that it is about to leave.
    server.kill('SIGUSR2')
    await eventually(() => statuses.length > 0)
    expect(statuses).toEqual(['info 1000'])
    expect(() => bus.publish(subject('a'), new Uint8Array(1001))).toThrow(
      expect.objectContaining({ code: 'body_too_large' }),
    )
  })

  it('learns a limit the server did not tell when it is cut off for it', async () => {
    const { server, reload } = await startReloadable(binary, 'max_payload: 2000')
    const bus = busFromConnection(await connectTo(server))
    const statuses: string[] = []
    bus.onStatus(({ type }) => void statuses.push(`${type} ${bus.info?.maxPayloadBytes}`))
    await reload('max_payload: 1000')
    bus.publish(subject('a'), new Uint8Array(1500))
    await eventually(() => statuses.length === 2)
    expect(statuses).toEqual(['disconnected 2000', 'connected 1000'])
    expect(() => bus.publish(subject('a'), new Uint8Array(1500))).toThrow(
      expect.objectContaining({ code: 'body_too_large' }),
    )
  })

  it('says unsupported for headers where the server has none', async () => {
    const server = await startBroker(binary, { config: 'no_header_support: true' })
    const bus = busFromConnection(await connectTo(server))
    expect(bus.info?.headers).toBe(false)
    const headers = HeaderBlock.from([['A', '1']])
    const unsupported = expect.objectContaining({ code: 'unsupported' }) as unknown
    expect(() => bus.publish(subject('a'), empty, { headers })).toThrow(unsupported)
    expect(() => bus.request(subject('a'), empty, () => undefined, { ...timeout, headers })).toThrow(unsupported)
    bus.publish(subject('a'), empty)
    await bus.flush()
  })

  it('is overloaded above maxPendingBytes of a stopped server, then writable at half of them', async () => {
    const server = await startBroker(binary)
    const nats = await connectTo(server)
    const bus = busFromConnection(nats, { maxPendingBytes: 1_000_000 })
    const events: string[] = []
    bus.onStatus(
      ({ type }) => void events.push(`${type} at ${bus.pendingBytes <= 500_000 ? 'half' : bus.pendingBytes}`),
    )
    server.kill('SIGSTOP')
    const payload = new Uint8Array(10_000)
    let accepted = 0
    const overloaded = expect.objectContaining({ code: 'overloaded' }) as unknown
    const fill = (): void => {
      for (; accepted < 1000; accepted++) bus.publish(subject('a'), payload)
    }
    expect(fill).toThrow(overloaded)
    expect(accepted).toBeGreaterThan(90)
    expect(bus.pendingBytes).toBeLessThanOrEqual(1_000_000)
    expect(() => bus.request(subject('a'), payload, () => undefined, timeout)).toThrow(overloaded)
    expect(events).toEqual([])
    server.kill('SIGCONT')
    await eventually(() => events.length > 0)
    expect(events).toEqual(['writable at half'])
    bus.publish(subject('a'), payload)
    await bus.flush()
    expect(bus.pendingBytes).toBe(0)
  })

  it('is writable again after the connection it overloaded was lost', async () => {
    const server = await startBroker(binary, { port: await steadyPort() })
    const bus = busFromConnection(await connectTo(server), { maxPendingBytes: 100_000 })
    const events: string[] = []
    bus.onStatus(({ type }) => void events.push(type))
    server.kill('SIGSTOP')
    const fill = (): void => {
      for (let i = 0; i < 100; i++) bus.publish(subject('a'), new Uint8Array(10_000))
    }
    expect(fill).toThrow(expect.objectContaining({ code: 'overloaded' }))
    server.kill('SIGKILL')
    await server.exited
    await eventually(() => bus.state === 'disconnected')
    expect(bus.pendingBytes).toBe(0)
    await startBroker(binary, { port: server.port })
    await eventually(() => events.length === 3)
    // Stopped is not stopped at once: the server may take some before.
    expect(events.filter((type) => type !== 'writable')).toEqual(['disconnected', 'connected'])
    expect(fill).not.toThrow(TypeError)
  })

  it('counts what requests carry as arrived once a reply is there', async () => {
    const server = await startBroker(binary)
    const bus = busFromConnection(await connectTo(server), { maxPendingBytes: 50_000_000 })
    bus.subscribe(pattern('svc'), (message) => message.reply && bus.publish(message.reply, bytes('1')))
    const pending = await new Promise<number>((resolve) => {
      bus.publish(subject('a'), new Uint8Array(100_000))
      bus.request(subject('svc'), new Uint8Array(100_000), () => resolve(bus.pendingBytes), timeout)
    })
    expect(pending).toBeLessThan(1000)
  })
})

/** A broker whose configuration can be changed while it runs. */
async function startReloadable(
  binary: Parameters<typeof startBroker>[0],
  config: string,
): Promise<{ server: NatsServer; reload(config: string): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'wire-parser-'))
  onTestFinished(() => rm(dir, { recursive: true }))
  const file = join(dir, 'more.conf')
  await writeFile(file, `${config}\n`)
  const log: string[] = []
  const include = `include "../${basename(dir)}/more.conf"`
  const server = await startBroker(binary, {
    config: include,
    onLog: (line) => void log.push(line),
    stopTimeoutMs: 100,
  })
  const reload = async (next: string): Promise<void> => {
    await writeFile(file, `${next}\n`)
    server.kill('SIGHUP')
    await eventually(() => log.some((line) => line.includes('Reloaded server configuration')))
  }
  return { server, reload }
}

function code(value: unknown): string {
  return typeof value === 'object' && value !== null && 'code' in value ? String(value.code) : 'message'
}
