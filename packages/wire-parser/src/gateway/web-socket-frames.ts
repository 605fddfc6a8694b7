// SPDX-License-Identifier: Apache-2.0
import { Writable } from 'node:stream'

// RFC 6455, section 5.2.
const binary = 0x82
const text = 0x81
const ping = 0x89
const pong = 0x8a
const masked = 0x80
const maskBytes = 4
const longestHead = 14
const nothing = Buffer.alloc(0)
// A payload shorter than this is unmasked byte by byte; for others an aligned middle goes by words.
const wordsFrom = 64

/** What of the receiver of `ws` has to be as it is here; none of it is documented. */
interface Receiver extends Writable {
  readonly _state: number
  readonly _bufferedBytes: number
  readonly _fragmented: number
  readonly _opcode: number
  readonly _maxPayload: number
  readonly _loop: boolean
  readonly _errored: boolean
}

const numberNames = ['_state', '_bufferedBytes', '_fragmented', '_opcode', '_maxPayload']
const flagNames = ['_loop', '_errored']
const atFrame = 0
const closeCode = 8

export interface FrameSink {
  /** Bytes of messages, in place of the frames they came in. */
  data(bytes: Uint8Array): void
  /** A read was handed out. */
  flush(): unknown
}

/**
 * Takes binary frames straight from the bytes of a `ws` socket: what is in the frames of one read becomes one stretch, and
 * a frame does not have to be whole. All else goes to `ws` in its place: text, control frames, fragments, what is too large
 * or wrong.
 */
export class FrameTaker {
  readonly #receiver: Receiver
  readonly #sink: FrameSink
  /** What has come of a head that is not whole. */
  #head: Buffer = nothing
  /** Of the payload of a frame that has come in part. */
  #left = 0
  #mask = 0
  /** Which byte of the mask is next. */
  #phase = 0
  #gaveBytes = false

  /** Begins to take; undefined where `ws` is not as expected, or compresses, and then gets everything. */
  static takeFrom(ws: object, sink: FrameSink): FrameTaker | undefined {
    const receiver: unknown = Reflect.get(ws, '_receiver')
    if (Reflect.get(ws, 'extensions') !== '' || !isReceiver(receiver)) return undefined
    const taker = new FrameTaker(receiver, sink)
    receiver.write = (chunk: Buffer): boolean => taker.#write(chunk)
    return taker
  }

  /** Whether `ws` has got the last chunk or a part of it, and may keep it. */
  get gaveBytes(): boolean {
    return this.#gaveBytes
  }

  private constructor(receiver: Receiver, sink: FrameSink) {
    this.#receiver = receiver
    this.#sink = sink
  }

  #write(chunk: Buffer): boolean {
    this.#gaveBytes = false
    const isBetween = this.#left > 0 || this.#head.length > 0 || isBetweenMessages(this.#receiver)
    let at = !isBetween ? -1 : this.#head.length === 0 ? 0 : this.#endHead(chunk)
    if (at < 0) return this.#give(chunk)
    // What is taken moves together, over the heads of frames.
    let from = at
    let to = at
    let rest = chunk.length
    while (at < chunk.length) {
      if (this.#left === 0) {
        const head = this.#readHead(chunk, at, chunk.length)
        if (head > 0) at += head
        else if (head === 0) {
          this.#head = Buffer.from(chunk.subarray(at))
          break
        } else {
          const control = controlBytes(chunk, at)
          if (control === 0) {
            rest = at
            break
          }
          // A PONG may wait with what was in it, while payloads move over its place.
          this.#giveCopy(chunk.subarray(at, at + control))
          at += control
        }
        continue
      }
      const bytes = Math.min(this.#left, chunk.length - at)
      if (to === from) from = to = at
      this.#take(chunk, at, to, bytes)
      at += bytes
      to += bytes
    }
    if (to > from) {
      this.#sink.data(chunk.subarray(from, to))
      this.#sink.flush()
    }
    return rest === chunk.length ? true : this.#give(chunk.subarray(rest))
  }

  #give(chunk: Buffer): boolean {
    this.#gaveBytes = true
    return this.#pass(chunk)
  }

  #giveCopy(bytes: Buffer): void {
    this.#pass(Buffer.from(bytes))
  }

  #pass(chunk: Buffer): boolean {
    return Reflect.apply(Writable.prototype.write, this.#receiver, [chunk]) === true
  }

  /** Goes on with a head of which a part came before; answers where the payload begins, or -1 if the frame is for `ws`. */
  #endHead(chunk: Buffer): number {
    const before = this.#head
    const bytes = Buffer.concat([before, chunk.subarray(0, longestHead - before.length)])
    const head = this.#readHead(bytes, 0, bytes.length)
    this.#head = head === 0 ? bytes : nothing
    if (head === 0) return chunk.length
    if (head > 0) return head - before.length
    this.#pass(before)
    return -1
  }

  /** Reads a head and answers its length; 0 if it is not whole, -1 if the frame is for `ws`. */
  #readHead(bytes: Buffer, at: number, end: number): number {
    if (bytes[at] !== binary) return -1
    if (end - at < 2) return 0
    const short = (bytes[at + 1] as number) - masked
    if (short < 0) return -1
    const maskAt = at + (short < 126 ? 2 : short === 126 ? 4 : 10)
    if (maskAt + maskBytes > end) return 0
    const length =
      short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2))
    const { _maxPayload: most } = this.#receiver
    if (most > 0 && length > most) return -1
    this.#left = length
    this.#mask = bytes.readInt32LE(maskAt)
    this.#phase = 0
    return maskAt + maskBytes - at
  }

  #take(chunk: Buffer, at: number, to: number, bytes: number): void {
    // From here on the next byte of the payload meets the lowest byte of the mask.
    const mask = rotate(this.#mask, this.#phase)
    this.#left -= bytes
    this.#phase = (this.#phase + bytes) & 3
    if (bytes >= wordsFrom || mask === 0) {
      if (mask !== 0) unmask(chunk, at, at + bytes, mask)
      if (to < at) chunk.copyWithin(to, at, at + bytes)
      return
    }
    for (let i = 0; i < bytes; i++) chunk[to + i] = (chunk[at + i] as number) ^ (mask >>> ((i & 3) << 3))
  }
}

/** The head of a frame of a server, which is not masked. */
export function frameHead(length: number, isText: boolean): Buffer {
  const bytes = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const head = Buffer.allocUnsafe(bytes)
  head[0] = isText ? text : binary
  head[1] = bytes === 2 ? length : bytes === 4 ? 126 : 127
  if (bytes === 4) head.writeUInt16BE(length, 2)
  if (bytes === 10) head.writeBigUInt64BE(BigInt(length), 2)
  return head
}

/** How long a whole PING or PONG is that begins here; 0 for anything else. */
function controlBytes(chunk: Buffer, at: number): number {
  const first = chunk[at]
  const second = chunk[at + 1]
  if ((first !== ping && first !== pong) || second === undefined || second < masked || second > masked + 125) return 0
  const bytes = 2 + maskBytes + second - masked
  return at + bytes <= chunk.length ? bytes : 0
}

function unmask(chunk: Buffer, start: number, end: number, mask: number): void {
  let at = start
  while (((chunk.byteOffset + at) & 3) !== 0) {
    chunk[at] = (chunk[at] as number) ^ (mask >>> (((at - start) & 3) << 3))
    at++
  }
  const count = (end - at) >> 2
  unmaskWords(new Int32Array(chunk.buffer, chunk.byteOffset + at, count), count, rotate(mask, at - start))
  for (at += count * 4; at < end; at++) {
    chunk[at] = (chunk[at] as number) ^ (mask >>> (((at - start) & 3) << 3))
  }
}

// Eight in a turn: that is twice as fast as one.
function unmaskWords(words: Int32Array, count: number, mask: number): void {
  let at = 0
  for (const last = count - 8; at <= last; at += 8) {
    words[at] = (words[at] as number) ^ mask
    words[at + 1] = (words[at + 1] as number) ^ mask
    words[at + 2] = (words[at + 2] as number) ^ mask
    words[at + 3] = (words[at + 3] as number) ^ mask
    words[at + 4] = (words[at + 4] as number) ^ mask
    words[at + 5] = (words[at + 5] as number) ^ mask
    words[at + 6] = (words[at + 6] as number) ^ mask
    words[at + 7] = (words[at + 7] as number) ^ mask
  }
  for (; at < count; at++) words[at] = (words[at] as number) ^ mask
}

/** A mask whose byte `by` comes first. */
function rotate(mask: number, by: number): number {
  const bits = (by & 3) << 3
  return bits === 0 ? mask : (mask >>> bits) | (mask << (32 - bits))
}

function isReceiver(value: unknown): value is Receiver {
  if (!(value instanceof Writable) || value.write !== Writable.prototype.write) return false
  return (
    numberNames.every((name) => typeof Reflect.get(value, name) === 'number') &&
    flagNames.every((name) => Reflect.get(value, name) === false)
  )
}

function isBetweenMessages(receiver: Receiver): boolean {
  const { _state: state, _bufferedBytes: buffered, _fragmented: fragmented, _opcode: opcode } = receiver
  const { _loop: isReading, _errored: hasFailed } = receiver
  const isAtFrame = state === atFrame && buffered === 0 && fragmented === 0
  return isAtFrame && opcode !== closeCode && !isReading && !hasFailed
}
