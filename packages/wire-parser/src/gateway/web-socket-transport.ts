// SPDX-License-Identifier: Apache-2.0
import { Duplex } from 'node:stream'
import { writeQueueSize } from './socket-progress.ts'
import { lingerMs, type Transport, type TransportHandlers } from './transport.ts'
import type { RawWebSocket } from './web-socket-upgrade.ts'

const streamKey: symbol = Symbol.for('nats-edge.socket')

/** A WebSocket as one stream of bytes: operations may span messages, messages hold many operations. */
export class WebSocketTransport implements Transport {
  readonly #ws: RawWebSocket
  readonly #stream: Duplex
  readonly #binary: boolean
  readonly #readBefore: number
  readonly #writtenBefore: number
  #isFlushing = false
  #error: Error | undefined
  #linger: NodeJS.Timeout | undefined

  constructor(ws: RawWebSocket, outputFrames: 'binary' | 'text') {
    const stream: unknown = Reflect.get(ws, streamKey)
    if (!(stream instanceof Duplex)) throw new TypeError('the WebSocket does not carry the stream under it')
    this.#ws = ws
    this.#stream = stream
    this.#binary = outputFrames === 'binary'
    this.#readBefore = count(stream, 'bytesRead')
    this.#writtenBefore = count(stream, 'bytesWritten')
  }

  get queuedBytes(): number {
    return this.#ws.bufferedAmount
  }

  get progress(): number {
    return this.#ws.bufferedAmount + writeQueueSize(this.#stream) * 2 ** -31
  }

  /** Framing included. */
  get bytesRead(): number {
    return count(this.#stream, 'bytesRead') - this.#readBefore
  }

  get bytesWritten(): number {
    return count(this.#stream, 'bytesWritten') - this.#writtenBefore
  }

  start(handlers: TransportHandlers): void {
    const flush = (): void => {
      this.#isFlushing = false
      handlers.flush()
    }
    this.#ws.on('message', (data) => {
      handlers.data(data instanceof Uint8Array ? data : Buffer.from(data as ArrayBuffer))
      // The messages of one read come in one turn: together they become one write.
      if (this.#isFlushing) return
      this.#isFlushing = true
      queueMicrotask(flush)
    })
    this.#ws.on('error', (error) => {
      this.#error ??= error
    })
    this.#ws.on('close', () => {
      clearTimeout(this.#linger)
      handlers.closed(this.#error)
    })
    this.#stream.on('drain', () => handlers.drained())
    this.#watch(handlers)
  }

  write(bytes: Uint8Array): void {
    this.#ws.send(bytes, { binary: this.#binary })
  }

  writeAll(pieces: readonly Uint8Array[]): void {
    this.#stream.cork()
    for (const piece of pieces) this.write(piece)
    this.#stream.uncork()
  }

  pause(): void {
    this.#ws.pause()
  }

  resume(): void {
    this.#ws.resume()
  }

  end(webSocketCode: number): void {
    if (this.#linger !== undefined) return
    this.#ws.close(webSocketCode)
    this.#ws.resume()
    this.#linger = setTimeout(() => this.destroy(), lingerMs)
  }

  destroy(): void {
    clearTimeout(this.#linger)
    this.#ws.terminate()
  }

  // A message is only handed out when it is whole, and a large one may never be: its bytes are looked at as they come.
  #watch({ read }: TransportHandlers): void {
    if (read === undefined) return
    const check = (): void => {
      if (!read()) this.#stream.off('data', check)
    }
    this.#stream.on('data', check)
  }
}

function count(stream: Duplex, name: 'bytesRead' | 'bytesWritten'): number {
  const bytes: unknown = Reflect.get(stream, name)
  return typeof bytes === 'number' ? bytes : 0
}
