// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net'
import { ReadBuffer } from './read-buffer.ts'

/**
 * Lets a socket that was accepted, perhaps by an HTTP server before its upgrade, read into a buffer that is used again, as
 * `net.connect({ onread })` does for one that connects: Node has no option for it, only the same parts. Undefined where one
 * of them is missing or where bytes wait in the socket; it then reads as it did. From now on there are no `data` events.
 */
export function readIntoBuffer(socket: Socket, largeBytes: number): ReadBuffer | undefined {
  const handle: unknown = Reflect.get(socket, '_handle')
  const parts = onreadParts(socket)
  if (parts === undefined || typeof handle !== 'object' || handle === null) return undefined
  const useUserBuffer: unknown = Reflect.get(handle, 'useUserBuffer')
  if (typeof useUserBuffer !== 'function' || socket.readableLength > 0) return undefined
  const source = new ReadBuffer(largeBytes)
  const buffer = source.next()
  Reflect.set(socket, parts.buffer, buffer)
  // A stream that was read from before may begin to read again by itself while it is paused.
  Reflect.set(socket, parts.callback, (bytes: number) => source.read(bytes) && !socket.isPaused())
  Reflect.set(socket, parts.next, () => source.next())
  Reflect.apply(useUserBuffer, handle, [buffer])
  return source
}

interface OnreadParts {
  readonly buffer: symbol
  readonly callback: symbol
  readonly next: symbol
}

let known: OnreadParts | undefined

/** Where a socket keeps what the option `onread` says; null there says that it has none. */
function onreadParts(socket: Socket): OnreadParts | undefined {
  known ??= findParts(socket)
  if (known === undefined) return undefined
  const { buffer, callback, next } = known
  return [buffer, callback, next].every((part) => Reflect.get(socket, part) === null) ? known : undefined
}

function findParts(socket: Socket): OnreadParts | undefined {
  const symbols = Object.getOwnPropertySymbols(socket)
  const named = (name: string): symbol | undefined => symbols.find(({ description }) => description === name)
  const buffer = named('kBuffer')
  const callback = named('kBufferCb')
  const next = named('kBufferGen')
  if (buffer === undefined || callback === undefined || next === undefined) return undefined
  return { buffer, callback, next }
}
