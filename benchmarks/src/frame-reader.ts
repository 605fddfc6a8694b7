// SPDX-License-Identifier: Apache-2.0

const close = 8
const ping = 9
const longestHead = 10

/** Takes the frames of a WebSocket server off a stream of bytes, cut anywhere, and hands on what is in messages. */
export class FrameReader {
  readonly #take: (bytes: Buffer) => void
  readonly #head = Buffer.alloc(longestHead)
  #headBytes = 0
  #isControl = false
  #left = 0

  constructor(take: (bytes: Buffer) => void) {
    this.#take = take
  }

  /** Throws where the server closes or wants to be answered, which no load does. */
  push(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#left === 0) {
        this.#readHead(chunk[at++] as number)
        continue
      }
      const end = Math.min(chunk.length, at + this.#left)
      if (!this.#isControl) this.#take(chunk.subarray(at, end))
      this.#left -= end - at
      at = end
    }
  }

  #readHead(byte: number): void {
    const head = this.#head
    head[this.#headBytes++] = byte
    if (this.#headBytes < 2) return
    const short = (head[1] as number) & 0x7f
    const length = short < 126 ? 2 : short === 126 ? 4 : longestHead
    if (this.#headBytes < length) return
    const opcode = (head[0] as number) & 0x0f
    if (opcode === close || opcode === ping) throw new Error(`the server sent a frame with opcode ${opcode}`)
    this.#isControl = opcode > close
    this.#left = short < 126 ? short : short === 126 ? head.readUInt16BE(2) : Number(head.readBigUInt64BE(2))
    this.#headBytes = 0
  }
}
