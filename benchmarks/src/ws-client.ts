// SPDX-License-Identifier: Apache-2.0
import { connect, type Socket } from 'node:net'
import { encodeClientFrame, opcodes } from './ws-frame.ts'
import { FrameCounter } from './ws-frame-counter.ts'

/** Where a client connects to, and what it expects. */
export interface WsClientOptions {
  readonly host: string
  readonly port: number
  readonly path: string
  /** How long each message of the server is; undefined: any length. */
  readonly messageBytes?: number | undefined
}

/** What the owner of a client is told; after `onEnd` nothing follows. */
export interface WsClientEvents {
  /** So many messages came with one read. */
  onMessages(client: WsClient, count: number): void
  /** It has answered a ping. */
  onPing?(client: WsClient): void
  /** `what` says why, in words an error can be counted under. */
  onEnd(client: WsClient, what: string): void
}

const headEnd = '\r\n\r\n'
// Read by one socket after the other, each time emptied before the next: thousands of clients need only one.
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024)

/** A WebSocket client that knows no more than a load needs: it writes bytes that were framed before, and counts what comes. */
export class WsClient {
  readonly #socket: Socket
  readonly #events: WsClientEvents
  readonly #frames: FrameCounter
  #head: string | undefined = ''
  #opened: (() => void) | undefined
  #refused: ((error: Error) => void) | undefined
  #ended = false

  /** Resolves once the server has switched protocols; rejects when it does not. */
  static open(options: WsClientOptions, events: WsClientEvents): Promise<WsClient> {
    return new Promise((resolve, reject) => {
      const client = new WsClient(options, events)
      client.#opened = () => resolve(client)
      client.#refused = reject
    })
  }

  private constructor({ host, port, path, messageBytes }: WsClientOptions, events: WsClientEvents) {
    this.#events = events
    this.#frames = new FrameCounter(messageBytes, {
      onPing: (payload) => {
        this.#socket.write(encodeClientFrame(payload, opcodes.pong))
        events.onPing?.(this)
      },
    })
    const onread = { buffer: readBuffer, callback: (length: number) => this.#read(length) }
    this.#socket = connect({ host, port, noDelay: true, onread })
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#end(error.code ?? error.message))
    this.#socket.on('close', () => this.#end('closed by the server'))
    // The key is the one of RFC 6455, 1.3; that the answer to it is right is for tests of servers.
    this.#socket.write(
      `GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    )
  }

  get ended(): boolean {
    return this.#ended
  }

  write(frames: Uint8Array): void {
    this.#socket.write(frames)
  }

  /** Ends it without a word to the owner; `reset`: the server sees that at once. */
  close(how: 'end' | 'reset' = 'end'): void {
    this.#ended = true
    if (how === 'reset') this.#socket.resetAndDestroy()
    else this.#socket.destroy()
  }

  #read(length: number): boolean {
    if (this.#head === undefined) this.#count(0, length)
    else this.#readHead(length)
    return !this.#ended
  }

  #readHead(length: number): void {
    const before = this.#head ?? ''
    const head = before + readBuffer.toString('latin1', 0, length)
    this.#head = head
    const end = head.indexOf(headEnd)
    if (end === -1) return
    const status = head.slice(0, head.indexOf('\r'))
    if (!/^HTTP\/1\.1 101(?: |$)/.test(status)) {
      this.#end(`answer "${status}"`)
      return
    }
    this.#head = undefined
    this.#opened?.()
    this.#refused = undefined
    this.#count(end + headEnd.length - before.length, length)
  }

  #count(from: number, length: number): void {
    const bytes = from === 0 ? readBuffer : readBuffer.subarray(from)
    const messages = this.#frames.push(bytes, length - from)
    if (messages > 0) this.#events.onMessages(this, messages)
    if (this.#frames.fault !== undefined) this.#end(this.#frames.fault)
  }

  #end(what: string): void {
    if (this.#ended) return
    this.close()
    if (this.#refused !== undefined) this.#refused(new Error(what))
    else this.#events.onEnd(this, what)
  }
}
