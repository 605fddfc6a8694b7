// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { connect } from '@nats-io/transport-node'
import { steadyPort } from '@nats-edge/embedded-nats'
import { describe, expect, inject, it } from 'vitest'
import type { Bus, BusStatus } from '../message-bus.ts'
import { busFrom, busFromConnection } from '../bus.ts'
import { bytes, connectTo, eventually, pattern, startBroker, subject, text } from './broker.test-support.ts'

const empty = new Uint8Array(0)

// A signal is on its way for a moment, from thread to thread: a broker that still runs would answer.
function isStopped(pid: number): boolean {
  const threads = process.platform === 'linux' ? ['-L'] : []
  const states = execFileSync('ps', [...threads, '-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' })
  return states
    .trim()
    .split('\n')
    .every((state) => state.startsWith('T'))
}

describe.each(inject('natsServers'))('a bus that loses nats-server $version', (binary) => {
  it('reliability F1: fails 200 requests in flight within 100 ms, in order: state, listeners, requests, flush', async () => {
    const server = await startBroker(binary)
    const bus = busFromConnection(await connectTo(server))
    bus.subscribe(pattern('slow'), () => undefined)
    const events: string[] = []
    bus.onStatus((status) => void events.push(`${status.type} while ${bus.state}`))
    // Slots in another order than the requests: every other one of a first batch is free again.
    const first = Array.from({ length: 100 }, () => bus.request(subject('slow'), empty, () => undefined, timeout))
    for (const pending of first.toReversed()) pending.cancel()
    for (let i = 0; i < 200; i++)
      bus.request(subject('slow'), bytes('x'), (reply) => void events.push(`${i} ${code(reply)}`), timeout)
    await bus.flush()
    server.kill('SIGSTOP')
    await eventually(() => isStopped(server.pid))
    const flush = bus.flush().catch((error: unknown) => events.push(`flush ${code(error)}`))
    const killed = performance.now()
    server.kill('SIGKILL')
    await flush
    expect(performance.now() - killed).toBeLessThan(inject('promptMs'))
    expect(events).toEqual([
      'disconnected while disconnected',
      ...Array.from({ length: 200 }, (_, i) => `${i} disconnected`),
      'flush disconnected',
    ])
    expect([bus.epoch, bus.pendingBytes]).toEqual([1, 0])
  })

  it('refuses to publish, request and flush while it is away, and takes subscriptions', async () => {
    const server = await startBroker(binary)
    const bus = busFromConnection(await connectTo(server))
    server.kill()
    await eventually(() => bus.state === 'disconnected')
    const disconnected = expect.objectContaining({ name: 'BusError', code: 'disconnected' }) as unknown
    expect(() => bus.publish(subject('a'), empty)).toThrow(disconnected)
    expect(() => bus.request(subject('a'), empty, () => undefined, timeout)).toThrow(disconnected)
    await expect(bus.flush()).rejects.toEqual(disconnected)
    bus.subscribe(pattern('a'), () => undefined).unsubscribe()
    expect(bus.info).toMatchObject({ serverVersion: server.version })
  })

  it('reliability F2: restores subscriptions before it says connected, and the next request succeeds', async () => {
    const server = await startBroker(binary, { port: await steadyPort() })
    const service = busFromConnection(await connectTo(server))
    const bus = busFromConnection(await connectTo(server))
    echo(service, 'svc')
    await service.flush()
    expect(await answer(bus, 'svc')).toBe('pong')
    const got: string[] = []
    bus.subscribe(pattern('before'), (message) => void got.push(text(message.payload)))
    const dropped = bus.subscribe(pattern('dropped'), () => void got.push('dropped'))
    const statuses: BusStatus[] = []
    bus.onStatus((status) => {
      statuses.push(status)
      if (status.type !== 'connected') return
      bus.publish(subject('before'), bytes('subscribed before'))
      bus.publish(subject('during'), bytes('subscribed while away'))
      bus.publish(subject('dropped'), bytes('x'))
    })
    server.kill()
    await eventually(() => bus.state === 'disconnected' && service.state === 'disconnected')
    bus.subscribe(pattern('during'), (message) => void got.push(text(message.payload)))
    dropped.unsubscribe()
    await server.exited
    await startBroker(binary, { port: server.port })
    await eventually(() => bus.state === 'connected' && service.state === 'connected')
    // The broker reads its connections in no order.
    await service.flush()
    expect(await answer(bus, 'svc')).toBe('pong')
    expect(got).toEqual(['subscribed before', 'subscribed while away'])
    expect(statuses.map(({ type }) => type)).toEqual(['disconnected', 'connected'])
    expect(statuses[1]).toEqual({ type: 'connected', epoch: 2 })
    expect(bus.epoch).toBe(2)
  })

  it('reliability F3: notices a frozen server by the pings of its connection', async () => {
    const server = await startBroker(binary)
    const bus = busFromConnection(await connectTo(server, { pingInterval: 300, maxPingOut: 2 }))
    bus.subscribe(pattern('slow'), () => undefined)
    await bus.flush()
    server.kill('SIGSTOP')
    const codes: string[] = []
    bus.request(subject('slow'), empty, (reply) => void codes.push(code(reply)), timeout)
    await eventually(() => codes.length > 0)
    expect(codes).toEqual(['disconnected'])
    expect(bus.state).toBe('disconnected')
    server.kill('SIGCONT')
    await eventually(() => bus.state === 'connected')
    expect(bus.epoch).toBe(2)
  })

  it('follows reconnect() of the connection', async () => {
    const server = await startBroker(binary)
    const nats = await connectTo(server)
    const bus = busFromConnection(nats)
    echo(bus, 'svc')
    const statuses: string[] = []
    bus.onStatus(({ type }) => void statuses.push(type))
    await nats.reconnect()
    await eventually(() => statuses.includes('connected'))
    expect(statuses).toEqual(['disconnected', 'connected'])
    expect(await answer(bus, 'svc')).toBe('pong')
  })

  it.each(['close', 'drain'] as const)(
    'ends with %s() of the connection: requests, subscriptions and all',
    async (method) => {
      const server = await startBroker(binary)
      const nats = await connectTo(server)
      const bus = busFromConnection(nats)
      const events: string[] = []
      bus.onStatus(({ type }) => void events.push(`${type} while ${bus.state}`))
      const left = bus.subscribe(pattern('left'), () => undefined, { onEnd: () => void events.push('never') })
      left.unsubscribe()
      bus.subscribe(pattern('slow'), () => undefined, { onEnd: (error) => void events.push(`end ${error.code}`) })
      bus.request(subject('slow'), empty, (reply) => void events.push(`reply ${code(reply)}`), timeout)
      await bus.flush()
      await nats[method]()
      await eventually(() => events.length === 3)
      expect(events).toEqual(['closed while closed', 'reply closed', 'end closed'])
      const closed = expect.objectContaining({ code: 'closed' }) as unknown
      expect(() => bus.publish(subject('a'), empty)).toThrow(closed)
      expect(() => bus.request(subject('a'), empty, () => undefined, timeout)).toThrow(closed)
      expect(() => bus.subscribe(pattern('a'), () => undefined)).toThrow(closed)
      await expect(bus.flush()).rejects.toEqual(closed)
    },
  )

  it('says closed while the connection is being drained', async () => {
    const server = await startBroker(binary)
    const nats = await connectTo(server)
    const bus = busFromConnection(nats)
    const drained = nats.drain()
    expect(() => bus.subscribe(pattern('a'), () => undefined)).toThrow(expect.objectContaining({ code: 'closed' }))
    await drained
  })

  it('ends when the connection may not reconnect', async () => {
    const server = await startBroker(binary)
    const bus = busFromConnection(await connectTo(server, { reconnect: false }))
    const statuses: string[] = []
    bus.onStatus(({ type }) => void statuses.push(type))
    server.kill()
    await eventually(() => bus.state === 'closed')
    expect(statuses).toEqual(['disconnected', 'closed'])
  })

  it('starts disconnected over a connection that is away, closed over one that is closed', async () => {
    const server = await startBroker(binary, { port: await steadyPort() })
    const nats = await connectTo(server)
    const closed = await connectTo(server)
    await closed.close()
    expect(busFromConnection(closed).state).toBe('closed')
    const witness = busFromConnection(await connectTo(server))
    server.kill()
    await server.exited
    await eventually(() => witness.state === 'disconnected')
    const bus = busFromConnection(nats)
    expect([bus.state, bus.epoch, bus.info]).toEqual(['disconnected', 0, undefined])
    await startBroker(binary, { port: server.port })
    await eventually(() => bus.state === 'connected')
    expect([bus.epoch, bus.info?.serverVersion]).toEqual([1, server.version])
  })

  it('takes a promise of a connection: disconnected until it resolves, with the subscriptions made before', async () => {
    const server = await startBroker(binary)
    const other = busFromConnection(await connectTo(server))
    const may = new EventEmitter()
    const promise = once(may, 'connect').then(() => connectTo(server))
    const bus = busFrom(promise)
    expect([bus.state, bus.epoch, bus.info]).toEqual(['disconnected', 0, undefined])
    const disconnected = expect.objectContaining({ code: 'disconnected' }) as unknown
    expect(() => bus.publish(subject('a'), empty)).toThrow(disconnected)
    expect(() => bus.inbox()).toThrow(disconnected)
    await expect(bus.flush()).rejects.toEqual(disconnected)
    const got: string[] = []
    bus.subscribe(pattern('early'), (message) => void got.push(text(message.payload)))
    bus.subscribe(pattern('early'), () => void got.push('gone')).unsubscribe()
    bus.onStatus((status) => {
      if (status.type === 'connected') bus.publish(subject('early'), bytes('own'))
    })
    may.emit('connect')
    await eventually(() => got.length === 1)
    other.publish(subject('early'), bytes('other'))
    await eventually(() => got.length === 2)
    expect(got).toEqual(['own', 'other'])
    expect(bus.epoch).toBe(1)
    expect(busFrom(promise)).toBe(bus)
    expect(busFromConnection(await promise)).toBe(bus)
  })

  it('is closed by a promise that rejects, with the reason as cause', async () => {
    const promise = connect({ servers: 'nats://127.0.0.1:1', reconnect: false })
    const bus = busFrom(promise)
    const ends: unknown[] = []
    bus.subscribe(pattern('a'), () => undefined, { onEnd: (error) => void ends.push(error) })
    await eventually(() => bus.state === 'closed')
    const reason: unknown = await promise.catch((error: unknown) => error)
    expect(ends).toEqual([expect.objectContaining({ code: 'closed', cause: reason })])
    expect(() => bus.publish(subject('a'), empty)).toThrow(expect.objectContaining({ code: 'closed', cause: reason }))
  })
})

const timeout = { timeoutMs: 30_000 } as const

function code(value: unknown): string {
  return typeof value === 'object' && value !== null && 'code' in value ? String(value.code) : 'message'
}

function echo(bus: Bus, name: string): void {
  bus.subscribe(pattern(name), (message) => message.reply && bus.publish(message.reply, bytes('pong')))
}

function answer(bus: Bus, name: string): Promise<string> {
  return new Promise((resolve) => {
    bus.request(subject(name), empty, (reply) => resolve(reply.kind === 'error' ? reply.code : text(reply.payload)), {
      timeoutMs: 5000,
    })
  })
}
