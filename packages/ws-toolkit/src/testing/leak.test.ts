// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Hono } from 'hono'
import { describe, expect, inject, it, vi } from 'vitest'
import { watchLeaks } from '../testing.ts'
import { connectionsOf, handshake, hosts, unhookedSocket, type TestHost } from '../upgrade/hosts.test-support.ts'
import { wsGateway } from '../ws-gateway.ts'
import { draw, randomFrom, type Random } from './chaos.ts'

// The long job is that of the promise; each way of serving has half of it.
const clients = inject('propertyRuns') >= 100_000 ? 50_000 : 1000
const atOnce = 50
const seed = 20_261_121

// One message in two fragments, masked with zeros.
const message = Buffer.concat([
  Buffer.from([0x01, 0xfe, 0x01, 0x00, 0, 0, 0, 0]),
  Buffer.alloc(256, 'a'),
  Buffer.from([0x80, 0x84, 0, 0, 0, 0]),
  Buffer.from('last'),
])

describe.each(hosts)('$name', ({ start }) => {
  it(`is back at its start after ${clients} clients that leave in mid-handshake and in mid-message`, async () => {
    const leaver = new AbortController()
    const told = { connected: 0, aborted: 0, opened: 0, disconnected: 0 }
    const gateway = wsGateway({
      maxUpgradesPerSecond: Infinity,
      signal: leaver.signal,
      principal: () => ({ id: 'p', name: 'p', claims: {}, permissions: { allows: () => true, covers: () => 'all' } }),
      maxConnectionsPerPrincipal: atOnce,
    })
    gateway
      .channel<number>('/room', {
        onConnect: async () => {
          await nextTurn()
          told.connected += 1
          return told.connected
        },
        onAbort: () => void (told.aborted += 1),
        onOpen: async (connection) => {
          told.opened += 1
          connection.tag('here')
          await connection.join('lobby')
        },
        onDisconnect: () => void (told.disconnected += 1),
      })
      .default(async ({ data, signal }) => {
        signal.addEventListener('abort', () => {})
        await nextTurn()
        return String(data)
      })
    const host = await start(new Hono().route('/', gateway.routes))
    // The first client makes what is made once.
    await visit(host, handshake('/room').length + message.length, randomFrom(seed))
    await vi.waitFor(async () => expect(await connectionsOf(host)).toBe(0))
    const watch = watchLeaks(gateway, { listenTo: [host.server, leaver.signal] })
    expect(await watch.report()).toEqual({})

    const random = randomFrom(seed)
    const furthest = handshake('/room').length + message.length
    for (let done = 0; done < clients; done += atOnce) {
      await Promise.all(Array.from({ length: atOnce }, () => visit(host, draw([0, furthest], random), random)))
    }
    expect(await watch.report(10_000)).toEqual({})
    expect(await connectionsOf(host)).toBe(0)
    expect(told.connected).toBe(told.aborted + told.opened)
    expect(told.disconnected).toBe(told.opened)
    // Three in ten wait for their 101, whatever becomes of the others.
    expect(told.opened).toBeGreaterThan(clients / 5)
    watch.stop()
    await gateway.close({ drainMs: 0 })
  }, 600_000)
})

/** Connects, sends so many bytes of a handshake and a message behind it, and leaves by a reset or an end. */
async function visit(host: TestHost, bytes: number, random: Random): Promise<void> {
  const socket = unhookedSocket(host)
  socket.on('error', () => {})
  const closed = once(socket, 'close')
  await once(socket, 'connect')
  const head = handshake('/room')
  socket.write(head.slice(0, bytes))
  // The rest goes out behind the 101, or glued to the handshake.
  if (bytes > head.length) {
    if (random() < 0.5) await answered(socket)
    socket.write(message.subarray(0, bytes - head.length))
  }
  if (random() < 0.3) await nextTurn()
  if (random() < 0.1) socket.end()
  else socket.resetAndDestroy()
  socket.resume()
  await closed
}

async function answered(socket: Socket): Promise<void> {
  await once(socket, 'data')
}
