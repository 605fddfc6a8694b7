// SPDX-License-Identifier: Apache-2.0
import { vi } from 'vitest'
import { WebSocket, type ClientOptions } from 'ws'
import { patience, type Patience } from '../support/program.ts'

export interface Close {
  readonly code: number
  readonly reason: string
  readonly atMs: number
}

/** A WebSocket client that keeps all it is sent. */
export class WsClient {
  readonly socket: WebSocket
  readonly texts: string[] = []
  readonly binaries: Buffer[] = []
  closed: Close | undefined

  private constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) this.binaries.push(data)
      else this.texts.push(data.toString())
    })
    socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString(), atMs: performance.now() }
    })
    socket.on('error', () => {})
  }

  /** Rejects with the status where the handshake is refused. */
  static open(url: string, options: ClientOptions = {}, subprotocols: string[] = []): Promise<WsClient> {
    const socket = new WebSocket(url.replace(/^http/, 'ws'), subprotocols, options)
    const client = new WsClient(socket)
    return new Promise((resolve, reject) => {
      socket.once('open', () => resolve(client))
      socket.once('unexpected-response', (_request, response) => {
        response.resume()
        reject(new Error(`status ${response.statusCode}`))
        socket.terminate()
      })
      socket.once('error', reject)
    })
  }

  get isOpen(): boolean {
    return this.socket.readyState === WebSocket.OPEN
  }

  /** The messages, read as JSON. */
  get values(): unknown[] {
    return this.texts.map((text): unknown => JSON.parse(text))
  }

  send(message: string | Uint8Array): this {
    this.socket.send(message)
    return this
  }

  sendJson(value: unknown): this {
    return this.send(JSON.stringify(value))
  }

  /** Resolves once as many text messages have come, with all of them. */
  async received(count: number, within: Patience = patience): Promise<readonly string[]> {
    await vi.waitUntil(() => this.texts.length >= count, within).catch(() => {})
    if (this.texts.length < count) throw new Error(`${count} messages wanted; ${this.#state()}`)
    return this.texts
  }

  /** Sends a JSON message and resolves with the one that answers it. */
  async ask(
    message: { readonly id: number } & Readonly<Record<string, unknown>>,
    within: Patience = patience,
  ): Promise<Record<string, unknown>> {
    this.sendJson(message)
    const answer = (): unknown =>
      this.values.find((each) => typeof each === 'object' && each !== null && 'id' in each && each.id === message.id)
    await vi.waitUntil(() => answer() !== undefined, within).catch(() => {})
    const found = answer()
    if (typeof found !== 'object' || found === null) throw new Error(`no answer to ${message.id}; ${this.#state()}`)
    return { ...found }
  }

  async untilClosed(): Promise<Close> {
    await vi.waitUntil(() => this.closed !== undefined, patience).catch(() => {})
    if (this.closed === undefined) throw new Error(`not closed; ${this.#state()}`)
    return this.closed
  }

  /** Cuts the connection. */
  end(): void {
    this.socket.terminate()
  }

  #state(): string {
    return `${JSON.stringify(this.closed ?? 'open')}, received ${JSON.stringify(this.texts)}`
  }
}
