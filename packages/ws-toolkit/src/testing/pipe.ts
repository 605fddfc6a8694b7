// SPDX-License-Identifier: Apache-2.0
import { draw, type Chaos, type Random } from './chaos.ts'

/** The end of a pipe that is written to by it. */
export interface PipeReader {
  readonly destroyed: boolean
  /** Takes bytes, or null at the end; false: not before the next `pull()`. */
  push(bytes: Uint8Array | null): boolean
}

interface Chunk {
  readonly bytes: Buffer
  readonly dueMs: number
}

type Done = (error?: Error) => void

// What a slow reader takes at once, of a second.
const slowChunks = 20

/** One direction of a link: holds so many bytes as a kernel would, and delivers them in order, as late as chaos wants. */
export class Pipe {
  readonly #to: PipeReader
  readonly #chaos: Chaos
  readonly #random: Random
  readonly #capacity: number
  readonly #cut: () => void
  readonly #cutAfter: number
  readonly #loseAfter: number
  readonly #queue: Chunk[] = []
  #queued = 0
  #delivered = 0
  #lastDueMs = 0
  #isAsked = true
  #isScheduled = false
  #isLost = false
  #isEnding = false
  #timer: NodeJS.Timeout | undefined
  #waiting: Done | undefined

  constructor(to: PipeReader, capacity: number, trouble: { chaos: Chaos; random: Random; cut: () => void }) {
    const { chaos, random } = trouble
    this.#to = to
    this.#capacity = capacity
    this.#chaos = chaos
    this.#random = random
    this.#cut = trouble.cut
    this.#cutAfter = draw(chaos.cutAfterBytes ?? Infinity, random)
    this.#loseAfter = draw(chaos.loseAfterBytes ?? Infinity, random)
  }

  /** Takes bytes; calls back when there is room for more. */
  write(bytes: Buffer, done: Done): void {
    if (this.#to.destroyed && !this.#isLost) {
      done(connectionReset())
      return
    }
    for (const chunk of this.#split(bytes)) this.#queue.push({ bytes: chunk, dueMs: this.#dueMs(chunk.length) })
    this.#queued += bytes.length
    if (this.#queued <= this.#capacity) done()
    else this.#waiting = done
    this.#schedule()
  }

  /** Ends the direction behind what was written. */
  end(): void {
    this.#isEnding = true
    this.#schedule()
  }

  /** The reader wants more. */
  pull(): void {
    this.#isAsked = true
    this.#schedule()
  }

  /** Loses everything from now on. */
  lose(): void {
    this.#isLost = true
    clearTimeout(this.#timer)
  }

  /** The reader is gone: whoever waits to write learns of it, unless that is lost too. */
  readerGone(): void {
    clearTimeout(this.#timer)
    this.#queue.length = 0
    const waiting = this.#waiting
    this.#waiting = undefined
    if (!this.#isLost) waiting?.(connectionReset())
  }

  #split(bytes: Buffer): Buffer[] {
    const { bytesPerSecond, chunkBytes } = this.#chaos
    const most = chunkBytes ?? (bytesPerSecond === undefined ? Infinity : Math.ceil(bytesPerSecond / slowChunks))
    const chunks: Buffer[] = []
    for (let at = 0; at < bytes.length;) {
      const end = at + draw(most, this.#random)
      chunks.push(bytes.subarray(at, end))
      at = end
    }
    return chunks
  }

  #dueMs(length: number): number {
    const { delayMs, bytesPerSecond } = this.#chaos
    if (delayMs === undefined && bytesPerSecond === undefined) return 0
    const nowMs = performance.now()
    const takingMs = bytesPerSecond === undefined ? 0 : (length * 1000) / bytesPerSecond
    const dueMs = Math.max(this.#lastDueMs + takingMs, nowMs + takingMs + draw(delayMs ?? 0, this.#random))
    this.#lastDueMs = dueMs
    return dueMs
  }

  // In a tick of its own: a real socket calls nobody from inside write() either.
  #schedule(): void {
    if (this.#isScheduled || this.#isLost || !this.#isAsked || this.#to.destroyed) return
    const [next] = this.#queue
    if (next === undefined && !this.#isEnding) return
    this.#isScheduled = true
    const dueMs = next?.dueMs ?? this.#lastDueMs
    const waitMs = dueMs === 0 ? 0 : Math.ceil(dueMs - performance.now())
    if (waitMs > 0) this.#timer = setTimeout(this.#deliver, waitMs)
    else process.nextTick(this.#deliver)
  }

  readonly #deliver = (): void => {
    this.#isScheduled = false
    if (this.#isLost || this.#to.destroyed) return
    const chunk = this.#queue.shift()
    if (chunk !== undefined) this.#hand(chunk.bytes)
    else if (this.#isEnding) this.#to.push(null)
    if (chunk !== undefined) this.#schedule()
  }

  #hand(bytes: Buffer): void {
    const left = Math.min(this.#cutAfter, this.#loseAfter) - this.#delivered
    const passing = bytes.length > left ? bytes.subarray(0, left) : bytes
    this.#delivered += passing.length
    if (passing.length > 0) this.#isAsked = this.#to.push(passing)
    if (this.#delivered >= this.#cutAfter) {
      this.#cut()
    } else if (this.#delivered >= this.#loseAfter) {
      this.lose()
    } else {
      this.#queued -= bytes.length
      if (this.#queued > this.#capacity) return
      const waiting = this.#waiting
      this.#waiting = undefined
      waiting?.()
    }
  }
}

/** What a socket says whose other end is gone. */
export function connectionReset(): Error {
  return Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
}
