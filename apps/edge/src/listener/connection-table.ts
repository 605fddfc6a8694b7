// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net'
import { plainAddress } from '../client-address.ts'

export type RefusalReason = 'global' | 'ip'

export interface ConnectionLimits {
  /** Of all listeners together; undefined: whatever the others hold, this one still takes connections. */
  readonly connections: number | undefined
  readonly connectionsPerIp: number
}

/** Places shared by all listeners of an edge. */
export class ConnectionCount {
  open = 0
}

/**
 * Counts the sockets of a listener. Above a limit a socket is marked, so that its first request gets a 503; above the
 * limit and a margin of 5 % (at least 16) it is closed at once, since an answer costs more than it is worth then.
 */
export class ConnectionTable {
  readonly sockets: Set<Socket> = new Set()
  readonly refused: Record<RefusalReason, number> = { global: 0, ip: 0 }
  readonly #limits: ConnectionLimits
  readonly #count: ConnectionCount
  readonly #exempt: (address: string) => boolean
  readonly #perIp = new Map<string, number>()
  #received = 0
  #sent = 0
  readonly #marked = new Map<Socket, RefusalReason>()

  constructor(limits: ConnectionLimits, count: ConnectionCount, exempt: (address: string) => boolean) {
    this.#limits = limits
    this.#count = count
    this.#exempt = exempt
  }

  /** Takes a new socket in. The same socket may be announced again after a refused upgrade. */
  add(socket: Socket): void {
    if (this.sockets.has(socket)) return
    const address = plainAddress(socket.remoteAddress ?? '')
    this.sockets.add(socket)
    this.#count.open++
    const ofIp = (this.#perIp.get(address) ?? 0) + 1
    this.#perIp.set(address, ofIp)
    socket.once('close', () => this.#remove(socket, address))
    const { connections = Number.POSITIVE_INFINITY, connectionsPerIp } = this.#limits
    if (this.#count.open > connections) this.#refuse(socket, 'global', this.#count.open, connections)
    else if (ofIp > connectionsPerIp && !this.#exempt(address)) this.#refuse(socket, 'ip', ofIp, connectionsPerIp)
  }

  /** Bytes received and sent so far, on open and on closed connections. */
  bytes(): { readonly received: number; readonly sent: number } {
    let received = this.#received
    let sent = this.#sent
    for (const socket of this.sockets) {
      received += socket.bytesRead
      sent += socket.bytesWritten
    }
    return { received, sent }
  }

  /** Why requests on this socket are refused, if they are. */
  refusalOf(socket: Socket): RefusalReason | undefined {
    return this.#marked.size === 0 ? undefined : this.#marked.get(socket)
  }

  #refuse(socket: Socket, reason: RefusalReason, open: number, limit: number): void {
    this.refused[reason]++
    if (open > limit + Math.max(16, Math.ceil(limit / 20))) socket.destroy()
    else this.#marked.set(socket, reason)
  }

  #remove(socket: Socket, address: string): void {
    this.sockets.delete(socket)
    this.#received += socket.bytesRead
    this.#sent += socket.bytesWritten
    this.#marked.delete(socket)
    this.#count.open--
    const left = (this.#perIp.get(address) ?? 1) - 1
    if (left === 0) this.#perIp.delete(address)
    else this.#perIp.set(address, left)
  }
}
