// SPDX-License-Identifier: Apache-2.0

const smallBytes = 4096
// Connections with little traffic share it, so that idle clients cost little: what comes to them is copied.
const small = Buffer.allocUnsafeSlow(smallBytes)
// What a busy connection may read at once, in large buffers: a flood then takes a quarter of the calls.
const busyTimes = 4
// Reads in a row that would have fitted a small buffer before a large one is given back.
const quietReads = 16
const maxSpareBytes = 4_194_304
const maxLent = 16

const spare = new Map<number, Buffer[]>()
let spareBytes = 0

/**
 * The buffer a socket reads into. A connection that fills the small one, which all share, gets a large one of its own, and
 * one that fills that a larger one; they are used again and again while nobody refers to what was read.
 */
export class ReadBuffer {
  /** Gets each read; returns whether something still refers to its bytes, or to those of a read before it. */
  receive: (chunk: Uint8Array) => boolean = () => false
  readonly #sizes: readonly number[]
  #level = 0
  #buffer: Buffer = small
  #quiet = 0
  /** What was referred to when it was read; not held back from the collector, as there may be no other read. */
  #lent: WeakRef<Buffer>[] = []
  #isLeft = false

  constructor(largeBytes: number) {
    this.#sizes = largeBytes > smallBytes ? [smallBytes, largeBytes, largeBytes * busyTimes] : [smallBytes]
  }

  /** For `onread.buffer`: where the next read goes. */
  next(): Buffer {
    return this.#buffer
  }

  /** Within `receive`: leaves the buffer for good to somebody who does not say how long he needs it. */
  leave(): void {
    this.#isLeft = true
  }

  /** For `onread.callback`. */
  read(bytes: number): boolean {
    this.#isLeft = false
    const chunk = this.#buffer.subarray(0, bytes)
    const isKept = this.receive(this.#buffer === small ? Buffer.from(chunk) : chunk)
    if (!isKept && this.#lent.length > 0) this.#takeBack()
    const level = this.#nextLevel(bytes)
    if (isKept || this.#isLeft || level !== this.#level) this.#replace(level, isKept)
    return true
  }

  #nextLevel(bytes: number): number {
    const level = this.#level
    this.#quiet = bytes < smallBytes ? this.#quiet + 1 : 0
    if (bytes === this.#buffer.length) return Math.min(level + 1, this.#sizes.length - 1)
    // A flood has ended where the largest is not filled.
    if (level > 1) return 1
    return this.#quiet < quietReads ? level : 0
  }

  #takeBack(): void {
    for (const lent of this.#lent) {
      const buffer = lent.deref()
      if (buffer !== undefined) putAside(buffer)
    }
    this.#lent = []
  }

  #replace(level: number, isKept: boolean): void {
    const buffer = this.#buffer
    if (buffer !== small && !this.#isLeft) {
      if (!isKept) putAside(buffer)
      else if (this.#lent.length < maxLent) this.#lent.push(new WeakRef(buffer))
    }
    this.#level = level
    this.#buffer = level === 0 ? small : bufferOf(this.#sizes[level] ?? smallBytes)
  }
}

function bufferOf(bytes: number): Buffer {
  const used = spare.get(bytes)?.pop()
  if (used === undefined) return Buffer.allocUnsafeSlow(bytes)
  spareBytes -= bytes
  return used
}

function putAside(buffer: Buffer): void {
  const { length } = buffer
  if (spareBytes + length > maxSpareBytes) return
  const alike = spare.get(length)
  if (alike === undefined) spare.set(length, [buffer])
  else alike.push(buffer)
  spareBytes += length
}
