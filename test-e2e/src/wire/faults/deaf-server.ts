// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** A server for one client, that greets and reads no more than CONNECT until it is told to. */
export class DeafServer {
  /** The gateway's side of the connection. */
  dialled: Socket | undefined
  #accepted: Socket | undefined
  #text = ''
  readonly #path: string

  private constructor(path: string) {
    this.#path = path
  }

  // The system keeps less for a unix socket than for TCP, so it is full at once.
  static async start(): Promise<DeafServer> {
    const folder = await mkdtemp(join(tmpdir(), 'deaf-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const deaf = new DeafServer(join(folder, 'socket'))
    const server = createServer((socket) => deaf.#accept(socket))
    onTestFinished(() => void server.close())
    await once(server.listen(deaf.#path), 'listening')
    return deaf
  }

  /** What it has read behind CONNECT. */
  get text(): string {
    return this.#text
  }

  /** Whether the gateway has ended its side. */
  get isEnded(): boolean {
    return this.dialled?.writableEnded === true
  }

  readonly dial = (): Socket => {
    this.dialled = connect(this.#path)
    return this.dialled
  }

  /** Reads on until the gateway has ended the connection. */
  async readAll(): Promise<void> {
    const socket = this.#accepted
    if (socket === undefined) throw new Error('nobody has connected')
    socket.on('data', (chunk: Buffer) => (this.#text += chunk.toString('latin1')))
    await once(socket.resume(), 'close')
  }

  #accept(socket: Socket): void {
    this.#accepted = socket
    onTestFinished(() => void socket.destroy())
    socket.on('error', () => undefined)
    socket.write('INFO {"server_id":"deaf","max_payload":1048576,"headers":true}\r\n')
    socket.once('data', (chunk) => {
      socket.pause()
      const text = chunk.toString('latin1')
      this.#text = text.slice(text.indexOf('\r\n') + 2)
    })
  }
}
