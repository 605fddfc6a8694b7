// SPDX-License-Identifier: Apache-2.0
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
  #isInside = false
  #isScheduled = false
  #isEnded = false

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Bytes that only the other side can take. */
  get unsentBytes(): number {
    return this.#transport.queuedBytes
  }

  /** The same and what is still to be written, be it that an operation has to end before. */
  get queuedBytes(): number {
    let bytes = this.#transport.queuedBytes
    for (const piece of this.#pieces) bytes += piece.length
    for (const piece of this.#waiting) bytes += piece.length
    return bytes
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
    this.#isEnded = true
    this.#waiting = []
  }

  /** Writes what was added, in one write. */
  flush(): void {
    const pieces = this.#pieces
    if (this.#isEnded) pieces.length = 0
    const only = pieces[0]
    if (only === undefined) return
    if (pieces.length === 1) {
      pieces.length = 0
      this.#transport.write(this.#transport.queuedBytes > 0 ? compact(only) : only)
      return
    }
    this.#pieces = []
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
    if (bytes > joinedBytes && pieces.length <= maxListed) this.#transport.writeAll(pieces)
    else this.#transport.write(joined(pieces, bytes))
  }
}

// What has to wait is kept with the whole buffer it was read into: a client that takes nothing of many short reads would
// cost a hundred times what is queued for it.
function compact(bytes: Uint8Array): Uint8Array {
  return bytes.length * 2 < bytes.buffer.byteLength ? Buffer.from(bytes) : bytes
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
