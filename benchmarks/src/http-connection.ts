// SPDX-License-Identifier: Apache-2.0
import { connect, type Socket } from 'node:net'
import { HttpResponseParser } from './http-response-parser.ts'

/** What the owner of a connection is told; after `onEnd` nothing follows. */
export interface HttpConnectionEvents {
  /** `sentAt` and `now` by `performance.now()`. */
  onAnswer(connection: HttpConnection, status: number, sentAt: number, now: number): void
  /** `what` says why, in words an error can be counted under. */
  onEnd(connection: HttpConnection, what: string): void
}

/** One keep-alive connection that has at most one request outstanding. */
export class HttpConnection {
  readonly #socket: Socket
  readonly #events: HttpConnectionEvents
  readonly #parser: HttpResponseParser
  #sentAt: number | undefined
  #status = 0
  #answers = 0
  #ended = false

  /** Resolves once connected; rejects with the socket's error. */
  static async open(host: string, port: number, events: HttpConnectionEvents): Promise<HttpConnection> {
    const connection = new HttpConnection(host, port, events)
    await new Promise<void>((resolve, reject) => {
      connection.#socket.once('connect', resolve).once('error', reject)
    })
    connection.#socket.on('error', (error: NodeJS.ErrnoException) => connection.#end(error.code ?? error.message))
    connection.#socket.on('close', () => connection.#end('closed by the server'))
    return connection
  }

  private constructor(host: string, port: number, events: HttpConnectionEvents) {
    this.#events = events
    this.#parser = new HttpResponseParser((status) => {
      this.#status = status
      this.#answers += 1
    })
    // One reused buffer: reading costs the load no allocation.
    const buffer = Buffer.allocUnsafe(64 * 1024)
    this.#socket = connect({
      host,
      port,
      noDelay: true,
      onread: { buffer, callback: (length) => this.#read(buffer, length) },
    })
  }

  get ended(): boolean {
    return this.#ended
  }

  send(request: Uint8Array, now: number): void {
    this.#sentAt = now
    this.#socket.write(request)
  }

  /** Ends it without a word to the owner. */
  close(): void {
    this.#ended = true
    this.#socket.destroy()
  }

  #read(buffer: Uint8Array, length: number): boolean {
    this.#parser.push(buffer, length)
    if (this.#parser.fault !== undefined) this.#end(`${this.#parser.fault} response`)
    else if (this.#answers > 0) this.#answered()
    return true
  }

  #answered(): void {
    const sentAt = this.#sentAt
    if (this.#answers > 1 || sentAt === undefined) {
      this.#end('more responses than requests')
      return
    }
    this.#answers = 0
    this.#sentAt = undefined
    this.#events.onAnswer(this, this.#status, sentAt, performance.now())
  }

  #end(what: string): void {
    if (this.#ended) return
    this.close()
    this.#events.onEnd(this, what)
  }
}
