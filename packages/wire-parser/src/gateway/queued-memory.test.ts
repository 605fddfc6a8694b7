// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { memoryInUse } from '../bus/memory.test-support.ts'
import { Outlet } from './outlet.ts'
import { eventually } from './rig.test-support.ts'
import { SocketTransport } from './socket-transport.ts'

const mebibyte = 1_048_576

/** An outlet to a peer that takes nothing any more. */
async function toDeafPeer(): Promise<{ outlet: Outlet; peer: Socket; written: number }> {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const peer = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [socket] = (await once(server, 'connection')) as [Socket]
  onTestFinished(() => {
    for (const each of [peer, socket]) each.destroy()
    server.close()
  })
  const transport = new SocketTransport(socket)
  const outlet = new Outlet(transport)
  const filling = Buffer.alloc(65_536, 'x')
  let written = 0
  while (transport.queuedBytes < 4 * filling.length) {
    outlet.add(filling)
    outlet.flush()
    written += filling.length
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { outlet, peer, written }
}

it('what waits for a peer that takes nothing costs little more than its bytes, however it came', async () => {
  const { outlet, peer, written } = await toDeafPeer()
  const messages = 40_000
  const deliver = (at: number): number => {
    const message = Buffer.from(`MSG a 1 16\r\n${String(at).padStart(16)}\r\n`)
    outlet.add(message)
    outlet.flush()
    return message.length
  }
  let bytes = deliver(0)
  const before = await memoryInUse()
  for (let i = 1; i < messages; i++) bytes += deliver(i)
  expect(outlet.queuedBytes).toBeGreaterThan(bytes)
  // An object for each would be nine million bytes.
  expect((await memoryInUse()) - before).toBeLessThan(2 * bytes + mebibyte / 2)
  let received = 0
  let tail = ''
  peer.on('data', (chunk: Buffer) => {
    received += chunk.length
    tail = (tail + chunk.toString('latin1')).slice(-bytes)
  })
  await eventually(() => received === written + bytes)
  const numbers = [...tail.matchAll(/\n +(\d+)\r/g)].map(([, number]) => Number(number))
  expect(numbers).toEqual(Array.from({ length: messages }, (_, at) => at))
  expect(outlet.queuedBytes).toBe(0)
})
