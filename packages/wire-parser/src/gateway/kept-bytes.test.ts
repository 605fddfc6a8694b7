// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { eventually, startGateway } from './rig.test-support.ts'

const infoLine = 'INFO {"server_id":"S","version":"2.15.2","proto":1,"headers":true,"max_payload":1048576}\r\n'
const connectLine = 'CONNECT {"verbose":false,"pedantic":false}\r\n'

/** A server that greets and otherwise only reads, when it is told to. */
async function server(): Promise<{ url: string; connections: { socket: Socket; text: () => string }[] }> {
  const connections: { socket: Socket; text: () => string }[] = []
  const listener = createServer((socket) => {
    let text = ''
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    socket.write(infoLine)
    connections.push({ socket, text: () => text })
    onTestFinished(() => void socket.destroy())
  })
  await once(listener.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void listener.close())
  return { url: `nats://127.0.0.1:${(listener.address() as AddressInfo).port}`, connections }
}

async function client(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  await once(socket, 'data')
  return socket
}

/** Publishes of many sizes, each with a letter and a number of its own. */
function publishes(name: string, count: number, longest: number): string {
  return Array.from({ length: count }, (_value, at) => {
    const payload = `${name}${at};`.repeat(Math.ceil((((at * 7919) % longest) + 1) / 8))
    return `PUB ${name} ${payload.length}\r\n${payload}\r\n`
  }).join('')
}

describe('bytes that are read into a buffer', () => {
  it.each([
    { what: 'short', count: 20_000, longest: 500 },
    { what: 'long', count: 250, longest: 100_000 },
  ])('come to servers that take $what operations in fits and starts as they were', async ({ count, longest }) => {
    const { url, connections } = await server()
    const gateway = await startGateway({ url })
    const floods = ['a', 'b', 'c'].map((name) => connectLine + publishes(name, count, longest))
    for (const flood of floods) {
      const socket = await client(gateway.url)
      connections.at(-1)?.socket.pause()
      socket.write(flood, 'latin1')
    }
    for (let turn = 0; turn < 300; turn++) {
      const { socket } = connections[turn % 3] ?? {}
      socket?.resume()
      await new Promise((resolve) => setImmediate(resolve))
      socket?.pause()
    }
    for (const { socket } of connections) socket.resume()
    await eventually(() => connections.every(({ text }, at) => text().length >= (floods[at]?.length ?? 0)))
    expect(connections.map(({ text }, at) => text() === floods[at])).toEqual([true, true, true])
  })

  it('stay as they were for a hook that is still at work when its client has gone', async () => {
    const { url, connections } = await server()
    const seen: Uint8Array[] = []
    const gateway = await startGateway(
      { url },
      {
        hooks: {
          onPublish: ({ subject, payload }) => {
            if (subject !== 'secret') return undefined
            seen.push(payload)
            return new Promise(() => undefined)
          },
        },
      },
    )
    const secret = 'secret'.repeat(5000)
    const first = await client(gateway.url)
    first.write(connectLine + `PUB other 4090\r\n${'x'.repeat(4090)}\r\n`.repeat(40))
    first.write(`PUB secret ${secret.length}\r\n${secret}\r\n`)
    await eventually(() => seen.length === 1)
    first.write('PING\r\n'.repeat(5000))
    first.destroy()
    await eventually(() => gateway.of('connection.closed').length === 1)
    const flood = connectLine + publishes('z', 20_000, 500)
    const second = await client(gateway.url)
    second.write(flood, 'latin1')
    await eventually(() => connections.at(-1)?.text().length === flood.length)
    expect(seen.map((payload) => Buffer.from(payload).toString() === secret)).toEqual([true])
  })
})
