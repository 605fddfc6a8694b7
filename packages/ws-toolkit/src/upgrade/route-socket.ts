// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from 'node:stream'
import type { Permit } from '@nats-edge/wire-parser'
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

/**
 * The sockets of our routes. Whoever owns one is told by calls, not by listeners, which would be kept as long as it is;
 * and as `ws` answers a close frame by itself, its owner has the word before.
 */
export class RouteSocket extends WebSocket {
  owner: SocketOwner | undefined = undefined
  /** The place it has; given back before anybody hears of its end. */
  permit: Permit | undefined = undefined
  /** The stream under it. */
  stream: Duplex | undefined = undefined

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    if (event === 'close') this.permit?.release()
    if (this.owner !== undefined) return tellOwner(this.owner, event, args) || super.emit(event, ...args)
    // Nobody has to listen to errors: any oversized message is one.
    return (event !== 'error' || this.listenerCount(event) > 0) && super.emit(event, ...args)
  }

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

// Where other packages find it.
Object.defineProperty(RouteSocket.prototype, Symbol.for('nats-edge.socket'), {
  get(this: RouteSocket) {
    return this.stream
  },
})

/** Whether the owner is who wants to know. */
function tellOwner(owner: SocketOwner, event: string | symbol, [first, second]: readonly unknown[]): boolean {
  switch (event) {
    case 'message':
      // Never anything but a Buffer: the binaryType of an owned socket is not changed.
      owner.received(first as Buffer, second === true)
      return true
    case 'pong':
      owner.ponged(first as Buffer)
      return true
    case 'close':
      owner.gone(Number(first), String(second))
      return true
    case 'error':
      return true
    default:
      return false
  }
}
