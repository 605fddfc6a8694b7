// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { type Binary, startFullBroker, type TransportName } from '../client-rig.ts'
import { eventually } from '../web-socket-rig.ts'
import { GatewayProcess, type GatewayProcessState } from './gateway-process.ts'
import { StreamClient } from './stream-client.ts'

const newest = inject('natsServers').at(-1) as Binary
const isLong = inject('propertyRuns') >= 100_000
const mebibyte = 1_048_576
const highWaterBytes = mebibyte
// The longest read there is: four times `readBufferBytes`, for a connection that fills that.
const readBytes = 262_144
// Buffers that are kept for the next flood, and those that every connection reads into.
const spareBytes = 8 * mebibyte
// The last message may have come in part, and a WebSocket says a little around it.
const bound = highWaterBytes + 2 * readBytes
const readers = 5
// A read that filled more than half of its buffer is kept in it.
const boundInBuffers = readers * 2 * bound + spareBytes
const payloadBytes = 60_000
// Thirty times what may be held for each, and less than a server takes for slow itself.
const eachBytes = 30 * mebibyte
// Pages of the process come and go in larger steps; without a bound it would be all.
const residentBound = (eachBytes * 2) / 3
// Beside that: blocks that are not full, and what the process itself may come and go with.
const smallConstant = mebibyte / 2
const count = Math.ceil(eachBytes / payloadBytes)
const message = `PUB flood ${payloadBytes}\r\n${'x'.repeat(payloadBytes)}\r\n`
const ways: readonly TransportName[] = ['tcp', 'ws']

async function startGateway(url: string): Promise<GatewayProcess> {
  const limits = { highWaterBytes, slowClientMs: 60_000 }
  const gateway = await GatewayProcess.start({ backends: [{ url }], limits })
  onTestFinished(async () => void (await gateway.end()))
  return gateway
}

function tell(what: string, before: GatewayProcessState, during: GatewayProcessState): void {
  const grown = (key: 'bufferBytes' | 'heapBytes' | 'residentBytes'): string =>
    `${key} ${Math.round((during[key] - before[key]) / readers / 1024)}`
  process.stderr.write(
    `${what}, KiB for each of ${readers}: queued ${Math.round((during.held['queuedBytes'] ?? 0) / readers / 1024)}, ` +
      `${grown('bufferBytes')}, ${grown('heapBytes')}, ${grown('residentBytes')}\n`,
  )
}

/** What is held for those who take nothing, once that is more than `least` and has stopped to grow. */
async function filled(
  gateway: GatewayProcess,
  size: (state: GatewayProcessState) => number,
  least: number,
): Promise<GatewayProcessState> {
  let last = -1
  return gateway.settled((state) => {
    // A server that is held up has only stopped for a moment.
    const isSame = size(state) > least && size(state) === last
    last = size(state)
    return isSame
  })
}

function queuedBytes({ held }: GatewayProcessState): number {
  return held['queuedBytes'] ?? 0
}

/** Resolves when the server has taken and passed on what the client sent before. */
async function answered(client: StreamClient): Promise<void> {
  const { bytes } = client
  await client.send('PING\r\n')
  while (client.bytes === bytes && !client.isClosed) await new Promise((resolve) => setImmediate(resolve))
}

describe.each(ways)('reliability F9: by %s, who takes nothing costs no more than the high water and a read', (way) => {
  it('a client, of a flood of large messages', async () => {
    const broker = await startFullBroker(newest, 'write_deadline: "60s"')
    onTestFinished(() => broker.stop())
    const gateway = await startGateway(broker.url)
    const { addresses } = gateway
    const deaf = await Promise.all(
      Array.from({ length: readers }, () => StreamClient.connected(way, addresses, 'SUB flood 1\r\n')),
    )
    const from = await StreamClient.connected('tcp', addresses)
    const before = await gateway.state()
    for (const client of deaf) client.pause()
    for (let i = 0; i < count; i++) await from.send(message)
    const during = await filled(gateway, queuedBytes, readers * highWaterBytes)
    tell(`a flood to clients by ${way}`, before, during)
    expect(during.held['queuedBytes']).toBeGreaterThan(readers * highWaterBytes)
    expect(during.held['queuedBytes']).toBeLessThan(readers * bound)
    expect(during.bufferBytes - before.bufferBytes).toBeLessThan(boundInBuffers)
    expect(during.residentBytes - before.residentBytes).toBeLessThan(readers * residentBound)
    for (const client of deaf) client.resume()
    const all = count * `MSG flood 1 ${payloadBytes}\r\n\r\n`.length + count * payloadBytes
    await eventually(() => deaf.every(({ bytes, isClosed }) => bytes > all || isClosed), 30_000)
    expect(deaf.filter(({ isClosed }) => isClosed)).toEqual([])
    // A collection may leave for the next one what was let go of just before.
    const isLow = ({ bufferBytes }: GatewayProcessState): boolean => bufferBytes - before.bufferBytes < spareBytes
    const asBefore = ({ held }: GatewayProcessState): object => ({ ...before.held, descriptors: held['descriptors'] })
    const after = await gateway.settled(
      (state) => JSON.stringify(state.held) === JSON.stringify(asBefore(state)) && isLow(state),
    )
    expect(after.held).toEqual(asBefore(after))
    expect(after.bufferBytes - before.bufferBytes).toBeLessThan(spareBytes)
    for (const client of [from, ...deaf]) client.destroy()
  }, 60_000)

  it('a client, of small messages that come one by one', async () => {
    const broker = await startFullBroker(newest, 'write_deadline: "60s"')
    onTestFinished(() => broker.stop())
    const gateway = await startGateway(broker.url)
    const { addresses } = gateway
    const deaf = await Promise.all(
      Array.from({ length: readers }, () => StreamClient.connected(way, addresses, 'SUB drip 1\r\nSUB fill 2\r\n')),
    )
    const from = await StreamClient.connected('tcp', addresses)
    for (const client of deaf) client.pause()
    // What the system takes for one who does not read, then what is held here.
    const fill = `PUB fill ${payloadBytes}\r\n${'x'.repeat(payloadBytes)}\r\n`
    while (queuedBytes(await gateway.state()) < readers * 50_000) {
      for (let i = 0; i < 4; i++) await from.send(fill)
      await answered(from)
    }
    const queued = await filled(gateway, queuedBytes, readers * 50_000)
    const drops = isLong ? 20_000 : 1000
    for (let i = 0; i < drops; i++) {
      await from.send('PUB drip 16\r\n0123456789012345\r\n')
      await answered(from)
    }
    const dripped = readers * drops * 'MSG drip 1 16\r\n0123456789012345\r\n'.length
    // An object for each would be seven times as much on the heap, the buffer of each read a thousand times in buffers.
    const [heapBound, bufferBound] = [dripped + smallConstant, 2 * dripped + smallConstant]
    // A collection may leave for the next one what was let go of just before.
    const during = await gateway.settled(
      ({ heapBytes, bufferBytes }) =>
        heapBytes - queued.heapBytes < heapBound && bufferBytes - queued.bufferBytes < bufferBound,
    )
    tell(`${drops} small messages to clients by ${way}`, queued, during)
    // The system may take a little more of what came first.
    expect(queuedBytes(during) - queuedBytes(queued)).toBeGreaterThan(0.8 * dripped)
    expect(during.heapBytes - queued.heapBytes).toBeLessThan(heapBound)
    expect(during.bufferBytes - queued.bufferBytes).toBeLessThan(bufferBound)
    for (const client of [from, ...deaf]) client.destroy()
  }, 60_000)

  it('a server, whose clients go on to publish', async () => {
    const server = await deafServer()
    const gateway = await startGateway(server.url)
    const publishers = await Promise.all(
      Array.from({ length: readers }, () => StreamClient.connected(way, gateway.addresses)),
    )
    const before = await gateway.state()
    server.pause()
    let sent = 0
    while (publishers.some(({ unsentBytes }) => unsentBytes < eachBytes) && sent < 20 * count) {
      for (const publisher of publishers) void publisher.send(message)
      sent++
      if (sent % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    const during = await filled(gateway, ({ bufferBytes }) => bufferBytes, 0)
    tell(`publishes by ${way} to a server`, before, during)
    expect(during.bufferBytes - before.bufferBytes).toBeLessThan(boundInBuffers)
    expect(during.residentBytes - before.residentBytes).toBeLessThan(readers * residentBound)
    // The rest is where it came from, and all of it arrives.
    for (const { unsentBytes } of publishers) expect(unsentBytes).toBeGreaterThan(eachBytes / 2)
    const already = server.bytes
    server.resume()
    await eventually(() => server.bytes >= readers * sent * message.length, 30_000)
    expect(already).toBeLessThan(server.bytes)
    for (const client of publishers) client.destroy()
    const isLow = ({ bufferBytes }: GatewayProcessState): boolean => bufferBytes - before.bufferBytes < spareBytes
    const after = await gateway.settled((state) => state.held['tcp'] === 0 && state.held['ws'] === 0 && isLow(state))
    expect(after.bufferBytes - before.bufferBytes).toBeLessThan(spareBytes)
  }, 60_000)
})

interface DeafServer {
  readonly url: string
  /** Of messages. */
  readonly bytes: number
  pause(): void
  resume(): void
}

/** A server that greets, answers PINGs, and may stop to read. */
async function deafServer(): Promise<DeafServer> {
  const sockets: Socket[] = []
  let bytes = 0
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.write('INFO {"server_id":"deaf","max_payload":1048576,"headers":true}\r\n')
    socket.on('data', (chunk) => {
      const text = chunk.subarray(0, 200).toString('latin1')
      if (text.startsWith('CONNECT')) socket.write('PONG\r\n')
      else bytes += chunk.length
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get bytes() {
      return bytes
    },
    pause: () => {
      for (const socket of sockets) socket.pause()
    },
    resume: () => {
      for (const socket of sockets) socket.resume()
    },
  }
}
