// SPDX-License-Identifier: Apache-2.0
import type { Frame } from './frame.ts'

/** What is flushed once a tick. */
export interface Flushable {
  flushScheduled(): void
}

// With more sockets a tick than this, writing all of them at its end costs less than answering each at once.
const fewSockets = 4

/** Flushes what was added during a tick at its end, or `batchMs` later, and joins equal queues into one buffer. */
export class FlushList {
  readonly #batchMs: number
  #list: Flushable[] = []
  #timer: NodeJS.Timeout | undefined
  #isRunning = false
  // Flushed before the end of this tick.
  #hurried = 0
  #isCalm = true
  #joinedFrames: readonly Frame[] = []
  #joined: Buffer | undefined

  constructor(batchMs = 0) {
    this.#batchMs = batchMs
  }

  /** Whether somebody wants messages to wait for more of them. */
  get isPatient(): boolean {
    return this.#batchMs > 0
  }

  /** Whether there is so little to flush, in this tick and the one before, that an answer need not wait for more. */
  mayHurry(): boolean {
    if (!this.#isCalm || this.#hurried + this.#list.length >= fewSockets) return false
    this.#hurried += 1
    if (this.#hurried + this.#list.length === 1) setImmediate(this.#run)
    return true
  }

  add(flushable: Flushable): void {
    if (this.#list.push(flushable) + this.#hurried > 1) return
    if (this.#batchMs === 0) setImmediate(this.#run)
    else this.#timer = setTimeout(this.#run, this.#batchMs)
  }

  /** Puts the bytes of frames into one buffer; whoever asks for the same frames again gets the same buffer. */
  join(frames: readonly Frame[], bytes: number): Buffer {
    if (this.#joined !== undefined && isSame(frames, this.#joinedFrames)) return this.#joined
    const joined = Buffer.allocUnsafe(bytes)
    let at = 0
    for (const frame of frames) at = frame.encodeInto(joined, at)
    // Outside of a run nobody would ask again, nor forget it.
    if (this.#isRunning) {
      this.#joinedFrames = frames
      this.#joined = joined
    }
    return joined
  }

  /** Flushes now what waits for its time. */
  close(): void {
    clearTimeout(this.#timer)
    if (this.#list.length > 0) this.#run()
  }

  readonly #run = (): void => {
    const list = this.#list
    this.#list = []
    this.#isCalm = this.#hurried + list.length <= fewSockets
    this.#hurried = 0
    this.#isRunning = true
    for (const flushable of list) flushable.flushScheduled()
    this.#isRunning = false
    this.#joinedFrames = []
    this.#joined = undefined
  }
}

function isSame(frames: readonly Frame[], others: readonly Frame[]): boolean {
  if (frames.length !== others.length) return false
  for (let index = 0; index < frames.length; index += 1) {
    const other = others[index]
    if (other === undefined || frames[index]?.isSameAs(other) !== true) return false
  }
  return true
}
