// SPDX-License-Identifier: Apache-2.0
import type { Frame } from './frame.ts'

/** What is flushed once a tick. */
export interface Flushable {
  flushScheduled(): void
}

/** Flushes what was added during a tick at its end, or `batchMs` later, and joins equal queues into one buffer. */
export class FlushList {
  readonly #batchMs: number
  #list: Flushable[] = []
  #timer: NodeJS.Timeout | undefined
  #joinedFrames: readonly Frame[] = []
  #joined: Buffer | undefined

  constructor(batchMs = 0) {
    this.#batchMs = batchMs
  }

  add(flushable: Flushable): void {
    if (this.#list.push(flushable) > 1) return
    if (this.#batchMs === 0) setImmediate(this.#run)
    else this.#timer = setTimeout(this.#run, this.#batchMs)
  }

  /** Puts the bytes of frames into one buffer; whoever asks for the same frames again gets the same buffer. */
  join(frames: readonly Frame[], bytes: number): Buffer {
    if (this.#joined !== undefined && isSame(frames, this.#joinedFrames)) return this.#joined
    const joined = Buffer.allocUnsafe(bytes)
    let at = 0
    for (const frame of frames) at = frame.encodeInto(joined, at)
    this.#joinedFrames = frames
    this.#joined = joined
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
    for (const flushable of list) flushable.flushScheduled()
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
