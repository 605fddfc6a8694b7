// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { SocketTransport } from './socket-transport.ts'
import { lingerMs, serverLingers } from './transport.ts'

interface Ending {
  readonly peer: Socket
  readonly socket: Socket
  readonly transport: SocketTransport
}

/** A transport that has been ended while its peer reads nothing; its time goes on only when it is told to. */
async function ending(lingers: number): Promise<Ending> {
  const server = createServer({ allowHalfOpen: true })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [peer] = (await once(server, 'connection')) as [Socket]
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => {
    vi.useRealTimers()
    for (const each of [peer, socket]) each.destroy()
    server.close()
  })
  peer.on('error', () => undefined)
  const transport = new SocketTransport(socket, undefined, lingers)
  // More than the system keeps for both of them.
  transport.write(Buffer.alloc(64 * 1_048_576))
  transport.end()
  return { peer, socket, transport }
}

/** Lets the peer read until the transport sees it. */
async function takeSome({ peer, transport }: Ending): Promise<void> {
  const { progress } = transport
  while (transport.progress === progress) {
    peer.read()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('a socket that was ended', () => {
  it('is cut off after a second, even if its peer takes something', async () => {
    const each = await ending(1)
    vi.advanceTimersByTime(lingerMs - 1)
    await takeSome(each)
    expect(each.socket.destroyed).toBe(false)
    vi.advanceTimersByTime(1)
    expect(each.socket.destroyed).toBe(true)
  })

  it('of a server is left open as long as that takes something in each second', async () => {
    const each = await ending(serverLingers)
    for (let seconds = 0; seconds < 3; seconds++) {
      await takeSome(each)
      vi.advanceTimersByTime(lingerMs)
      expect(each.socket.destroyed).toBe(false)
    }
    vi.advanceTimersByTime(lingerMs)
    expect(each.socket.destroyed).toBe(true)
  })

  it('of a server is cut off after ten seconds', async () => {
    const each = await ending(serverLingers)
    for (let seconds = 1; seconds < 10; seconds++) {
      await takeSome(each)
      vi.advanceTimersByTime(lingerMs)
    }
    expect(each.socket.destroyed).toBe(false)
    await takeSome(each)
    vi.advanceTimersByTime(lingerMs)
    expect(each.socket.destroyed).toBe(true)
  })
})
