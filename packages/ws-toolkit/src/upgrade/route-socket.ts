// SPDX-License-Identifier: Apache-2.0
import { WebSocket } from 'ws'

/** Whoever has taken a socket over from the events of its route. */
export interface SocketOwner {
  received(bytes: Buffer, binary: boolean): void
  /** A ping has come and was answered. */
  pinged(): void
  ponged(payload: Buffer): void
  /** A close frame is about to be written: what is still held back must go first. */
  beforeClose(code: number | undefined): void
  gone(code: number, reason: string): void
}

/** The sockets of our routes: `ws` answers a close frame by itself, and its owner must have the word before. */
export class RouteSocket extends WebSocket {
  owner: SocketOwner | undefined = undefined

  override close(code?: number, data?: string | Buffer): void {
    if (this.readyState === WebSocket.OPEN) this.owner?.beforeClose(code)
    super.close(code, data)
  }

  /** Is called by `ws` for each ping: a listener would be kept as long as its connection. */
  override pong(...answer: Parameters<WebSocket['pong']>): void {
    super.pong(...answer)
    this.owner?.pinged()
  }
}
