// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { DeliveryReader } from './delivery-reader.ts'
import { FrameReader } from './frame-reader.ts'
import { clientFrame } from './wire-operations.ts'

const largeReadBytes = 262_144
const connectLine = 'CONNECT {"verbose":false,"pedantic":false,"lang":"bench","version":"1","protocol":1}\r\n'
const headEnd = '\r\n\r\n'

export interface WireClientOptions {
  /** `nats://host:port` or `ws://host:port/path`. */
  readonly url: string
  /** How long each delivery is. Default 0: none is expected. */
  readonly deliveryBytes?: number
  /** Of the buffer that is read into. Default 262144: a flood wants few reads. */
  readonly readBytes?: number
  /** Hears how many deliveries have come. */
  readonly onDeliveries?: (count: number) => void
}

/** A NATS client that knows no more than a load needs: it writes bytes that were prepared, and counts what comes. */
export class WireClient {
  readonly isWebSocket: boolean
  readonly #socket: Socket
  readonly #deliveries: DeliveryReader
  readonly #pongs: (() => void)[] = []
  #read: (chunk: Buffer) => void
  readonly #waiting = new Set<(error: Error) => void>()
  #failure: Error | undefined

  /** Resolves once the server has answered a PING behind CONNECT. */
  static async open(options: WireClientOptions): Promise<WireClient> {
    const client = new WireClient(options)
    try {
      if (client.isWebSocket) await client.#upgrade(new URL(options.url))
      else client.#read = (chunk) => client.#deliveries.push(chunk)
      client.say(connectLine)
      await client.ping()
      return client
    } catch (error) {
      client.close()
      throw error
    }
  }

  private constructor(options: WireClientOptions) {
    const { url, deliveryBytes = 0, readBytes = largeReadBytes, onDeliveries = () => {} } = options
    const { protocol, hostname, port } = new URL(url)
    this.isWebSocket = protocol === 'ws:'
    this.#deliveries = new DeliveryReader(deliveryBytes, {
      deliveries: onDeliveries,
      line: (text) => this.#line(text),
    })
    this.#read = () => {}
    const buffer = Buffer.allocUnsafeSlow(readBytes)
    const onread = { buffer, callback: (bytes: number) => this.#take(buffer.subarray(0, bytes)) }
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true, onread })
    this.#socket.on('error', (error) => this.#end(error))
    this.#socket.on('close', () => this.#end(new Error('the connection was closed')))
  }

  /** Why the connection ended; undefined while it lives. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Writes bytes that are framed already; false where `drained()` is to be waited for. */
  write(bytes: Buffer): boolean {
    return this.#socket.write(bytes)
  }

  /** Resolves when everything written was taken; rejects when the connection ends. */
  drained(): Promise<void> {
    return this.orEnd((resolve) => this.#socket.once('drain', resolve))
  }

  /** Frames and writes an operation. */
  say(operation: string): void {
    const bytes = Buffer.from(operation)
    this.write(this.isWebSocket ? clientFrame(bytes) : bytes)
  }

  /** Sends PING and resolves with its PONG. */
  ping(): Promise<void> {
    this.say('PING\r\n')
    return this.orEnd((resolve) => this.#pongs.push(resolve))
  }

  /** Subscribes with the sid 1; resolves once the server has taken it. */
  subscribe(subject: string): Promise<void> {
    this.say(`SUB ${subject} 1\r\n`)
    return this.ping()
  }

  /** Calls back once for the next PONG; whoever expects one writes the PING. */
  onPong(answered: () => void): void {
    this.#pongs.push(answered)
  }

  /** Resolves when it is called back; rejects when the connection ends before. */
  orEnd(start: (resolve: () => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure)
        return
      }
      this.#waiting.add(reject)
      start(() => {
        this.#waiting.delete(reject)
        resolve()
      })
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(chunk: Buffer): boolean {
    try {
      this.#read(chunk)
    } catch (error) {
      this.#end(error instanceof Error ? error : new Error(String(error)))
      this.close()
    }
    return true
  }

  #line(text: string): void {
    if (text === 'PONG') this.#pongs.shift()?.()
    else if (text === 'PING') this.say('PONG\r\n')
    else if (!text.startsWith('INFO ')) throw new Error(`the server said ${text}`)
  }

  #end(error: Error): void {
    this.#failure ??= error
    for (const reject of this.#waiting) reject(this.#failure)
    this.#waiting.clear()
  }

  // RFC 6455, section 4.1; that the answer's Sec-WebSocket-Accept is right is for tests of servers.
  #upgrade({ host, pathname }: URL): Promise<void> {
    const key = randomBytes(16).toString('base64')
    const frames = new FrameReader((bytes) => this.#deliveries.push(bytes))
    this.#socket.write(
      `GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    )
    return this.orEnd((resolve) => {
      let head = ''
      this.#read = (chunk) => {
        const before = head.length
        head += chunk.toString('latin1')
        const end = head.indexOf(headEnd)
        if (end < 0) return
        if (!head.startsWith('HTTP/1.1 101 '))
          throw new Error(`the server answered ${head.slice(0, head.indexOf('\r'))}`)
        this.#read = (bytes) => frames.push(bytes)
        frames.push(chunk.subarray(end + headEnd.length - before))
        resolve()
      }
    })
  }
}
