// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { Hono } from 'hono'
import { describe, expect, inject, it, vi } from 'vitest'
import { limitedAdmission } from './admission.ts'
import {
  connectionsOf,
  countingAdmission,
  gate,
  handshake,
  headerOf,
  hosts,
  open,
  rawRequestTo,
  rawSocket,
  unhookedSocket,
} from './hosts.test-support.ts'
import type { SocketEvents } from './socket-events.ts'
import type { UpgradeEvent } from './socket-options.ts'
import { upgradeSignal, upgradeWebSocket } from './upgrade-web-socket.ts'

/** A route whose events function waits until it is told to go on, and counts what follows. */
function gatedRoute(): {
  readonly app: Hono
  readonly calls: Record<'events' | 'open' | 'abort' | 'close' | 'signal', number>
  readonly observed: UpgradeEvent[]
  go(outcome?: SocketEvents | Response | Error): void
} {
  const calls = { events: 0, open: 0, abort: 0, close: 0, signal: 0 }
  const observed: UpgradeEvent[] = []
  const events: SocketEvents = {
    onOpen: () => void (calls.open += 1),
    onAbort: () => void (calls.abort += 1),
    onClose: () => void (calls.close += 1),
  }
  let waiting = gate<SocketEvents | Response | Error>()
  const route = upgradeWebSocket(
    async (c) => {
      calls.events += 1
      upgradeSignal(c).addEventListener('abort', () => (calls.signal += 1))
      waiting = gate()
      const outcome = await waiting.passed
      if (outcome instanceof Error) throw outcome
      return outcome
    },
    { observe: (event) => observed.push(event) },
  )
  return { app: new Hono().get('/ws', route), calls, observed, go: (outcome = events) => waiting.open(outcome) }
}

describe.each(hosts)('an upgrade under $name', ({ start }) => {
  it.each(['FIN', 'RST'] as const)(
    'that gets a %s while it waits aborts once, whenever the events come',
    async (end) => {
      const admission = countingAdmission()
      const { app, calls, go } = gatedRoute()
      const host = await start(app, { admission })
      const socket = rawSocket(host)
      socket.on('error', () => {})
      socket.resume()
      socket.write(handshake('/ws'))
      await vi.waitFor(() => expect(calls.events).toBe(1))
      if (end === 'FIN') socket.end()
      else socket.resetAndDestroy()
      await vi.waitFor(() => expect(calls.signal).toBe(1))
      expect(admission).toMatchObject({ admitted: 1, released: 1 })
      go()
      await vi.waitFor(() => expect(calls.abort).toBe(1))
      await host.closed()
      expect(calls).toEqual({ events: 1, open: 0, abort: 1, close: 0, signal: 1 })
      expect(admission).toMatchObject({ admitted: 1, released: 1 })
    },
  )

  it.each(['FIN', 'RST'] as const)('that gets a %s after the events and before the 101 aborts once', async (end) => {
    const admission = countingAdmission()
    const { app, calls, go } = gatedRoute()
    const door = gate()
    let behind = false
    const outer = new Hono()
    outer.use(async (_c, next) => {
      await next()
      behind = true
      await door.passed
    })
    outer.route('/', app)
    const host = await start(outer, { admission })
    const socket = rawSocket(host)
    socket.on('error', () => {})
    socket.resume()
    socket.write(handshake('/ws'))
    await vi.waitFor(() => expect(calls.events).toBe(1))
    go()
    await vi.waitFor(() => expect(behind).toBe(true))
    expect(calls.abort).toBe(0)
    if (end === 'FIN') socket.end()
    else socket.resetAndDestroy()
    await vi.waitFor(() => expect(calls.abort).toBe(1))
    door.open()
    await host.closed()
    expect(calls).toEqual({ events: 1, open: 0, abort: 1, close: 0, signal: 1 })
    expect(admission).toMatchObject({ admitted: 1, released: 1 })
  })

  it('whose client left before its turn never runs the events function', async () => {
    const admission = countingAdmission()
    const { app, calls } = gatedRoute()
    const outer = new Hono()
    let arrived = false
    const door = gate()
    outer.use(async (_c, next) => {
      arrived = true
      await door.passed
      await next()
    })
    outer.route('/', app)
    const host = await start(outer, { admission })
    const socket = rawSocket(host)
    socket.write(handshake('/ws'))
    await vi.waitFor(() => expect(arrived).toBe(true))
    socket.resetAndDestroy()
    await vi.waitFor(async () => expect(await connectionsOf(host)).toBe(0))
    door.open()
    await vi.waitFor(() => expect(admission).toMatchObject({ admitted: 1, released: 1 }))
    expect(calls.events).toBe(0)
  })

  it.each([403, 500])(
    'that middleware behind the route answers with %i is not switched, and aborts once',
    async (status) => {
      const calls: string[] = []
      const admission = countingAdmission()
      const app = new Hono().onError((error, c) => c.text(error.message, 500))
      app.use(async (c, next) => {
        await next()
        if (status === 500) throw new Error('not today')
        c.res = new Response('not today', { status })
      })
      const route = upgradeWebSocket(() => ({
        onOpen: () => void calls.push('open'),
        onAbort: () => void calls.push('abort'),
      }))
      const host = await start(app.get('/ws', route), { admission })
      const reply = await rawRequestTo(host, handshake('/ws'))
      expect(reply).toMatchObject({ status, body: 'not today' })
      expect(calls).toEqual(['abort'])
      expect(admission).toMatchObject({ admitted: 1, released: 1 })
      await host.closed()
    },
  )

  it('that ws itself refuses in the end aborts once', async () => {
    const admission = countingAdmission()
    const calls: string[] = []
    const route = upgradeWebSocket(
      () => ({ onOpen: () => void calls.push('open'), onAbort: () => void calls.push('abort') }),
      { compression: {} },
    )
    const host = await start(new Hono().get('/ws', route), { admission })
    const reply = await rawRequestTo(host, handshake('/ws', { 'Sec-WebSocket-Extensions': 'permessage-deflate; =' }))
    expect(reply.status).toBe(400)
    expect(calls).toEqual(['abort'])
    await vi.waitFor(() => expect(admission).toMatchObject({ admitted: 1, released: 1 }))
    await host.closed()
  })

  it('gives its place back once when the route refuses, throws, or its socket closes', async () => {
    const admission = countingAdmission()
    const { app, calls, go } = gatedRoute()
    app.onError((_error, c) => c.text('failed', 500))
    const host = await start(app, { admission })
    for (const [outcome, status] of [
      [new Response('no', { status: 403 }), 403],
      [new Error('boom'), 500],
    ] as const) {
      const reply = rawRequestTo(host, handshake('/ws'))
      await vi.waitFor(() => expect(admission.admitted).toBe(admission.released + 1))
      await vi.waitFor(() => expect(calls.events).toBe(admission.admitted))
      go(outcome)
      expect((await reply).status).toBe(status)
      expect(admission.released).toBe(admission.admitted)
    }
    const opening = open(host, '/ws')
    await vi.waitFor(() => expect(calls.events).toBe(3))
    go()
    const { ws } = await opening
    expect(admission).toMatchObject({ admitted: 3, released: 2 })
    ws.terminate()
    await vi.waitFor(() => expect(calls.close).toBe(1))
    expect(admission).toMatchObject({ admitted: 3, released: 3 })
    expect(calls).toMatchObject({ open: 1, abort: 0 })
    await host.closed()
  })

  it('that takes too long is answered 504, and aborted', async () => {
    const admission = countingAdmission()
    const reasons: unknown[] = []
    const aborted = vi.fn<() => void>()
    const route = upgradeWebSocket(
      (c) =>
        new Promise((resolve) => {
          upgradeSignal(c).addEventListener('abort', () => {
            reasons.push(upgradeSignal(c).reason)
            resolve({ onAbort: aborted })
          })
        }),
      { upgradeTimeoutMs: 30 },
    )
    const host = await start(new Hono().get('/ws', route), { admission })
    const reply = await rawRequestTo(host, handshake('/ws'))
    expect(reply.status).toBe(504)
    expect(headerOf(reply, 'nats-edge-hint')).toContain('30 ms')
    expect(reasons).toEqual([expect.objectContaining({ name: 'TimeoutError' })])
    expect(aborted).toHaveBeenCalledTimes(1)
    expect(admission).toMatchObject({ admitted: 1, released: 1 })
    await host.closed()
  })

  it('reports what fails after its client has left, and cancels a late body', async () => {
    const { app, calls, observed, go } = gatedRoute()
    const host = await start(app)
    const cancelled = vi.fn<() => void>()
    for (const late of [new Error('too late'), new Response(new ReadableStream({ cancel: cancelled }))]) {
      const before = calls.signal
      const socket = rawSocket(host)
      socket.write(handshake('/ws'))
      await vi.waitFor(() => expect(calls.events).toBe(before + 1))
      socket.destroy()
      await vi.waitFor(() => expect(calls.signal).toBe(before + 1))
      go(late)
    }
    await vi.waitFor(() => expect(cancelled).toHaveBeenCalledTimes(1))
    const failures = observed.filter((event) => event.type === 'handler.failed')
    expect(failures).toEqual([{ type: 'handler.failed', handler: 'events', error: new Error('too late') }])
  })

  it('survives an onAbort that throws', async () => {
    const { app, calls, observed, go } = gatedRoute()
    const host = await start(app)
    const socket = rawSocket(host)
    socket.write(handshake('/ws'))
    await vi.waitFor(() => expect(calls.events).toBe(1))
    socket.destroy()
    await vi.waitFor(() => expect(calls.signal).toBe(1))
    go({
      onAbort: () => {
        throw new Error('boom')
      },
    })
    await vi.waitFor(() => expect(observed).toContainEqual(expect.objectContaining({ handler: 'onAbort' })))
    await host.closed()
  })

  it('leaves no listener, permit, timer or socket behind after many connects and aborts (D32)', async () => {
    const cycles = inject('propertyRuns') >= 100_000 ? 100_000 : 1000
    const parallel = 20
    const admission = limitedAdmission({ maxConnectionsPerIp: 2 * parallel })
    let settled = 0
    const route = upgradeWebSocket(async (c) => {
      const signal = upgradeSignal(c)
      if (!signal.aborted) await once(signal, 'abort')
      return { onAbort: () => void (settled += 1) }
    })
    const host = await start(new Hono().get('/ws', route), { admission })
    const listeners = (): unknown[] =>
      [process, host.server].map((emitter) => emitter.eventNames().map((name) => [name, emitter.listenerCount(name)]))
    const before = { timers: timers(), listeners: listeners() }
    let started = 0
    const client = async (): Promise<void> => {
      while (started < cycles) {
        started += 1
        const socket = unhookedSocket(host)
        socket.on('error', () => {})
        socket.resume()
        const place = admission.connections
        socket.write(handshake('/ws'))
        await once(socket, 'connect')
        // Every other one leaves while its events function waits.
        if (started % 2 === 0)
          await vi.waitFor(() => expect(admission.connections).toBeGreaterThanOrEqual(Math.min(1, place + 1)), {
            interval: 1,
          })
        if (started % 3 === 0) socket.end()
        else if (started % 3 === 1) socket.resetAndDestroy()
        else socket.destroy()
        if (!socket.destroyed) await once(socket, 'close')
      }
    }
    await Promise.all(Array.from({ length: parallel }, client))
    await vi.waitFor(() => expect(admission.connections).toBe(0))
    await vi.waitFor(async () => expect(await connectionsOf(host)).toBe(0))
    // By turns of the loop: a wait by timers would count its own.
    const end = performance.now() + 10_000
    while (timers() > before.timers && performance.now() < end) await new Promise(setImmediate)
    expect(timers()).toBeLessThanOrEqual(before.timers)
    expect(listeners()).toEqual(before.listeners)
    expect(settled).toBeGreaterThan(0)
  }, 1_800_000)
})

function timers(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
}
