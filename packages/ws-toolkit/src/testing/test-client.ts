// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http'
import type { WebSocket } from 'ws'
import type { CloseInfo } from '../close-code.ts'
import type { MemorySocket } from './memory-socket.ts'

/** A message as the client got it: text is a string. */
export type TestMessage = string | Uint8Array

interface Waiting {
  readonly resolve: (message: TestMessage) => void
  readonly reject: (error: Error) => void
}

const patienceMs = 5000

/** A client of the ws package over a socket in memory. */
export class TestClient {
  /** The client itself, for what there is no method for. */
  readonly ws: WebSocket
  /** Its socket, for bytes that ws would not send. */
  readonly socket: MemorySocket
  /** The 101. */
  readonly response: IncomingMessage
  /** Resolves when the client is closed; 1006 without a close frame. */
  readonly closed: Promise<CloseInfo>
  /** Messages that `next()` has not taken. */
  readonly received: TestMessage[] = []
  readonly #waiting: Waiting[] = []
  #end: CloseInfo | undefined

  /** Takes an open WebSocket whose messages nobody listens to yet. */
  constructor(ws: WebSocket, socket: MemorySocket, response: IncomingMessage) {
    this.ws = ws
    this.socket = socket
    this.response = response
    ws.on('error', ignore)
    ws.on('message', (data: Buffer, isBinary: boolean) => this.#take(isBinary ? data : data.toString()))
    this.closed = new Promise((resolve) => {
      ws.once('close', (code, reason) => {
        this.#end = { code, reason: reason.toString(), wasClean: code !== 1006 }
        for (const { reject } of this.#waiting.splice(0)) reject(this.#closedError())
        resolve(this.#end)
      })
    })
  }

  /** The subprotocol agreed on. */
  get protocol(): string {
    return this.ws.protocol
  }

  /** Sends text or bytes; anything else as JSON. */
  send(message: string | Uint8Array | object): void {
    this.ws.send(typeof message === 'string' || message instanceof Uint8Array ? message : JSON.stringify(message))
  }

  /** Sends one message in fragments. */
  sendFragments(parts: readonly (string | Uint8Array)[]): void {
    for (const [index, part] of parts.entries()) this.ws.send(part, { fin: index === parts.length - 1 })
  }

  /** The next message; rejects when there is none within 5 s, or the client is closed. */
  next(withinMs: number = patienceMs): Promise<TestMessage> {
    const message = this.received.shift()
    if (message !== undefined) return Promise.resolve(message)
    if (this.#end !== undefined) return Promise.reject(this.#closedError())
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
        reject(new Error(`no message within ${withinMs} ms`))
      }, withinMs)
      const waiting: Waiting = {
        resolve: (message) => {
          clearTimeout(timer)
          resolve(message)
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      }
      this.#waiting.push(waiting)
    })
  }

  /** The next message, parsed: its type is what the caller says. */
  async nextJson<T = unknown>(withinMs?: number): Promise<T> {
    const message = await this.next(withinMs)
    return JSON.parse(typeof message === 'string' ? message : Buffer.from(message).toString()) as T
  }

  /** Closes and waits for the answer. */
  close(code = 1000, reason = ''): Promise<CloseInfo> {
    this.ws.close(code, reason)
    return this.closed
  }

  /** Stops reading: what the server sends piles up there. */
  stall(): void {
    this.ws.pause()
  }

  /** Reads on. */
  resume(): void {
    this.ws.resume()
  }

  /** Resets the connection. */
  cut(): void {
    this.socket.cut()
  }

  /** Leaves a half-open connection: neither end hears of the other again. */
  vanish(): void {
    this.socket.vanish()
  }

  #take(message: TestMessage): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.received.push(message)
    else waiting.resolve(message)
  }

  #closedError(): Error {
    const { code, reason } = this.#end ?? { code: 1006, reason: '' }
    return new Error(`no further message: closed with ${code}${reason === '' ? '' : ` ${reason}`}`)
  }
}

function ignore(): void {}
