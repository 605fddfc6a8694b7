// SPDX-License-Identifier: Apache-2.0
import { ByteBlock, compact } from './byte-block.ts'
import type { Transport } from './transport.ts'

// Small pieces are copied into one buffer; for large ones that costs more than a list for the system.
const joinedBytes = 16_384
const maxListed = 64

/**
 * The one writer of a transport. What is forwarded and what the gateway says itself go through here, in order and with
 * operations kept whole.
 */
export class Outlet {
  readonly #transport: Transport
  #pieces: Uint8Array[] = []
  /** What the gateway says, waiting for the end of an operation of which a part has gone out. */
  #waiting: Uint8Array[] = []
  /** Small pieces for a transport that is still busy with others. */
  readonly #block = new ByteBlock()
  #isInside = false
  #isScheduled = false
  #isEnded = false
  /** Whether the transport says when it has sent all that was written. */
  #isAwaiting = false
  /** Whether the transport has got bytes that are not a copy. */
  #hasLent = false

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Bytes that only the other side can take. */
  get unsentBytes(): number {
    return this.#transport.queuedBytes
  }

  /** The same and what is still to be written, be it that an operation has to end before. */
  get queuedBytes(): number {
    let bytes = this.#transport.queuedBytes + this.#block.bytes
    for (const piece of this.#pieces) bytes += piece.length
    for (const piece of this.#waiting) bytes += piece.length
    return bytes
  }

  /** Whether bytes that were added are still referred to. */
  get keepsBytes(): boolean {
    if (this.#pieces.length > 0 || this.#waiting.length > 0) return true
    this.#hasLent &&= this.#transport.queuedBytes > 0
    return this.#hasLent
  }

  /** Whether a part of an operation has gone out and the rest is to come. */
  get isInside(): boolean {
    return this.#isInside
  }

  /** Adds a stretch of whole operations to the next write. */
  add(bytes: Uint8Array): void {
    this.#pieces.push(bytes)
  }

  /** Adds a part of an operation. */
  addPart(bytes: Uint8Array): void {
    this.#isInside = true
    this.#pieces.push(bytes)
  }

  /** Says that the last part was the end of its operation. */
  endParts(): void {
    this.#isInside = false
    if (this.#waiting.length === 0) return
    this.#pieces.push(...this.#waiting)
    this.#waiting = []
  }

  /** Adds whole operations of the gateway's own, to go out with the next write or at the end of this turn. */
  insert(bytes: Uint8Array): void {
    if (this.#isEnded) return
    if (this.#isInside) this.#waiting.push(bytes)
    else this.#pieces.push(bytes)
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.flush()
    })
  }

  /** Writes what was added, and nothing after it: the transport is about to be ended. */
  end(): void {
    this.flush()
    this.#writeBlock()
    this.#isEnded = true
    this.#waiting = []
  }

  /** Writes what was added, in one write. */
  flush(): void {
    const pieces = this.#pieces
    if (this.#isEnded) pieces.length = 0
    const only = pieces[0]
    if (only === undefined) return
    if (this.#transport.queuedBytes > 0 || this.#block.bytes > 0) {
      this.#pieces = []
      this.#queue(pieces)
    } else if (pieces.length === 1) {
      pieces.length = 0
      this.#hasLent = true
      this.#transport.write(only)
    } else {
      this.#pieces = []
      this.#writeTogether(pieces)
    }
  }

  #writeTogether(pieces: readonly Uint8Array[]): void {
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
    if (bytes > joinedBytes && pieces.length <= maxListed) {
      this.#hasLent = true
      this.#transport.writeAll(pieces)
    } else {
      this.#transport.write(joined(pieces, bytes))
    }
  }

  // What has to wait is not kept with the whole buffer it was read into: a client that takes nothing of many short reads
  // would cost a hundred times what is queued for it.
  #queue(pieces: readonly Uint8Array[]): void {
    for (const piece of pieces) {
      if (this.#block.add(piece)) continue
      this.#writeBlock()
      if (!this.#block.add(piece)) this.#writeAlone(piece)
    }
    if (!this.#isAwaiting) this.#writeBlock()
  }

  #writeAlone(piece: Uint8Array): void {
    const kept = compact(piece)
    if (kept === piece) this.#hasLent = true
    this.#transport.write(kept)
  }

  #writeBlock(): void {
    const bytes = this.#block.take()
    if (bytes === undefined) return
    if (this.#isAwaiting) {
      this.#transport.write(bytes)
      return
    }
    this.#isAwaiting = true
    this.#transport.write(bytes, (error) => this.#sent(error))
  }

  #sent(error: Error | null | undefined): void {
    this.#isAwaiting = false
    if ((error ?? null) === null) this.#writeBlock()
  }
}

function joined(pieces: readonly Uint8Array[], bytes: number): Uint8Array {
  const buffer = Buffer.allocUnsafe(bytes)
  let at = 0
  for (const piece of pieces) {
    buffer.set(piece, at)
    at += piece.length
  }
  return buffer
}
