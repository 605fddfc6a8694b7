// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { plainConnect } from '../web-socket-rig.ts'

/** A client of nothing but bytes that counts what it gets; there may be thousands of them. */
export class CrowdClient {
  readonly socket: Socket
  bytes = 0
  /** The last bytes that came. */
  tail = ''
  isClosed = false
  readonly opened: Promise<unknown>
  #waiting: { readonly text: string; readonly resolve: () => void } | undefined

  constructor(address: string, localAddress?: string) {
    const { hostname, port } = new URL(address)
    this.socket = connect({
      port: Number(port),
      host: hostname,
      noDelay: true,
      ...(localAddress === undefined ? {} : { localAddress }),
    })
    this.opened = once(this.socket, 'connect')
    this.opened.catch(() => undefined)
    this.socket.on('error', () => undefined)
    this.socket.on('close', () => {
      this.isClosed = true
      this.#waiting?.resolve()
    })
    this.socket.on('data', (chunk: Buffer) => {
      this.bytes += chunk.length
      this.tail = (this.tail + chunk.toString('latin1')).slice(-4096)
      if (this.#waiting !== undefined && this.tail.includes(this.#waiting.text)) this.#waiting.resolve()
    })
  }

  /** A client that has been let in. */
  static async connected(address: string, commands = ''): Promise<CrowdClient> {
    const client = new CrowdClient(address)
    client.send(`${plainConnect}${commands}PING\r\n`)
    await client.until('PONG\r\n')
    client.tail = ''
    return client
  }

  send(bytes: string): void {
    this.socket.write(bytes, 'latin1')
  }

  /** Resolves when the text has come or the connection is closed. */
  async until(text: string): Promise<void> {
    if (this.isClosed || this.tail.includes(text)) return
    await new Promise<void>((resolve) => {
      this.#waiting = { text, resolve }
    })
    this.#waiting = undefined
  }

  /** How long a PING takes, in milliseconds. */
  async ping(): Promise<number> {
    this.tail = ''
    const start = performance.now()
    this.send('PING\r\n')
    await this.until('PONG\r\n')
    if (this.isClosed) throw new Error(`the connection was closed: ${this.tail}`)
    return performance.now() - start
  }

  async closed(): Promise<string> {
    if (!this.isClosed) await once(this.socket, 'close')
    return this.tail
  }
}

/** The value below which that share of the values lies. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
