// SPDX-License-Identifier: Apache-2.0

// 512 buckets of 20 ms are one turn of ten seconds; a longer deadline is passed over once per turn.
const BUCKETS = 512
const EXPIRED = BUCKETS
const NONE = -1
// Behind by more than this, the event loop was blocked: what came in meanwhile is read before anything is called late.
const STALL_TICKS = 3

/** Deadlines of integer slots: arming and disarming write a few numbers, one coarse timer serves all. */
export class SlotWheel {
  readonly #tickMs: number
  readonly #expire: (slot: number) => void
  readonly #heads = new Int32Array(BUCKETS + 1).fill(NONE)
  readonly #tails = new Int32Array(BUCKETS + 1).fill(NONE)
  #lists: Int32Array
  #next: Int32Array
  #previous: Int32Array
  #due: Float64Array
  #armed = 0
  #swept = 0
  #timer: NodeJS.Timeout | undefined
  #stalled: NodeJS.Immediate | undefined

  /** `expire` runs once per armed slot, never early, at most a tick late; the slot is disarmed by then. */
  constructor(slots: number, tickMs: number, expire: (slot: number) => void) {
    this.#tickMs = tickMs
    this.#expire = expire
    this.#lists = new Int32Array(slots).fill(NONE)
    this.#next = new Int32Array(slots)
    this.#previous = new Int32Array(slots)
    this.#due = new Float64Array(slots)
  }

  /** Slots with a deadline ahead. */
  get armed(): number {
    return this.#armed
  }

  get capacity(): number {
    return this.#lists.length
  }

  /** Makes room for slots below `slots`. */
  grow(slots: number): void {
    const lists = new Int32Array(slots).fill(NONE)
    lists.set(this.#lists)
    this.#lists = lists
    this.#next = grown(this.#next, new Int32Array(slots))
    this.#previous = grown(this.#previous, new Int32Array(slots))
    this.#due = grown(this.#due, new Float64Array(slots))
  }

  /** Sets or moves the deadline of `slot`. */
  arm(slot: number, afterMs: number): void {
    const now = performance.now()
    this.disarm(slot)
    if (this.#timer === undefined) this.#start(now)
    const due = Math.floor((now + afterMs) / this.#tickMs) + 1
    this.#due[slot] = due
    this.#link(slot, due % BUCKETS)
    this.#armed++
  }

  disarm(slot: number): void {
    if ((this.#lists[slot] ?? NONE) === NONE) return
    this.#unlink(slot)
    this.#armed--
  }

  /** Stops the timer; armed slots never expire. */
  stop(): void {
    clearInterval(this.#timer)
    clearImmediate(this.#stalled)
    this.#timer = undefined
    this.#stalled = undefined
  }

  #start(now: number): void {
    this.#swept = Math.floor(now / this.#tickMs)
    this.#timer = setInterval(() => this.#tick(), this.#tickMs)
    this.#timer.unref()
  }

  #tick(): void {
    if (this.#armed === 0) return this.stop()
    if (this.#stalled !== undefined) return
    const behind = performance.now() / this.#tickMs - this.#swept
    if (behind <= STALL_TICKS) return this.#sweep()
    this.#stalled = setImmediate(() => {
      this.#stalled = undefined
      this.#sweep()
    })
  }

  #sweep(): void {
    const now = Math.floor(performance.now() / this.#tickMs)
    const first = Math.max(this.#swept + 1, now - BUCKETS + 1)
    this.#swept = now
    for (let tick = first; tick <= now; tick++) this.#collect(tick % BUCKETS, now)
    // One at a time: a callback may disarm a slot that is next in this list.
    for (let slot = this.#heads[EXPIRED] ?? NONE; slot !== NONE; slot = this.#heads[EXPIRED] ?? NONE) {
      this.disarm(slot)
      this.#expire(slot)
    }
  }

  #collect(list: number, now: number): void {
    let slot = this.#heads[list] ?? NONE
    while (slot !== NONE) {
      const next = this.#next[slot] ?? NONE
      if ((this.#due[slot] ?? 0) <= now) {
        this.#unlink(slot)
        this.#link(slot, EXPIRED)
      }
      slot = next
    }
  }

  #link(slot: number, list: number): void {
    const tail = this.#tails[list] ?? NONE
    this.#lists[slot] = list
    this.#previous[slot] = tail
    this.#next[slot] = NONE
    if (tail === NONE) this.#heads[list] = slot
    else this.#next[tail] = slot
    this.#tails[list] = slot
  }

  #unlink(slot: number): void {
    const list = this.#lists[slot] ?? NONE
    const next = this.#next[slot] ?? NONE
    const previous = this.#previous[slot] ?? NONE
    if (previous === NONE) this.#heads[list] = next
    else this.#next[previous] = next
    if (next === NONE) this.#tails[list] = previous
    else this.#previous[next] = previous
    this.#lists[slot] = NONE
  }
}

function grown<T extends Int32Array | Float64Array>(from: T, into: T): T {
  into.set(from)
  return into
}
