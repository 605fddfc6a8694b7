// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { FlushList } from './flush-list.ts'
import type { Frame } from './frame.ts'
import { SharedDeflate, type DeflateOptions } from './shared-deflate.ts'

type Settle = (error?: Error | null) => void

// Above these copying costs more than it saves: many frames together, and one of them.
const joinBelowBytes = 65_536
const copyBelowBytes = 16_384

/**
 * The way of frames into a socket: as prebuilt bytes through the stream under it, or, where compression was agreed on
 * or the transport check has failed, as messages through `ws`.
 */
export class Wire {
  readonly #ws: WebSocket
  readonly #socket: Duplex
  readonly #isPlain: boolean
  readonly #deflate: SharedDeflate | undefined

  constructor(
    ws: WebSocket,
    socket: Duplex,
    mode: { readonly isPlain: boolean; readonly compression: false | DeflateOptions },
  ) {
    this.#ws = ws
    this.#socket = socket
    const isCompressed = ws.extensions !== ''
    this.#isPlain = mode.isPlain || isCompressed
    if (isCompressed && !mode.isPlain && mode.compression !== false)
      this.#deflate = new SharedDeflate(ws, mode.compression)
  }

  /** Bytes written that the kernel has not taken. */
  get bufferedBytes(): number {
    return this.#isPlain ? this.#ws.bufferedAmount : this.#socket.writableLength
  }

  /** Bytes of a write under way that the kernel has taken already, where node says so: grows as a slow client reads. */
  get partialProgress(): number {
    const handle: unknown = Reflect.get(this.#socket, '_handle')
    if (typeof handle !== 'object' || handle === null) return 0
    const queued: unknown = Reflect.get(handle, 'writeQueueSize')
    return typeof queued === 'number' ? -queued : 0
  }

  /** Writes frames, in order; `written` is called when the last of them has left. */
  write(frames: readonly Frame[], bytes: number, batch: FlushList, written: Settle | undefined): void {
    if (this.#ws.readyState !== this.#ws.OPEN || !this.#socket.writable) {
      const gone = new Error('the socket is closed')
      for (const frame of frames) frame.settle?.(gone)
      // Not from within push(): its caller has not seen the result yet.
      if (written !== undefined) queueMicrotask(() => written(gone))
      return
    }
    const settle = settleAll(frames, written)
    const first = frames[0]
    if (this.#isPlain) this.#sendAll(frames, settle)
    else if (frames.length === 1 && first !== undefined && !first.isLarge) this.#put(first.encode(), settle)
    else if (bytes <= joinBelowBytes && frames.every(isSmall)) this.#put(batch.join(frames, bytes), settle)
    else this.#putAll(frames, batch, settle)
  }

  /** Calls back when what the socket has now is written; false when there is nothing to wait for. */
  whenWritten(written: Settle): boolean {
    if (!this.#socket.writable) return false
    this.#socket.write(nothing, written)
    return true
  }

  #put(bytes: Uint8Array, settle: Settle | undefined): void {
    if (settle === undefined) this.#socket.write(bytes)
    else this.#socket.write(bytes, settle)
  }

  #putAll(frames: readonly Frame[], batch: FlushList, settle: Settle | undefined): void {
    const socket = this.#socket
    socket.cork()
    for (let from = 0; from < frames.length;) {
      const to = endOfRun(frames, from)
      const callback = to === frames.length ? settle : undefined
      const run = frames.slice(from, to)
      const [first] = run
      if (run.length > 1) this.#put(batch.join(run, bytesOf(run)), callback)
      else if (first !== undefined) this.#putOne(first, callback)
      from = to
    }
    socket.uncork()
  }

  #putOne(frame: Frame, settle: Settle | undefined): void {
    if (frame.isLarge) this.#socket.write(frame.head)
    this.#put(frame.isLarge ? frame.payload : frame.encode(), settle)
  }

  #sendAll(frames: readonly Frame[], settle: Settle | undefined): void {
    const last = frames.length - 1
    this.#socket.cork()
    for (const [index, frame] of frames.entries()) {
      const whole = this.#deflate?.encode(frame)
      if (whole !== undefined) {
        this.#put(whole, index === last ? settle : undefined)
        continue
      }
      const { binary, compress } = frame
      const options = compress === undefined ? { binary } : { binary, compress }
      if (index === last && settle !== undefined) this.#ws.send(frame.payload, options, settle)
      else this.#ws.send(frame.payload, options)
    }
    this.#socket.uncork()
  }
}

const nothing = Buffer.alloc(0)

/** Where the frames end that one buffer is made of. */
function endOfRun(frames: readonly Frame[], from: number): number {
  let bytes = 0
  for (let index = from; index < frames.length; index += 1) {
    const size = frames[index]?.size ?? 0
    bytes += size
    if (size >= copyBelowBytes || bytes > joinBelowBytes) return Math.max(index, from + 1)
  }
  return frames.length
}

function bytesOf(frames: readonly Frame[]): number {
  return frames.reduce((sum, { size }) => sum + size, 0)
}

function isSmall(frame: Frame): boolean {
  return !frame.isLarge
}

// One callback for the write, whoever waits: frames of one write leave together.
function settleAll(frames: readonly Frame[], written: Settle | undefined): Settle | undefined {
  let waiting: Settle[] | undefined
  for (const { settle } of frames) {
    if (settle === undefined) continue
    waiting ??= []
    waiting.push(settle)
  }
  if (waiting === undefined) return written
  const all = waiting
  return (error) => {
    for (const settle of all) settle(error)
    written?.(error)
  }
}
