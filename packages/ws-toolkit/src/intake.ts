// SPDX-License-Identifier: Apache-2.0
import { TokenBucket } from '@nats-edge/wire-parser'
import type { WebSocket } from 'ws'
import { turnMs } from './clock.ts'
import { cancel, schedule, type Deadline } from './deadline.ts'

/** How fast one client may send. */
export interface InboundLimits {
  readonly messagesPerSecond: number
  readonly bytesPerSecond: number
  /** Most bytes of one message: a bucket is never smaller. */
  readonly maxMessageBytes: number
  readonly onExceeded: 'pause' | 'error' | 'close'
}

export interface IntakeOwner {
  deliver(bytes: Buffer, binary: boolean): void
  /** A rate was exceeded by this message, which is not delivered. */
  exceeded(limit: 'messages' | 'bytes', waitMs: number, message: { bytes: Buffer; binary: boolean } | undefined): void
  /** More control frames have come than anybody needs. */
  flooded(): void
}

// Whoever measures round trips, or keeps a proxy from closing the connection, needs a few.
const controlsPerSecond = 200

interface Waiting {
  readonly bytes: Buffer
  readonly binary: boolean
}

/**
 * The messages of one connection on their way in. While anybody holds it the socket is paused; what `ws` had read
 * before that waits here, in order, and nothing of it is started early.
 */
export class Intake {
  readonly #ws: WebSocket
  readonly #limits: InboundLimits
  readonly #owner: IntakeOwner
  #holds = 0
  #queue: Waiting[] | undefined
  #next = 0
  #messages: TokenBucket | undefined
  #bytes: TokenBucket | undefined
  #deadline: Deadline | undefined
  #controls: TokenBucket | undefined
  #isDraining = false
  #hasEnded = false

  constructor(ws: WebSocket, limits: InboundLimits, owner: IntakeOwner) {
    this.#ws = ws
    this.#limits = limits
    this.#owner = owner
  }

  /** Whether the socket is not being read. */
  get isPaused(): boolean {
    return this.#holds > 0
  }

  /** Messages read and not delivered. */
  get waiting(): number {
    return this.#queue === undefined ? 0 : this.#queue.length - this.#next
  }

  receive(bytes: Buffer, binary: boolean): void {
    if (this.#hasEnded) return
    if (this.#holds > 0 || this.#queue !== undefined) {
      this.#queue ??= []
      this.#queue.push({ bytes, binary })
    } else if (this.#isWithinRate(bytes, binary)) {
      this.#owner.deliver(bytes, binary)
    }
  }

  /** A control frame has come that nobody asked for. */
  control(): void {
    if (this.#hasEnded) return
    this.#controls ??= bucketOf(controlsPerSecond, 1)
    // Not held instead: a client that need not wait for answers would fill its socket, and who reads no more of that
    // does not see it leave.
    if ((this.#controls?.take(turnMs()) ?? 0) > 0) this.#owner.flooded()
  }

  hold(): void {
    this.#holds += 1
    if (this.#holds === 1 && !this.#hasEnded) this.#ws.pause()
  }

  release(): void {
    if (this.#holds === 0) return
    this.#holds -= 1
    if (this.#holds === 0 && !this.#hasEnded) this.#drain()
  }

  /** Delivers nothing more, and reads on, so that the peer's close frame is seen. */
  end(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#queue = undefined
    cancel(this.#deadline)
    if (this.#ws.isPaused) this.#ws.resume()
  }

  #drain(): void {
    // A hold begun and ended inside a delivery.
    if (this.#isDraining) return
    const queue = this.#queue
    if (queue !== undefined && !this.#deliverAll(queue)) return
    if (this.#holds === 0 && this.#ws.isPaused) this.#ws.resume()
  }

  /** Delivers until somebody holds again; false when that is before the end. */
  #deliverAll(queue: readonly Waiting[]): boolean {
    this.#isDraining = true
    while (this.#holds === 0 && this.#next < queue.length && !this.#hasEnded) {
      const message = queue[this.#next]
      this.#next += 1
      if (message !== undefined && this.#isWithinRate(message.bytes, message.binary)) {
        this.#owner.deliver(message.bytes, message.binary)
      }
    }
    this.#isDraining = false
    if (this.#next < queue.length) return false
    this.#queue = undefined
    this.#next = 0
    return true
  }

  #isWithinRate(bytes: Buffer, binary: boolean): boolean {
    const { messagesPerSecond, bytesPerSecond, maxMessageBytes } = this.#limits
    if (messagesPerSecond === Infinity && bytesPerSecond === Infinity) return true
    // Made with the first message: most connections are idle.
    const messages = (this.#messages ??= bucketOf(messagesPerSecond, 1))
    const volume = (this.#bytes ??= bucketOf(bytesPerSecond, maxMessageBytes))
    const nowMs = turnMs()
    const messageWaitMs = messages?.take(nowMs) ?? 0
    if (messageWaitMs > 0) return this.#exceeded('messages', messageWaitMs, { bytes, binary })
    const byteWaitMs = volume?.take(nowMs, bytes.length) ?? 0
    return byteWaitMs === 0 || this.#exceeded('bytes', byteWaitMs, { bytes, binary })
  }

  #exceeded(limit: 'messages' | 'bytes', waitMs: number, message: Waiting): false {
    if (this.#limits.onExceeded !== 'pause') {
      this.#owner.exceeded(limit, waitMs, message)
      return false
    }
    this.#putBack(message)
    this.hold()
    this.#owner.exceeded(limit, waitMs, undefined)
    this.#deadline = schedule(waitMs, () => this.release())
    return false
  }

  #putBack(message: Waiting): void {
    if (this.#queue === undefined) this.#queue = [message]
    else this.#next -= 1
  }
}

/** A bucket for one second, and never for less than `least`; none where there is no limit. */
function bucketOf(ratePerSecond: number, least: number): TokenBucket | undefined {
  return ratePerSecond === Infinity
    ? undefined
    : new TokenBucket({ ratePerSecond, burst: Math.max(least, ratePerSecond) })
}
