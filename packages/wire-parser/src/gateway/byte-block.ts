// SPDX-License-Identifier: Apache-2.0

const leastBytes = 1024
const mostBytes = 32_768
// A larger piece is worth a place of its own.
const copiedBytes = 4096

/**
 * Small pieces that wait, copied together: by itself each would cost some hundred bytes beside its own. A block is twice as
 * large as what was in the last one, so that those who hold little cost little.
 */
export class ByteBlock {
  #buffer: Buffer | undefined
  #used = 0
  #next = leastBytes

  get bytes(): number {
    return this.#used
  }

  /** Copies a piece behind the others; false where it does not fit, or is too large for any block. */
  add(piece: Uint8Array): boolean {
    if (piece.length > copiedBytes) return false
    this.#buffer ??= Buffer.allocUnsafeSlow(Math.max(this.#next, piece.length))
    if (this.#used + piece.length > this.#buffer.length) return false
    this.#buffer.set(piece, this.#used)
    this.#used += piece.length
    return true
  }

  /** Hands out what is in the block, which is then empty. */
  take(): Uint8Array | undefined {
    const taken = this.#used > 0 ? this.#buffer?.subarray(0, this.#used) : undefined
    this.#next = Math.min(mostBytes, Math.max(leastBytes, this.#used * 2))
    this.#buffer = undefined
    this.#used = 0
    return taken
  }
}

/** A piece that waits by itself, without the buffer it was read into where that is much larger. */
export function compact(piece: Uint8Array): Uint8Array {
  return piece.length * 2 < piece.buffer.byteLength ? Buffer.from(piece) : piece
}
