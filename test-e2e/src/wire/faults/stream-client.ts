// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { WebSocket } from 'ws'
import type { Addresses, TransportName } from '../client-rig.ts'
import { eventually, plainConnect } from '../web-socket-rig.ts'

/** A client of nothing but bytes over either transport, that keeps nothing of what it gets but how much it was. */
export class StreamClient {
  bytes = 0
  isClosed = false
  readonly #socket: Socket | WebSocket
  /** What came before the client was let in. */
  #greeting: string | undefined = ''

  private constructor(socket: Socket | WebSocket) {
    this.#socket = socket
    const take = (chunk: Buffer): void => {
      this.bytes += chunk.length
      if (this.#greeting !== undefined) this.#greeting += chunk.toString('latin1')
    }
    if (socket instanceof WebSocket) socket.on('message', take)
    else socket.on('data', take)
    socket.on('error', () => undefined)
    socket.on('close', () => (this.isClosed = true))
  }

  /** A client that has been let in, and has said `commands`. */
  static async connected(way: TransportName, addresses: Addresses, commands = ''): Promise<StreamClient> {
    const url = new URL(addresses.tcp)
    const socket =
      way === 'tcp'
        ? connect({ port: Number(url.port), host: url.hostname, noDelay: true })
        : new WebSocket(addresses.ws, { perMessageDeflate: false })
    const client = new StreamClient(socket)
    await once(socket, way === 'tcp' ? 'connect' : 'open')
    await client.send(`${plainConnect}${commands}PING\r\n`)
    await eventually(() => client.#greeting?.includes('PONG\r\n') === true || client.isClosed)
    client.#greeting = undefined
    return client
  }

  /** What this process holds of what was sent. */
  get unsentBytes(): number {
    return this.#socket instanceof WebSocket ? this.#socket.bufferedAmount : this.#socket.writableLength
  }

  /** Resolves when the system has taken it, or the connection has ended. */
  send(bytes: string | Uint8Array): Promise<void> {
    const data = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes
    return new Promise((resolve) => {
      if (this.#socket instanceof WebSocket) this.#socket.send(data, { binary: true }, () => resolve())
      else this.#socket.write(data, () => resolve())
    })
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  destroy(): void {
    if (this.#socket instanceof WebSocket) this.#socket.terminate()
    else this.#socket.destroy()
  }
}
