// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, inject, it, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { GatewayProcess, type GatewayProcessState } from '../wire/faults/gateway-process.ts'
import { type Random, randomFrom, whole } from '../wire/faults/random.ts'
import { eventually } from '../wire/web-socket-rig.ts'
import { expectSameHeap } from '../wire/faults/same-heap.ts'

const isLong = inject('propertyRuns') >= 100_000
const messages = isLong ? 10_000_000 : 300_000
const resets = isLong ? 500 : 60
const batch = 5000
const warmBatches = 20
const seed = 20_261_121
const program = new URL('echo-program.js', import.meta.url)

async function start(options: { maxDescriptors?: number } = {}): Promise<{ gateway: GatewayProcess; port: number }> {
  const gateway = await GatewayProcess.start({}, { program, ...options })
  onTestFinished(async () => void (await gateway.end()))
  return { gateway, port: Number(new URL(gateway.addresses.ws).port) }
}

function handshake(path: string): string {
  const lines = ['Host: 127.0.0.1', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13']
  return `GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`
}

/** A text message, masked with zeros. */
function frame(text: string): Buffer {
  const payload = Buffer.from(text)
  const long = payload.length > 125
  const head = long ? [0x81, 0xfe, payload.length >> 8, payload.length & 0xff] : [0x81, 0x80 | payload.length]
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), payload])
}

/** A client that only counts what it gets. */
class EchoClient {
  readonly socket: Socket
  bytes = 0
  isClosed = false

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk) => (this.bytes += chunk.length))
    socket.on('error', () => undefined)
    socket.on('close', () => (this.isClosed = true))
  }

  static async open(port: number, path: string): Promise<EchoClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    socket.write(handshake(path))
    await once(socket, 'data')
    return new EchoClient(socket)
  }

  async until(bytes: number): Promise<void> {
    await eventually(() => this.bytes >= bytes || this.isClosed, 30_000)
    if (this.isClosed) throw new Error('the connection was closed')
  }
}

const channels = [
  ['/raw', 'x'.repeat(32)],
  ['/json', '{"type":"echo","id":1,"data":"xxxxxxxxxxxxxxxx"}'],
  ['/later', 'x'.repeat(32)],
] as const

it.each(channels)(
  `${messages} messages over the channel %s and back leave the heap as it was`,
  async (path, text) => {
    const { gateway, port } = await start()
    const client = await EchoClient.open(port, path)
    client.socket.write(frame(text))
    await eventually(() => client.bytes > 0)
    const answerBytes = client.bytes
    const flood = Buffer.concat(Array.from({ length: batch }, () => frame(text)))
    let isDue = client.bytes
    const round = async (): Promise<void> => {
      client.socket.write(flood)
      isDue += batch * answerBytes
      // One batch is under way beside the one that is waited for.
      await client.until(isDue - batch * answerBytes)
    }
    const read = async (): Promise<GatewayProcessState> => {
      await client.until(isDue)
      return gateway.state()
    }
    for (let i = 0; i < warmBatches; i++) await round()
    const before = await read()
    const startMs = performance.now()
    for (let i = 0; i < messages / batch; i++) await round()
    await read()
    await expectSameHeap(gateway, before, { what: `${messages} messages over ${path}`, startMs })
    client.socket.destroy()
  },
  isLong ? 600_000 : 60_000,
)

/** What a client sends to one of the channels in a life; its end comes anywhere in it. */
function life(random: Random): Buffer {
  const path = ['/raw', '/json', '/later', '/room', '/none'][whole([0, 4], random)] ?? ''
  const text = path === '/json' ? '{"type":"echo","id":1,"data":"x"}' : 'x'.repeat(whole([0, 400], random))
  const ping = Buffer.from([0x89, 0x82, 0, 0, 0, 0, 1, 2])
  const fragments = Buffer.from([0x01, 0x81, 0, 0, 0, 0, 0x61, 0x80, 0x81, 0, 0, 0, 0, 0x62])
  const close = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8])
  const said = Array.from({ length: 30 }, () => frame(text))
  return Buffer.concat([Buffer.from(handshake(path)), ...said, ping, fragments, ...(random() < 0.3 ? [close] : [])])
}

async function visit(port: number, random: Random): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => undefined)
  const closed = once(socket, 'close')
  await once(socket, 'connect')
  const bytes = life(random)
  // Half of the ends lie in the handshake.
  const end = whole([0, random() < 0.5 ? 150 : bytes.length], random)
  const cut = whole([0, end], random)
  socket.write(bytes.subarray(0, cut))
  if (random() < 0.5) await new Promise((resolve) => setTimeout(resolve, whole([0, 5], random)))
  socket.write(bytes.subarray(cut, end))
  if (random() < 0.5) await new Promise((resolve) => setImmediate(resolve))
  const way = random()
  if (way < 0.5) socket.resetAndDestroy()
  else if (way < 0.75) socket.destroy()
  else socket.end()
  socket.resume()
  await closed
}

it(`reliability F22: ${resets} connections that end anywhere in their life leave nothing behind`, async () => {
  const { gateway, port } = await start()
  const random = randomFrom(seed)
  for (let i = 0; i < 20; i++) await visit(port, random)
  const isEmpty = ({ held }: GatewayProcessState): boolean => held['sockets'] === 0 && held['timers'] === 0
  const before = await gateway.settled(isEmpty)
  for (let done = 0; done < resets; done += 10) {
    await Promise.all(Array.from({ length: 10 }, () => visit(port, random)))
  }
  const after = await gateway.settled(({ held }) => JSON.stringify(held) === JSON.stringify(before.held), 30_000)
  expect(after.held).toEqual(before.held)
  // How many of them were cut before the server had read their handshake is up to the system.
  expect(Object.values(after.closed).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0)
}, 120_000)

it.skipIf(process.platform === 'win32')(
  'reliability F11: out of descriptors, it keeps whom it has, and serves again when there are some',
  async () => {
    const { gateway, port } = await start({ maxDescriptors: 100 })
    const kept = await EchoClient.open(port, '/raw')
    const before = await gateway.state()
    const crowd = Array.from({ length: 200 }, () => {
      const socket = connect({ port, host: '127.0.0.1' }).on('error', () => undefined)
      socket.write(handshake('/raw'))
      const answered = new Promise<boolean>((resolve) => {
        socket.once('data', () => resolve(true)).once('close', () => resolve(false))
      })
      return { socket, answered }
    })
    const answers = await Promise.all(crowd.map(({ answered }) => answered))
    expect(answers.filter((isIn) => isIn).length).toBeGreaterThan(30)
    expect(answers.filter((isIn) => !isIn).length).toBeGreaterThan(90)
    kept.socket.write(frame('still here'))
    await kept.until('still here'.length + 2)
    for (const { socket } of crowd) socket.destroy()
    const after = await gateway.settled(({ held }) => JSON.stringify(held) === JSON.stringify(before.held))
    expect(after.held).toEqual(before.held)
    const again = await EchoClient.open(port, '/raw')
    again.socket.write(frame('hello'))
    await again.until('hello'.length + 2)
    for (const { socket } of [again, kept]) socket.destroy()
  },
)

it('reliability T12: messages that inflate a thousand times cost their client the connection, and nothing else', async () => {
  const { gateway, port } = await start()
  const url = `ws://127.0.0.1:${port}/deflate`
  const bomb = async (bytes: number): Promise<number> => {
    const socket = new WebSocket(url, { perMessageDeflate: { threshold: 0 } })
    socket.on('error', () => undefined)
    const closed = once(socket, 'close') as Promise<[number]>
    await once(socket, 'open')
    socket.send(Buffer.alloc(bytes), { compress: true })
    return (await closed)[0]
  }
  await bomb(1_000_000)
  const before = await gateway.settled(({ held }) => held['sockets'] === 0)
  // 30 KB each on the way, which the limit of a message lets in.
  const codes = await Promise.all(Array.from({ length: 10 }, () => bomb(30_000_000)))
  expect(new Set(codes)).toEqual(new Set([1009]))
  const after = await gateway.settled(({ held }) => JSON.stringify(held) === JSON.stringify(before.held))
  expect(after.held).toEqual(before.held)
  // Ten of them, whole, would be 300 MB.
  expect(after.residentBytes - before.residentBytes).toBeLessThan(30_000_000)
}, 60_000)
