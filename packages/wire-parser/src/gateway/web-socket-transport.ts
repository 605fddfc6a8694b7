// SPDX-License-Identifier: Apache-2.0
import { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { readIntoBuffer } from './accepted-read.ts'
import { writeQueueSize } from './socket-progress.ts'
import { FrameTaker, frameHead } from './web-socket-frames.ts'
import { lingerMs, type Transport, type TransportHandlers } from './transport.ts'
import type { RawWebSocket } from './web-socket-upgrade.ts'

const streamKey: symbol = Symbol.for('nats-edge.socket')
// Larger pieces are written beside the head of their frame instead of being copied behind it.
const copiedBytes = 16_384
const open = 1

export interface WebSocketTransportOptions {
  readonly outputFrames: 'binary' | 'text'
  readonly readBufferBytes: number
}

/** A WebSocket as one stream of bytes: operations may span messages, messages hold many operations. */
export class WebSocketTransport implements Transport {
  readonly #ws: RawWebSocket
  readonly #stream: Duplex
  readonly #binary: boolean
  readonly #readBefore: number
  readonly #writtenBefore: number
  /** Whether frames can be written past `ws`, which has nothing to add to them unless it compresses. */
  readonly #isDirect: boolean
  readonly #readBufferBytes: number
  #isFlushing = false
  #error: Error | undefined
  #linger: NodeJS.Timeout | undefined

  constructor(ws: RawWebSocket, { outputFrames, readBufferBytes }: WebSocketTransportOptions) {
    const stream: unknown = Reflect.get(ws, streamKey)
    if (!(stream instanceof Duplex)) throw new TypeError('the WebSocket does not carry the stream under it')
    this.#ws = ws
    this.#stream = stream
    this.#binary = outputFrames === 'binary'
    this.#readBufferBytes = readBufferBytes
    this.#isDirect = Reflect.get(ws, 'extensions') === ''
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
    const taker = FrameTaker.takeFrom(this.#ws, handlers)
    if (taker !== undefined) this.#readIntoBuffer(taker, handlers)
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

  write(bytes: Uint8Array, sent?: (error?: Error | null) => void): void {
    if (!this.#isDirect) {
      this.#ws.send(bytes, { binary: this.#binary }, sent)
      return
    }
    // Nothing may follow the frame that closes.
    if (this.#ws.readyState !== open) return
    const head = frameHead(bytes.length, !this.#binary)
    if (bytes.length > copiedBytes) this.#cork([head, bytes], sent)
    else this.#stream.write(Buffer.concat([head, bytes]), sent)
  }

  writeAll(pieces: readonly Uint8Array[]): void {
    if (!this.#isDirect) {
      this.#stream.cork()
      for (const piece of pieces) this.write(piece)
      this.#stream.uncork()
    } else if (this.#ws.readyState === open) {
      const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
      this.#cork([frameHead(bytes, !this.#binary), ...pieces])
    }
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

  #cork(pieces: readonly Uint8Array[], sent?: (error?: Error | null) => void): void {
    const last = pieces.length - 1
    this.#stream.cork()
    pieces.forEach((piece, at) => this.#stream.write(piece, at === last ? sent : undefined))
    this.#stream.uncork()
  }

  // `ws` and whoever else listens go on as if there were `data` events. TLS makes its own buffers.
  #readIntoBuffer(taker: FrameTaker, { flush }: TransportHandlers): void {
    const stream = this.#stream
    if (!(stream instanceof Socket) || stream instanceof TLSSocket) return
    const source = readIntoBuffer(stream, this.#readBufferBytes)
    if (source === undefined) return
    source.receive = (chunk) => {
      stream.emit('data', chunk)
      if (taker.gaveBytes) source.leave()
      return flush()
    }
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
