// SPDX-License-Identifier: Apache-2.0
import { opcodes } from './ws-frame.ts'

const longestHead = 10
const longestControl = 125

/** What a counter tells besides its count. */
export interface FrameEvents {
  /** A ping came; the payload is valid during the call. */
  onPing(payload: Uint8Array): void
}

/**
 * Reads the frames of a WebSocket server just far enough to count its messages, payloads skipped by length. A message of
 * another length than expected is a fault, as are close frames, fragments and masks; a ping is handed on.
 */
export class FrameCounter {
  readonly #messageBytes: number
  readonly #events: FrameEvents
  readonly #head = Buffer.alloc(longestHead)
  readonly #control = Buffer.alloc(longestControl)
  #headBytes = 0
  #opcode = 0
  #payloadBytes = 0
  #left = 0
  #fault: string | undefined

  /** `messageBytes`: how long each message must be; undefined: any length. */
  constructor(messageBytes: number | undefined, events: FrameEvents) {
    this.#messageBytes = messageBytes ?? -1
    this.#events = events
  }

  /** Set once the bytes are not what was expected; nothing is read afterwards. */
  get fault(): string | undefined {
    return this.#fault
  }

  /** Takes the next `length` bytes as they came; answers how many messages they complete. */
  push(bytes: Uint8Array, length: number = bytes.length): number {
    let messages = 0
    let at = 0
    while (at < length && this.#fault === undefined) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, length - at)
        this.#keepControl(bytes, at, taken)
        at += taken
        this.#left -= taken
        if (this.#left === 0) messages += this.#complete()
      } else if (this.#headByte(bytes[at++] ?? 0)) {
        messages += this.#complete()
      }
    }
    return messages
  }

  /** Whether the head is whole and nothing follows it. */
  #headByte(byte: number): boolean {
    const head = this.#head
    head[this.#headBytes] = byte
    this.#headBytes += 1
    if (this.#headBytes === 1) {
      this.#begin(byte)
      return false
    }
    const short = head[1] ?? 0
    // A mask would make it a number above 127.
    if (short > 127) this.#fault = 'masked frame'
    const headLength = short < 126 ? 2 : short === 126 ? 4 : longestHead
    if (this.#headBytes < headLength) return false
    this.#payloadBytes = short < 126 ? short : short === 126 ? head.readUInt16BE(2) : Number(head.readBigUInt64BE(2))
    this.#left = this.#payloadBytes
    this.#headBytes = 0
    return this.#left === 0
  }

  #begin(byte: number): void {
    this.#opcode = byte & 0x0f
    if (this.#opcode === opcodes.close) this.#fault = 'closed by the server'
    else if ((byte & 0x80) === 0 || this.#opcode === 0) this.#fault = 'fragmented message'
    else if ((byte & 0x70) !== 0) this.#fault = 'reserved bits'
  }

  #keepControl(bytes: Uint8Array, at: number, taken: number): void {
    if (this.#opcode < opcodes.close || this.#payloadBytes > longestControl) return
    this.#control.set(bytes.subarray(at, at + taken), this.#payloadBytes - this.#left)
  }

  /** 1 for a message, 0 for anything else. */
  #complete(): 0 | 1 {
    if (this.#fault !== undefined) return 0
    if (this.#opcode < opcodes.close) {
      if (this.#messageBytes === -1 || this.#messageBytes === this.#payloadBytes) return 1
      this.#fault = `message of ${this.#payloadBytes} bytes`
    } else if (this.#opcode === opcodes.ping) {
      this.#events.onPing(this.#control.subarray(0, this.#payloadBytes))
    }
    return 0
  }
}
