// SPDX-License-Identifier: Apache-2.0
import { type NatsServer, steadyPort } from '@nats-edge/embedded-nats'
import type { NatsConnection } from '@nats-io/nats-core'
import { describe, expect, inject, it, onTestFinished, vi } from 'vitest'
import type { Bus, BusMessage, BusStatus } from '../message-bus.ts'
import { busFrom, busFromConnection, type BusOptions, type Leaving } from '../bus.ts'
import {
  type Binary,
  bytes,
  connectTo,
  eventually,
  pattern,
  startBroker,
  subject,
  text,
} from './broker.test-support.ts'

// The server closes nobody before a test is over: who leaves, leaves by itself.
const config = 'lame_duck_duration: "180s"\nlame_duck_grace_period: "120s"'
const empty = new Uint8Array(0)

/** Two brokers that know nothing of each other, so that it shows which one was asked; the bus begins at the old one. */
interface Scene {
  readonly from: NatsServer
  readonly to: NatsServer
  readonly bus: Bus
  readonly oldPeer: Bus
  readonly newPeer: Bus
  readonly nats: NatsConnection
  readonly leaving: () => Leaving
  readonly statuses: BusStatus[]
}

/** A broker to be; it takes its time to stop, which no test needs. */
async function startLameDuck(binary: NonNullable<Binary>): Promise<NatsServer> {
  const server = await startBroker(binary, { config, port: await steadyPort() })
  onTestFinished(() => void server.kill('SIGKILL'))
  return server
}

async function stage(binary: NonNullable<Binary>, options: Partial<BusOptions> = {}): Promise<Scene> {
  const [from, to] = await Promise.all([startLameDuck(binary), startBroker(binary)])
  const nats = await connectTo(from)
  let left: Leaving | undefined
  const bus = busFromConnection(nats, {
    onLameDuck: async (leaving) => {
      left = leaving
      return connectTo(to)
    },
    ...options,
  })
  const statuses: BusStatus[] = []
  bus.onStatus((status) => void statuses.push(status))
  const oldPeer = busFromConnection(await connectTo(from))
  const newPeer = busFromConnection(await connectTo(to))
  const leaving = (): Leaving => left ?? expect.fail('nothing was left')
  return { from, to, bus, oldPeer, newPeer, nats, leaving, statuses }
}

function serve(bus: Bus, name: string, word: string): Promise<void> {
  bus.subscribe(pattern(name), (message) => message.reply && bus.publish(message.reply, bytes(word)))
  return bus.flush()
}

function ask(bus: Bus, name: string): Promise<string> {
  return new Promise((resolve) => {
    const onReply = (reply: BusMessage | { kind: 'error'; code: string }): void =>
      resolve(reply.kind === 'error' ? reply.code : text(reply.payload))
    bus.request(subject(name), empty, onReply, { timeoutMs: 30_000 })
  })
}

const connects = ({ statuses }: Scene): number => statuses.filter(({ type }) => type === 'connected').length

describe.each(inject('natsServers'))('reliability F6: a bus whose nats-server $version is a lame duck', (binary) => {
  it('goes over: old requests are answered at the old server, new ones at the new one, and none fails', async () => {
    const scene = await stage(binary)
    const { bus, oldPeer, newPeer, from, to, nats, leaving, statuses } = scene
    const held: BusMessage[] = []
    oldPeer.subscribe(pattern('slow'), (message) => void held.push(message.copy()))
    await Promise.all([oldPeer.flush(), serve(oldPeer, 'where', 'old'), serve(newPeer, 'where', 'new')])
    const waiting = Promise.all(Array.from({ length: 50 }, () => ask(bus, 'slow')))
    await eventually(() => held.length === 50)
    from.kill('SIGUSR2')
    const answers: string[] = []
    while (connects(scene) === 0) answers.push(await ask(bus, 'where'))
    answers.push(await ask(bus, 'where'))
    expect(answers.at(-1)).toBe('new')
    expect(new Set(answers)).toEqual(new Set(answers.length === 1 ? ['new'] : ['old', 'new']))
    expect([bus.state, bus.epoch, bus.info?.serverVersion]).toEqual(['connected', 2, to.version])
    let isDone = false
    void leaving().done.then(() => (isDone = true))
    await bus.flush()
    expect([isDone, nats.isClosed(), leaving().nats === nats]).toEqual([false, false, true])
    for (const { reply } of held) if (reply !== undefined) oldPeer.publish(reply, bytes('late'))
    expect(new Set(await waiting)).toEqual(new Set(['late']))
    await eventually(() => isDone)
    await nats.close()
    expect(await ask(bus, 'where')).toBe('new')
    expect(statuses.map(({ type }) => type)).toEqual(['connected'])
    expect(leaving().signal.aborted).toBe(false)
  })

  it('takes its subscriptions along, and each message comes once', async () => {
    const scene = await stage(binary)
    const { bus, oldPeer, newPeer, from, leaving } = scene
    const got: string[] = []
    bus.subscribe(pattern('room'), (message) => void got.push(text(message.payload)))
    bus.subscribe(pattern('work'), (message) => void got.push(text(message.payload)), { queue: 'workers' })
    bus.subscribe(pattern('gone'), () => void got.push('gone')).unsubscribe()
    await bus.flush()
    from.kill('SIGUSR2')
    await eventually(() => connects(scene) === 1)
    await leaving().done
    bus.subscribe(pattern('later'), (message) => void got.push(text(message.payload)))
    await bus.flush()
    for (const name of ['room', 'work', 'gone', 'later']) {
      oldPeer.publish(subject(name), bytes(`${name} at the old server`))
      newPeer.publish(subject(name), bytes(name))
    }
    await Promise.all([oldPeer.flush(), newPeer.flush(), bus.flush()])
    await eventually(() => got.length >= 3)
    expect(got).toEqual(['room', 'work', 'later'])
  })

  it('hears nothing after unsubscribe() on the way', async () => {
    const scene = await stage(binary)
    const { bus, newPeer, oldPeer, from, leaving } = scene
    const got: string[] = []
    const room = bus.subscribe(pattern('room'), () => void got.push('room'))
    bus.onStatus(({ type }) => type === 'connected' && room.unsubscribe())
    from.kill('SIGUSR2')
    await eventually(() => connects(scene) === 1)
    await leaving().done
    for (const peer of [newPeer, oldPeer]) peer.publish(subject('room'), empty)
    await Promise.all([newPeer.flush(), oldPeer.flush(), bus.flush()])
    expect(got).toEqual([])
  })

  it('fails what still waits at the old server when that is gone, and nothing else', async () => {
    const scene = await stage(binary)
    const { bus, oldPeer, newPeer, from, leaving, statuses } = scene
    const seen: string[] = []
    oldPeer.subscribe(pattern('slow'), () => void seen.push('old'))
    newPeer.subscribe(pattern('slow'), () => void seen.push('new'))
    await Promise.all([oldPeer.flush(), newPeer.flush(), serve(newPeer, 'where', 'new')])
    const atOld = ask(bus, 'slow')
    await eventually(() => seen.length === 1)
    from.kill('SIGUSR2')
    await eventually(() => connects(scene) === 1)
    const atNew = vi.fn<(word: string) => void>()
    void ask(bus, 'slow').then(atNew)
    await eventually(() => seen.length === 2)
    from.kill('SIGKILL')
    expect(await atOld).toBe('disconnected')
    await leaving().done
    expect(await ask(bus, 'where')).toBe('new')
    expect(atNew).not.toHaveBeenCalled()
    expect(seen).toEqual(['old', 'new'])
    expect([bus.state, statuses.map(({ type }) => type)]).toEqual(['connected', ['connected']])
  })

  it('stays when there is no other connection to be had, and goes on where its own comes back', async () => {
    const error = new Error('nowhere to go')
    const scene = await stage(binary, { onLameDuck: () => Promise.reject(error) })
    const { bus, oldPeer, from, statuses } = scene
    await serve(oldPeer, 'where', 'old')
    from.kill('SIGUSR2')
    await eventually(() => statuses.length > 0)
    expect(statuses).toEqual([{ type: 'failed', error }])
    expect(await ask(bus, 'where')).toBe('old')
    from.kill('SIGKILL')
    await from.exited
    await eventually(() => bus.state === 'disconnected')
    await startBroker(binary, { port: from.port })
    await eventually(() => bus.state === 'connected' && oldPeer.state === 'connected')
    await oldPeer.flush()
    expect(await ask(bus, 'where')).toBe('old')
  })

  it('says so when the old server was quicker', async () => {
    let signal: AbortSignal | undefined
    const onLameDuck = (leaving: Leaving): Promise<NatsConnection> => {
      signal = leaving.signal
      return new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(new Error('too late'))))
    }
    const { from, bus, statuses } = await stage(binary, { onLameDuck })
    from.kill('SIGUSR2')
    await eventually(() => signal !== undefined)
    expect(signal?.aborted).toBe(false)
    from.kill('SIGKILL')
    await eventually(() => bus.state === 'disconnected')
    expect(signal?.aborted).toBe(true)
    expect(statuses.map(({ type }) => type)).toEqual(['disconnected'])
  })
})

describe('onLameDuck', () => {
  const binary = inject('natsServers').at(-1) ?? expect.fail('no nats-server')

  it('gives connections that belong to the Bus from then on', async () => {
    let next: NatsConnection | undefined
    const to = await startBroker(binary)
    const scene = await stage(binary, { onLameDuck: async () => (next = await connectTo(to)) })
    scene.from.kill('SIGUSR2')
    await eventually(() => connects(scene) === 1)
    expect(next !== undefined && busFrom(next)).toBe(scene.bus)
  })

  it('is called again when the next server is a lame duck too', async () => {
    const [second, third] = await Promise.all([startLameDuck(binary), startBroker(binary)])
    const places = [second, third]
    const onLameDuck = (): Promise<NatsConnection> => connectTo(places.shift() ?? expect.fail('a third time'))
    const scene = await stage(binary, { onLameDuck })
    await serve(busFromConnection(await connectTo(third)), 'where', 'third')
    scene.from.kill('SIGUSR2')
    await eventually(() => connects(scene) === 1)
    second.kill('SIGUSR2')
    await eventually(() => connects(scene) === 2)
    expect([await ask(scene.bus, 'where'), scene.bus.epoch]).toEqual(['third', 3])
  })

  it('must not give a connection another Bus is over: the Bus stays', async () => {
    const server = await startBroker(binary)
    const taken = await connectTo(server)
    busFrom(taken)
    const scene = await stage(binary, { onLameDuck: () => Promise.resolve(taken) })
    scene.from.kill('SIGUSR2')
    await eventually(() => scene.statuses.length > 0)
    expect(scene.statuses).toEqual([
      {
        type: 'failed',
        error: expect.objectContaining({ name: 'TypeError', message: expect.any(String) as unknown }) as unknown,
      },
    ])
    expect(scene.bus.state).toBe('connected')
  })

  it('comes too late for a Bus that was closed', async () => {
    const to = await startBroker(binary)
    let give: (nats: NatsConnection) => void = () => undefined
    let left: Leaving | undefined
    const onLameDuck = (leaving: Leaving): Promise<NatsConnection> => {
      left = leaving
      return new Promise((resolve) => (give = resolve))
    }
    const { from, bus, nats } = await stage(binary, { onLameDuck })
    from.kill('SIGUSR2')
    await eventually(() => left !== undefined)
    await nats.close()
    await eventually(() => bus.state === 'closed')
    give(await connectTo(to))
    await left?.done
    expect(bus.state).toBe('closed')
  })

  it('must be a function, and the one the Bus was made with', async () => {
    const nats = await connectTo(await startBroker(binary))
    onTestFinished(() => nats.close())
    expect(() => busFrom(nats, { onLameDuck: 'reconnect' as never })).toThrow('onLameDuck: not a function')
    const onLameDuck = (): Promise<NatsConnection> => Promise.reject(new Error('never'))
    const bus = busFrom(nats, { onLameDuck })
    expect(busFrom(nats, { onLameDuck })).toBe(bus)
    expect(busFrom(nats)).toBe(bus)
    expect(() => busFrom(nats, { onLameDuck: () => onLameDuck() })).toThrow(/^onLameDuck: the Bus .* is there already/)
  })
})
