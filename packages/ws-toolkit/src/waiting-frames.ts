// SPDX-License-Identifier: Apache-2.0
import type { Frame } from './frame.ts'

// What a frame costs beside its bytes.
const overheadBytes = 128

/** The frames that wait for a slow client, oldest first: some can be dropped without a look at all the others. */
export class WaitingFrames implements Iterable<Frame> {
  /** A frame that was taken or dropped leaves a gap, until there are more gaps than frames. */
  #places: (Frame | undefined)[] = []
  /** Before it are gaps only. */
  #start = 0
  /** Before it are gaps and replies only. */
  #oldestPush = 0
  /** Where the push of each key is; made when first asked for. */
  #placeOf: Map<string, number> | undefined
  #count = 0
  #bytes = 0

  constructor(frames: readonly Frame[]) {
    for (const frame of frames) this.push(frame)
  }

  get count(): number {
    return this.#count
  }

  /** Bytes on the wire. */
  get bytes(): number {
    return this.#bytes
  }

  /** Bytes of memory, about. */
  get weight(): number {
    return this.#bytes + this.#count * overheadBytes
  }

  *[Symbol.iterator](): Generator<Frame, undefined> {
    for (const frame of this.#places) if (frame !== undefined) yield frame
  }

  push(frame: Frame): void {
    if (frame.key !== undefined && !frame.isReply) this.#placeOf?.set(frame.key, this.#places.length)
    this.#places.push(frame)
    this.#count += 1
    this.#bytes += frame.size
  }

  /** Takes the oldest out: as many as begin within so many bytes. */
  take(bytes: number): Frame[] {
    const taken: Frame[] = []
    for (let left = bytes; left > 0 && this.#count > 0; this.#start += 1) {
      const frame = this.#remove(this.#start)
      if (frame === undefined) continue
      taken.push(frame)
      left -= frame.size
    }
    this.#closeGaps()
    return taken
  }

  /** Drops the oldest pushes until more than `excess` bytes of memory are free; none where they are too few. */
  dropOldest(excess: number): Frame[] {
    const chosen: number[] = []
    let place = Math.max(this.#oldestPush, this.#start)
    for (let left = excess; left >= 0; place += 1) {
      if (place >= this.#places.length) return []
      left -= this.#choose(place, chosen)
    }
    this.#oldestPush = place
    return this.#drop(chosen)
  }

  /** Drops the newest pushes until more than `excess` bytes of memory are free; none where they are too few. */
  dropNewest(excess: number): Frame[] {
    const chosen: number[] = []
    for (let left = excess, place = this.#places.length - 1; left >= 0; place -= 1) {
      if (place < this.#start) return []
      left -= this.#choose(place, chosen)
    }
    return this.#drop(chosen)
  }

  /** Drops what a new push with this key replaces, and what older ones have replaced. */
  supersede(key: string): Frame[] {
    const superseded: number[] = []
    const placeOf = this.#placeOf ?? this.#index(superseded)
    const place = placeOf.get(key)
    if (place !== undefined) superseded.push(place)
    return this.#drop(superseded)
  }

  /** Drops the frames `keep` says no to. */
  retain(keep: (frame: Frame) => boolean): Frame[] {
    const chosen: number[] = []
    for (const [place, frame] of this.#places.entries()) if (frame !== undefined && !keep(frame)) chosen.push(place)
    return this.#drop(chosen)
  }

  /** Notes the place of a push, and says what it weighs. */
  #choose(place: number, chosen: number[]): number {
    const frame = this.#places[place]
    if (frame === undefined || frame.isReply) return 0
    chosen.push(place)
    return frame.size + overheadBytes
  }

  #index(superseded: number[]): Map<string, number> {
    const placeOf = new Map<string, number>()
    for (const [place, frame] of this.#places.entries()) {
      if (frame?.key === undefined || frame.isReply) continue
      const older = placeOf.get(frame.key)
      if (older !== undefined) superseded.push(older)
      placeOf.set(frame.key, place)
    }
    this.#placeOf = placeOf
    return placeOf
  }

  #drop(places: readonly number[]): Frame[] {
    const dropped: Frame[] = []
    for (const place of places) {
      const frame = this.#remove(place)
      if (frame !== undefined) dropped.push(frame)
    }
    this.#closeGaps()
    return dropped
  }

  #remove(place: number): Frame | undefined {
    const frame = this.#places[place]
    if (frame === undefined) return undefined
    this.#places[place] = undefined
    this.#count -= 1
    this.#bytes -= frame.size
    if (frame.key !== undefined && this.#placeOf?.get(frame.key) === place) this.#placeOf.delete(frame.key)
    return frame
  }

  #closeGaps(): void {
    while (this.#places.length > this.#start && this.#places.at(-1) === undefined) this.#places.pop()
    this.#oldestPush = Math.min(this.#oldestPush, this.#places.length)
    if (this.#places.length <= 2 * this.#count + 32) return
    this.#places = this.#places.filter((frame) => frame !== undefined)
    this.#start = 0
    this.#oldestPush = 0
    this.#placeOf = undefined
  }
}
