// SPDX-License-Identifier: Apache-2.0
import { isUtf8 } from 'node:buffer'
import { Writable } from 'node:stream'
import type { WebSocket } from 'ws'

/** Who takes the messages of a socket. */
export interface MessageTaker {
  received(bytes: Buffer, binary: boolean): void
  /** Whether requests are under way. */
  readonly isBusy: boolean
  readonly outbox: {
    beginTurn(): void
    endTurn(isBusy: boolean): void
  }
}

/** What of the receiver of `ws` has to be as it is here; none of it is documented. */
interface Receiver extends Writable {
  readonly _state: number
  readonly _bufferedBytes: number
  readonly _fragmented: number
  readonly _opcode: number
  readonly _maxPayload: number
  readonly _loop: boolean
  readonly _errored: boolean
  [takerSymbol]?: MessageTaker
}

const takerSymbol: unique symbol = Symbol('taker')

// What ws calls the place before a frame.
const atFrame = 0
const closeFrame = 8
const wholeText = 0x81
const wholeBinary = 0x82
const isMasked = 0x80
const shortestFrame = 6
// Above this ws, with bufferutil if it is there, takes off a mask faster, and one view more does not count.
const largest = 4096

// Its overloads are more than call() can choose from.
const writeToWs: (this: Writable, chunk: Buffer) => boolean = Writable.prototype.write

/**
 * Takes the small whole messages at the head of each chunk straight from its bytes, as most of what `ws` spends on them
 * are views of their parts. All else goes to `ws` in its place: control frames, fragments, what is cut, large, or wrong.
 * False where `ws` is not as expected; then it gets everything.
 */
export function takeDirectly(ws: WebSocket, taker: MessageTaker): boolean {
  const receiver: unknown = Reflect.get(ws, '_receiver')
  if (ws.extensions !== '' || !isReceiver(receiver)) return false
  receiver[takerSymbol] = taker
  // One function for all sockets: a closure for each would be kept as long as its connection.
  receiver.write = write
  return true
}

function isReceiver(value: unknown): value is Receiver {
  if (!(value instanceof Writable) || value.write !== Writable.prototype.write) return false
  const numbers = ['_state', '_bufferedBytes', '_fragmented', '_opcode', '_maxPayload']
  return (
    numbers.every((name) => typeof Reflect.get(value, name) === 'number') &&
    ['_loop', '_errored'].every((name) => Reflect.get(value, name) === false)
  )
}

function write(this: Receiver, chunk: Buffer): boolean {
  const { [takerSymbol]: taker, _maxPayload: maxPayload } = this
  if (taker === undefined) return writeToWs.call(this, chunk)
  taker.outbox.beginTurn()
  try {
    const taken = isBetweenMessages(this) ? takeAll(chunk, maxPayload, taker) : 0
    if (taken === chunk.length) return true
    return writeToWs.call(this, taken === 0 ? chunk : chunk.subarray(taken))
  } finally {
    taker.outbox.endTurn(taker.isBusy)
  }
}

function isBetweenMessages({
  _state: state,
  _bufferedBytes: buffered,
  _fragmented: fragmented,
  _opcode: opcode,
  _loop: isLooping,
  _errored: hasFailed,
}: Receiver): boolean {
  return state === atFrame && buffered === 0 && fragmented === 0 && opcode !== closeFrame && !isLooping && !hasFailed
}

/** Takes messages until there is none that is whole, small and right; answers how many bytes they had. */
function takeAll(chunk: Buffer, maxPayload: number, taker: MessageTaker): number {
  const most = maxPayload > 0 && maxPayload < largest ? maxPayload : largest
  let at = 0
  while (chunk.length - at >= shortestFrame) {
    const first = chunk[at] ?? 0
    const second = chunk[at + 1] ?? 0
    if ((first !== wholeText && first !== wholeBinary) || second < isMasked) break
    let length = second - isMasked
    let maskAt = at + 2
    if (length === 126) {
      length = ((chunk[at + 2] ?? 0) << 8) | (chunk[at + 3] ?? 0)
      maskAt += 2
    } else if (length === 127) break
    const start = maskAt + 4
    const end = start + length
    if (end > chunk.length || length > most) break
    const bytes = chunk.subarray(start, end)
    if (!unmask(bytes, chunk, maskAt) && first === wholeText && !isUtf8(bytes)) {
      // ws has the words for that.
      unmask(bytes, chunk, maskAt)
      break
    }
    taker.received(bytes, first === wholeBinary)
    at = end
  }
  return at
}

/** Takes the mask off, in place; answers whether the message is nothing but ASCII. */
function unmask(bytes: Buffer, chunk: Buffer, maskAt: number): boolean {
  const { length } = bytes
  let seen = 0
  if (chunk[maskAt] === 0 && chunk[maskAt + 1] === 0 && chunk[maskAt + 2] === 0 && chunk[maskAt + 3] === 0) {
    for (let index = 0; index < length; index += 1) seen |= bytes[index] ?? 0
    return seen < 0x80
  }
  for (let index = 0; index < length; index += 1) {
    const byte = (bytes[index] ?? 0) ^ (chunk[maskAt + (index & 3)] ?? 0)
    bytes[index] = byte
    seen |= byte
  }
  return seen < 0x80
}
