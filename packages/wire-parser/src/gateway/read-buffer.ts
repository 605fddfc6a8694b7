// SPDX-License-Identifier: Apache-2.0

const smallBytes = 4096
const pooledBytes = 65_536
// Reads in a row that would have fitted a small buffer before a large one is given back.
const quietReads = 16
const maxSpare = 64

const spare: Buffer[] = []

/**
 * The buffer a socket reads into. It is used again and again while nobody refers to what was read; a connection
 * with little traffic has a small one, so that idle clients cost little.
 */
export class ReadBuffer {
  /** Gets each read; returns whether something still refers to the bytes. */
  receive: (chunk: Uint8Array) => boolean = () => false
  readonly #largeBytes: number
  #buffer: Buffer = Buffer.allocUnsafeSlow(smallBytes)
  #quiet = 0

  constructor(largeBytes: number) {
    this.#largeBytes = largeBytes
  }

  /** For `onread.buffer`: where the next read goes. */
  next(): Buffer {
    return this.#buffer
  }

  /** For `onread.callback`. */
  read(bytes: number): boolean {
    const isKept = this.receive(this.#buffer.subarray(0, bytes))
    this.#choose(bytes, isKept)
    return true
  }

  #choose(bytes: number, isKept: boolean): void {
    const isLarge = this.#buffer.length > smallBytes
    this.#quiet = bytes < smallBytes ? this.#quiet + 1 : 0
    const wantsLarge = isLarge ? this.#quiet < quietReads : bytes === smallBytes && this.#largeBytes > smallBytes
    if (!isKept && wantsLarge === isLarge) return
    if (!isKept && this.#buffer.length === pooledBytes && spare.length < maxSpare) spare.push(this.#buffer)
    this.#buffer = wantsLarge ? largeBuffer(this.#largeBytes) : Buffer.allocUnsafeSlow(smallBytes)
  }
}

function largeBuffer(bytes: number): Buffer {
  return (bytes === pooledBytes ? spare.pop() : undefined) ?? Buffer.allocUnsafeSlow(bytes)
}
