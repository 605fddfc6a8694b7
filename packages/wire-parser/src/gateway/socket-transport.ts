// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net'
import type { ReadBuffer } from './read-buffer.ts'
import { writeQueueSize } from './socket-progress.ts'
import { lingerMs, type Transport, type TransportHandlers } from './transport.ts'

/** A TCP, TLS or unix socket. With a `ReadBuffer` the socket was made with `onread`, and reads into that. */
export class SocketTransport implements Transport {
  readonly #socket: Socket
  readonly #source: ReadBuffer | undefined
  readonly #lingers: number
  #error: Error | undefined
  #linger: NodeJS.Timeout | undefined

  constructor(socket: Socket, source?: ReadBuffer, lingers = 1) {
    this.#socket = socket
    this.#lingers = lingers
    this.#source = source
    // Always there: an `error` event nobody listens to ends the process.
    socket.on('error', (error) => {
      this.#error ??= error
    })
  }

  get queuedBytes(): number {
    return this.#socket.writableLength
  }

  get progress(): number {
    return this.#socket.writableLength + writeQueueSize(this.#socket) * 2 ** -31
  }

  get bytesRead(): number {
    return this.#socket.bytesRead
  }

  get bytesWritten(): number {
    return this.#socket.bytesWritten
  }

  start(handlers: TransportHandlers): void {
    const socket = this.#socket
    if (this.#source === undefined) {
      socket.on('data', (chunk: Buffer) => {
        handlers.data(chunk)
        handlers.flush()
      })
    } else {
      this.#source.receive = (chunk) => {
        handlers.data(chunk)
        return handlers.flush()
      }
    }
    socket.on('drain', () => handlers.drained())
    socket.on('end', () => handlers.ended())
    const closed = (): void => {
      clearTimeout(this.#linger)
      handlers.closed(this.#error)
    }
    if (socket.closed) queueMicrotask(closed)
    else socket.on('close', closed)
    socket.resume()
  }

  write(bytes: Uint8Array, sent?: (error?: Error | null) => void): void {
    this.#socket.write(bytes, sent)
  }

  writeAll(pieces: readonly Uint8Array[]): void {
    this.#socket.cork()
    for (const piece of pieces) this.#socket.write(piece)
    this.#socket.uncork()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  // What the peer still sends is read and lost: closing with unread bytes resets the connection, and the peer would not
  // see what it was told last.
  end(): void {
    if (this.#socket.destroyed || this.#linger !== undefined) return
    this.#socket.end()
    this.#socket.resume()
    this.#lingerOn(this.#lingers, this.progress)
  }

  destroy(): void {
    clearTimeout(this.#linger)
    this.#socket.destroy()
  }

  #lingerOn(times: number, progressBefore: number): void {
    this.#linger = setTimeout(() => {
      const { progress } = this
      if (times > 1 && progress !== progressBefore) this.#lingerOn(times - 1, progress)
      else this.destroy()
    }, lingerMs)
  }
}
