// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { WebSocket } from 'ws'
import type { TransportName } from '../client-rig.ts'
import { eventually, plainConnect, startRig, type WebSocketRig } from '../web-socket-rig.ts'
import { DeafServer } from './deaf-server.ts'

const highWaterBytes = 65_536
const ways: readonly TransportName[] = ['tcp', 'ws']

/** A client of bytes, and the socket under it. */
interface Leaver {
  readonly socket: Socket
  send(text: string): void
  close(): void
}

interface Held {
  readonly rig: WebSocketRig
  readonly server: DeafServer
  readonly client: Leaver
  /** What the client has sent behind CONNECT. */
  sent: string
}

async function overTcp(rig: WebSocketRig): Promise<Leaver> {
  const { port } = await rig.gateway.listen({ port: 0 })
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'data')
  return { socket, send: (text) => void socket.write(text), close: () => void socket.end() }
}

async function overWebSocket(rig: WebSocketRig): Promise<Leaver> {
  const ws = new WebSocket(rig.url, { perMessageDeflate: false })
  ws.on('error', () => undefined)
  const greeted = once(ws, 'message')
  const [{ socket }] = (await once(ws, 'upgrade')) as [IncomingMessage]
  await greeted
  return { socket, send: (text) => ws.send(Buffer.from(text)), close: () => ws.close() }
}

/** A client that has published until its gateway held it back; the gateway has read all of that. */
async function heldBack(way: TransportName): Promise<Held> {
  const server = await DeafServer.start()
  const rig = await startRig({ backends: [{ dial: server.dial }], limits: { highWaterBytes, slowClientMs: 600_000 } })
  const client = await (way === 'tcp' ? overTcp(rig) : overWebSocket(rig))
  client.socket.on('error', () => undefined)
  onTestFinished(() => void client.socket.destroy())
  client.send(plainConnect)
  await eventually(() => bytesIn(rig) >= plainConnect.length)
  const held = { rig, server, client, sent: '' }
  while ((server.dialled?.writableLength ?? 0) <= highWaterBytes) await publish(held, 'x'.repeat(16_000))
  return held
}

async function publish(held: Held, payload: string): Promise<void> {
  const before = bytesIn(held.rig)
  const text = `PUB held ${payload.length}\r\n${payload}\r\n`
  held.client.send(text)
  held.sent += text
  await eventually(() => bytesIn(held.rig) >= before + text.length)
}

function bytesIn({ gateway }: WebSocketRig): number {
  return [...gateway.connections()].reduce((sum, connection) => sum + connection.bytesIn, 0)
}

async function closed({ events }: WebSocketRig): Promise<unknown> {
  await eventually(() => events.some(({ type }) => type === 'connection.closed'))
  return events.find(({ type }) => type === 'connection.closed')
}

/** The second that a server is given to take something does not pass while this process stands still. */
function stopClock(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
}

describe.each(ways)('by %s, a client that is held back because the server takes nothing', (way) => {
  // Each has a server of its own, which is given a second to take something.
  it('is seen to leave, by whatever means and behind whatever it said last', async () => {
    const leaves: readonly ((held: Held) => unknown)[] = [
      ({ client }) => client.socket.end(),
      ({ client }) => client.socket.resetAndDestroy(),
      ({ client }) => client.close(),
      (held) => publish(held, 'last words').then(() => held.client.close()),
      (held) => publish(held, 'last words').then(() => held.client.socket.resetAndDestroy()),
    ]
    const left = leaves.map(async (leave) => {
      const held = await heldBack(way)
      await leave(held)
      return { closed: await closed(held.rig), connections: held.rig.gateway.health().connections }
    })
    const isGone = { closed: { cause: expect.stringMatching(/client_closed|connection_error/) }, connections: 0 }
    expect(await Promise.all(left)).toMatchObject(leaves.map(() => isGone))
  })

  it('leaves nothing unsaid where the server goes on', async () => {
    const held = await heldBack(way)
    for (const words of ['last', 'words', 'x'.repeat(20_000)]) await publish(held, words)
    stopClock()
    held.client.close()
    await vi.waitUntil(() => held.server.isEnded, { interval: 1 })
    await held.server.readAll()
    vi.useRealTimers()
    expect(held.server.text === held.sent).toBe(true)
    expect(await closed(held.rig)).toMatchObject({ cause: 'client_closed' })
  })

  it('is read no further than a little, and loses nothing', async () => {
    const held = await heldBack(way)
    const { client, server } = held
    const payload = 'y'.repeat(16_000)
    const text = `PUB held ${payload.length}\r\n${payload}\r\n`
    while (client.socket.writableLength < 1_000_000) {
      client.send(text)
      held.sent += text
      await new Promise((resolve) => setImmediate(resolve))
    }
    // The longest read there is comes on top of what is read ahead.
    expect(server.dialled?.writableLength).toBeLessThan(highWaterBytes + 2 * 262_144)
    stopClock()
    client.close()
    await server.readAll()
    expect(server.text === held.sent).toBe(true)
  })
})
