// SPDX-License-Identifier: Apache-2.0
import type { StoredMessage } from './room-history.ts'

/** What a feed is between. */
export interface FeedEnds {
  /** Reads what is kept of the room from a number on. */
  readonly read: (seq: number) => Promise<readonly StoredMessage[]>
  readonly deliver: (message: StoredMessage) => void
  /** What was missed could not be read. */
  readonly failed: (error: unknown) => void
  /** The stream counts from the beginning again. */
  readonly restarted: () => void
}

const maxHeld = 1000

interface Held {
  readonly message: StoredMessage
  readonly previousSeq: number
}

/** The messages of one room as they come, in the order of the stream: what was missed is read before it goes on. */
export class RoomFeed {
  readonly #ends: FeedEnds
  /** The last message delivered, or the last of the stream when the room was subscribed; -1 before. */
  #seq = -1
  /** What came while the missing is read. */
  #held: Held[] = []
  #isFilling = false

  constructor(ends: FeedEnds) {
    this.#ends = ends
  }

  /** Whether it is known where the feed begins. */
  get isPlaced(): boolean {
    return this.#seq !== -1
  }

  /** The number of the last message that was delivered; -1 where it is not known where the feed begins. */
  get seq(): number {
    return this.#seq
  }

  /** Nothing before `seq` is missing. */
  place(seq: number): void {
    this.#seq = Math.max(this.#seq, seq)
  }

  /** Takes a message, and the number of the one before it in this room. */
  take(message: StoredMessage, previousSeq: number): void {
    if (previousSeq === 0 && message.seq <= this.#seq && !this.#isFilling) this.#restart()
    if (!this.#isFilling && !this.#isGap(previousSeq)) {
      this.#deliver(message)
      return
    }
    // Beyond this the next one shows that there is a gap.
    if (this.#held.length < maxHeld) this.#held.push({ message, previousSeq })
    if (!this.#isFilling) void this.#fill()
  }

  /**
   * Reads what may have been missed while the broker was away; `position` is the last message of the stream, `seen` what
   * `seq` was when it was asked for: what has come since says nothing about the stream.
   */
  catchUp(position: number, seen: number): void {
    if (!this.isPlaced || this.#isFilling) return
    if (position < Math.min(seen, this.#seq)) this.#restart()
    void this.#fill()
  }

  async #fill(): Promise<void> {
    this.#isFilling = true
    do {
      await this.#readMissing()
      // What is not kept any more does not come.
      this.place(this.#held[0]?.previousSeq ?? 0)
      let next = 0
      for (const { message, previousSeq } of this.#held) {
        if (this.#isGap(previousSeq)) break
        this.#deliver(message)
        next += 1
      }
      this.#held = this.#held.slice(next)
    } while (this.#held.length > 0)
    this.#isFilling = false
  }

  async #readMissing(): Promise<void> {
    try {
      for (const message of await this.#ends.read(this.#seq + 1)) this.#deliver(message)
    } catch (error) {
      this.#ends.failed(error)
    }
  }

  #isGap(previousSeq: number): boolean {
    return this.isPlaced && previousSeq > this.#seq
  }

  /** Somebody has made the stream anew: what it holds was not seen. */
  #restart(): void {
    this.#seq = 0
    this.#ends.restarted()
  }

  #deliver(message: StoredMessage): void {
    if (message.seq <= this.#seq) return
    this.#seq = message.seq
    this.#ends.deliver(message)
  }
}
