// SPDX-License-Identifier: Apache-2.0

// Above this a PING is kept on its way, so that the count below it stays honest without one per message.
const FLUSH_BYTES = 256 * 1024
const SETTLE_MS = 1000

/** How the window reaches the connection. */
export interface WindowOwner {
  /** Resolves when the server has taken everything accepted so far; never, or by rejection, when the connection is lost. */
  roundTrip(): Promise<void>
  /** Called when a refusal is over: half the bound is free again. */
  writable(): void
}

/** Bytes accepted for the server and not yet known to be there, and the bound on them. */
export class WriteWindow {
  readonly #owner: WindowOwner
  readonly #bound: number
  readonly #flushAbove: number
  #accepted = 0
  #confirmed = 0
  #refused = false
  #era = 0
  #flushing = false
  #settling: NodeJS.Timeout | undefined

  constructor(bound: number, owner: WindowOwner) {
    this.#bound = bound
    this.#flushAbove = Math.min(FLUSH_BYTES, bound / 2)
    this.#owner = owner
  }

  get pendingBytes(): number {
    return this.#accepted - this.#confirmed
  }

  /** Everything accepted so far; grows with every message. */
  get mark(): number {
    return this.#accepted
  }

  /** Whether `bytes` more may be accepted; a refusal is followed by `writable()`. One message alone is always accepted. */
  admits(bytes: number): boolean {
    const pending = this.#accepted - this.#confirmed
    if (pending === 0 || pending + bytes <= this.#bound) return true
    this.#refused = true
    this.#flush()
    return false
  }

  accept(bytes: number): void {
    this.#accepted += bytes
    if (this.#flushing) return
    if (this.#accepted - this.#confirmed > this.#flushAbove) this.#flush()
    else if (this.#settling === undefined) this.#settleLater()
  }

  /** Everything up to `mark` has reached the server: a reply to it, or a PONG behind it, came back. */
  confirm(mark: number): void {
    if (mark <= this.#confirmed) return
    this.#confirmed = mark
    this.#release()
  }

  /** The connection is gone and with it whatever was pending. */
  reset(): void {
    this.#era++
    this.#confirmed = this.#accepted
    this.#flushing = false
    clearTimeout(this.#settling)
    this.#settling = undefined
  }

  /** Takes back a refusal once there is room; called when the connection is there again. */
  reopen(): void {
    this.#release()
  }

  #release(): void {
    if (!this.#refused || this.pendingBytes > this.#bound / 2) return
    this.#refused = false
    this.#owner.writable()
  }

  #flush(): void {
    if (this.#flushing) return
    this.#flushing = true
    const mark = this.#accepted
    const era = this.#era
    this.#owner.roundTrip().then(
      () => {
        if (era !== this.#era) return
        this.#flushing = false
        this.confirm(mark)
        if (this.pendingBytes > this.#flushAbove) this.#flush()
        else if (this.pendingBytes > 0 && this.#settling === undefined) this.#settleLater()
      },
      () => undefined,
    )
  }

  // Without traffic enough for a PING nothing would ever confirm the last bytes.
  #settleLater(): void {
    this.#settling = setTimeout(() => {
      this.#settling = undefined
      if (this.pendingBytes > 0) this.#flush()
    }, SETTLE_MS)
    this.#settling.unref()
  }
}
