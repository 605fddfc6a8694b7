// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net'
import type { ResponseHead } from './response-head.ts'
import { ResponseReader, type ResponseSink } from './response-reader.ts'

/** Who has sent a request on a connection; `broke` and `end` are the last call. */
export interface ConnectionUser {
  head(head: ResponseHead): void
  data(bytes: Buffer): void
  end(): void
  /** `isStale`: the connection had carried requests before, and nothing of the answer has come. */
  broke(error: Error, isStale: boolean): void
}

/** What a connection tells its pool. */
export interface ConnectionOwner {
  /** It can carry another request. */
  freed(connection: HttpConnection): void
  gone(connection: HttpConnection): void
}

// Somebody else's request could be under way to a service that closes at this very moment.
const keepAliveSlackMs = 1000

/** One connection to an HTTP/1.1 service, with one request at a time. */
export class HttpConnection implements ResponseSink {
  readonly #socket: Socket
  readonly #owner: ConnectionOwner
  #keepAliveMs: number
  readonly #reader = new ResponseReader(this)
  #user: ConnectionUser | undefined
  #head: ResponseHead | undefined
  #requests = 0
  #isAnswered = false
  #isGone = false

  constructor(socket: Socket, owner: ConnectionOwner, keepAliveMs: number) {
    this.#socket = socket
    this.#owner = owner
    this.#keepAliveMs = keepAliveMs
    socket.setNoDelay(true)
    // Of any silence; node begins it anew with every read and write, without a timer for each.
    socket.setTimeout(keepAliveMs, () => this.#silent())
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('end', () => this.#ended())
    socket.on('error', (error) => this.#break(error))
    socket.on('close', () => this.#break(new Error('the service closed the connection')))
  }

  /** Sends a request that is written out already; it must be free. */
  send(user: ConnectionUser, method: string, bytes: string | Buffer): void {
    this.#user = user
    this.#head = undefined
    this.#requests += 1
    this.#reader.expect(method)
    if (this.#requests > 1) this.#socket.ref()
    this.#socket.write(bytes)
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Cuts it; its user is told. */
  close(): void {
    this.#break(new Error('the pool was closed'))
  }

  /** Cuts it; its user is not told. */
  cut(): void {
    this.#user = undefined
    this.#leave()
  }

  head(head: ResponseHead): void {
    this.#head = head
    this.#user?.head(head)
  }

  data(bytes: Buffer): void {
    this.#user?.data(bytes)
  }

  end(): void {
    // Only once all that was read is looked at: what follows must not answer the next request.
    this.#isAnswered = true
  }

  #finish(isClean: boolean): void {
    const user = this.#user
    const head = this.#head
    this.#user = undefined
    this.#isAnswered = false
    // A request that is not out yet would be in the way of the next one.
    const isReusable = isClean && head?.isReusable === true && this.#socket.writableLength === 0
    if (isReusable && !this.#isGone) this.#free(head)
    else this.#leave()
    user?.end()
  }

  #free({ keepAliveMs }: ResponseHead): void {
    const ms = Math.min(this.#keepAliveMs, (keepAliveMs ?? Infinity) - keepAliveSlackMs)
    if (ms <= 0) {
      this.#leave()
      return
    }
    if (ms < this.#keepAliveMs) this.#socket.setTimeout(ms)
    this.#keepAliveMs = ms
    // What waits keeps no process alive.
    this.#socket.unref()
    if (this.#socket.isPaused()) this.#socket.resume()
    this.#owner.freed(this)
  }

  #silent(): void {
    if (this.#user === undefined) this.#leave()
  }

  #read(chunk: Buffer): void {
    try {
      this.#reader.push(chunk)
    } catch (error) {
      if (this.#isAnswered) this.#finish(false)
      else this.#break(error instanceof Error ? error : new Error(String(error)))
      return
    }
    if (this.#isAnswered) this.#finish(true)
  }

  #ended(): void {
    if (this.#reader.close()) this.#finish(false)
    else this.#break(new Error('the service closed the connection'))
  }

  #break(error: Error): void {
    const user = this.#user
    this.#user = undefined
    this.#leave()
    user?.broke(error, this.#requests > 1 && this.#head === undefined)
  }

  #leave(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#socket.destroy()
    this.#owner.gone(this)
  }
}
