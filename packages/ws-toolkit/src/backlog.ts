// SPDX-License-Identifier: Apache-2.0
import type { ChannelConnection } from './channel-connection.ts'
import { closeCode } from './close-code.ts'
import type { OutboxWatcher, SendQueue } from './outbox.ts'

/** What a connection does when its client takes less than it is sent. */
export class Backlog<U> implements OutboxWatcher {
  readonly #connection: ChannelConnection<U>
  #isReadingHeld = false
  #dropped = 0

  constructor(connection: ChannelConnection<U>) {
    this.#connection = connection
  }

  overflowed(outbox: SendQueue): boolean {
    const { dispatcher, options } = this.#connection.runtime
    if (dispatcher.overflow !== undefined) {
      try {
        dispatcher.overflow(this.#connection, outbox)
      } catch (error) {
        this.#connection.broken(error)
      }
      return true
    }
    // No more requests, so no more answers: these are what a client that does not read fills its outbox with.
    if (options.overflow === 'block' && !this.#isReadingHeld) {
      this.#isReadingHeld = true
      this.#connection.pause()
    }
    return false
  }

  stalled(): void {
    const connection = this.#connection
    if (connection.state !== 'open') return
    connection.outbox.discard()
    void connection.shut({ code: closeCode.slowConsumer, reason: 'slow consumer', cause: 'slow' })
  }

  dropped(frames: number): void {
    const { id, runtime } = this.#connection
    const policy = runtime.options.overflow
    runtime.counters.dropped[policy] += frames
    if (this.#dropped === 0) runtime.observe?.({ type: 'outbound.dropped', channel: runtime.path, id, policy })
    this.#dropped += frames
  }

  relieved(): void {
    const { id, runtime } = this.#connection
    if (this.#isReadingHeld) {
      this.#isReadingHeld = false
      this.#connection.resume()
    }
    if (this.#dropped === 0) return
    runtime.observe?.({ type: 'outbound.drained', channel: runtime.path, id, dropped: this.#dropped })
    this.#dropped = 0
  }
}
