// SPDX-License-Identifier: Apache-2.0
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'

// As much as Node reads at once by itself.
const buffer = Buffer.allocUnsafeSlow(65_536)

/**
 * Lets a socket read into one buffer that all of them share, and gives what was read on as `data` events with bytes of their
 * own. By itself Node makes 64 KiB for every read and gives back what was not needed, which costs more than a copy of a
 * small message. Node has this as the option `onread` of a socket that connects; for one that was accepted there are only
 * the same parts. False where one of them is missing or bytes wait in the socket, which then reads as it did.
 */
export function readIntoShared(socket: Duplex): boolean {
  // TLS makes its own buffers.
  if (!(socket instanceof Socket) || socket instanceof TLSSocket || socket.readableLength > 0) return false
  const handle: unknown = Reflect.get(socket, '_handle')
  const parts = partsOf(socket)
  if (parts === undefined || typeof handle !== 'object' || handle === null) return false
  const useUserBuffer: unknown = Reflect.get(handle, 'useUserBuffer')
  if (typeof useUserBuffer !== 'function') return false
  Reflect.set(socket, parts.buffer, buffer)
  Reflect.set(socket, parts.callback, onRead)
  Reflect.apply(useUserBuffer, handle, [buffer])
  socket.on('pause', readOn)
  return true
}

// One function for all sockets: a closure for each would be kept as long as its connection.
function onRead(this: Socket, bytes: number): boolean {
  const chunk = Buffer.from(buffer.subarray(0, bytes))
  if (this.isPaused() || this.readableLength > 0) return this.push(chunk)
  this.emit('data', chunk)
  return true
}

/** A paused socket reads on until it holds as much as a stream may, as ever: how else would it see that its client has gone? */
function readOn(this: Socket): void {
  this.read(0)
}

interface Parts {
  readonly buffer: symbol
  readonly callback: symbol
}

let known: Parts | undefined

/** Where a socket keeps what the option `onread` says; null there says that it has none. */
function partsOf(socket: Socket): Parts | undefined {
  known ??= findParts(socket)
  if (known === undefined) return undefined
  const isFree = Reflect.get(socket, known.buffer) === null && Reflect.get(socket, known.callback) === null
  return isFree ? known : undefined
}

function findParts(socket: Socket): Parts | undefined {
  const symbols = Object.getOwnPropertySymbols(socket)
  const named = (name: string): symbol | undefined => symbols.find(({ description }) => description === name)
  const [buffer, callback] = [named('kBuffer'), named('kBufferCb')]
  return buffer === undefined || callback === undefined ? undefined : { buffer, callback }
}
