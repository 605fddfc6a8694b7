// SPDX-License-Identifier: Apache-2.0

const nothing = new Uint8Array(0)
const smallest = 512
// What a quiet connection may keep; a buffer that had to grow beyond this is given back as soon as it is empty.
const kept = 4096

/** The bytes of one operation that came in several chunks. It grows with what has come, not with what was announced. */
export class HoldBuffer {
  bytes: Uint8Array = nothing
  length = 0

  append(chunk: Uint8Array, start: number, end: number): void {
    const size = this.length + (end - start)
    if (size > this.bytes.length) this.#grow(size)
    if (end - start < 32) {
      for (let at = start; at < end; at++) this.bytes[this.length++] = chunk[at] as number
      return
    }
    this.bytes.set(chunk.subarray(start, end), this.length)
    this.length = size
  }

  clear(): void {
    this.length = 0
    if (this.bytes.length > kept) this.bytes = nothing
  }

  /** Leaves the present buffer to whoever has it. */
  detach(): void {
    this.length = 0
    this.bytes = nothing
  }

  #grow(size: number): void {
    const grown = new Uint8Array(Math.max(size, this.bytes.length * 2, smallest))
    grown.set(this.bytes.subarray(0, this.length))
    this.bytes = grown
  }
}
