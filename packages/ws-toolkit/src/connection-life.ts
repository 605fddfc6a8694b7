// SPDX-License-Identifier: Apache-2.0

/** The times of one channel, in milliseconds; 0 is off where it may be. */
export interface LifeTimes {
  readonly heartbeatMs: number
  readonly heartbeatTimeoutMs: number
  readonly idleMs: number
  readonly maxLifetimeMs: number
  readonly sendTimeoutMs: number
}

/** What can be read off a connection without it doing anything for it. */
export interface Vitals {
  /** Bytes its socket has read. */
  readonly bytesRead: number
  /** Grows with every message, either way. */
  readonly activity: number
  /** Whether we do not read at present. */
  readonly isPaused: boolean
  /** Bytes sent and not taken by the kernel. */
  readonly bufferedBytes: number
  /** Changes whenever the kernel takes something. */
  readonly progress: number
}

/** What is to be done about a connection. */
export type Verdict = 'ping' | 'missed' | 'idle' | 'lifetime' | 'stalled' | 'credential' | undefined

/** Watches over one connection at the visits of the heartbeat; the connection itself never looks at a clock. */
export class ConnectionLife {
  readonly #times: LifeTimes
  // All but the time of a ping, of which a round trip is measured, are whole: others would be objects of their own.
  /** -1 for never. */
  readonly #endsAtMs: number
  #bytesRead = 0
  #heardAtMs: number
  /** When the ping without an answer was sent; -1 without one. */
  #pingedAtMs = -1
  #activity = 0
  #activeAtMs: number
  #progress = 0
  #progressAtMs: number

  constructor(times: LifeTimes, nowMs: number) {
    this.#times = times
    const wholeMs = Math.floor(nowMs)
    this.#heardAtMs = wholeMs
    this.#activeAtMs = wholeMs
    this.#progressAtMs = wholeMs
    // Clients that came together must not all be sent away together.
    const { maxLifetimeMs } = times
    this.#endsAtMs = maxLifetimeMs === 0 ? -1 : Math.floor(nowMs + maxLifetimeMs * (0.9 + Math.random() * 0.2))
  }

  /** How long nothing was heard. */
  silentMs(nowMs: number): number {
    return Math.floor(nowMs) - this.#heardAtMs
  }

  /** Takes the time of a ping that was answered; undefined when none was asked. */
  answered(pingedAtMs: number, nowMs: number): number | undefined {
    if (this.#pingedAtMs === -1 || pingedAtMs !== Math.floor(this.#pingedAtMs)) return undefined
    const ms = nowMs - this.#pingedAtMs
    this.#pingedAtMs = -1
    this.#heardAtMs = Math.floor(nowMs)
    return ms
  }

  visit(vitals: Vitals, nowMs: number): Verdict {
    if (this.#endsAtMs !== -1 && nowMs >= this.#endsAtMs) return 'lifetime'
    if (this.#isStalled(vitals, nowMs)) return 'stalled'
    if (this.#isIdle(vitals, nowMs)) return 'idle'
    return this.#times.heartbeatMs === 0 ? undefined : this.#listen(vitals, nowMs)
  }

  #listen({ bytesRead, isPaused }: Vitals, nowMs: number): Verdict {
    // A socket that is not read brings no pong either.
    if (bytesRead !== this.#bytesRead || isPaused) {
      this.#bytesRead = bytesRead
      this.#heardAtMs = Math.floor(nowMs)
      this.#pingedAtMs = -1
      return undefined
    }
    if (this.#pingedAtMs !== -1) {
      return nowMs - this.#pingedAtMs >= this.#times.heartbeatTimeoutMs ? 'missed' : undefined
    }
    if (nowMs - this.#heardAtMs < this.#times.heartbeatMs) return undefined
    this.#pingedAtMs = nowMs
    return 'ping'
  }

  #isIdle({ activity }: Vitals, nowMs: number): boolean {
    if (this.#times.idleMs === 0) return false
    if (activity !== this.#activity) {
      this.#activity = activity
      this.#activeAtMs = Math.floor(nowMs)
    }
    return nowMs - this.#activeAtMs >= this.#times.idleMs
  }

  #isStalled({ bufferedBytes, progress }: Vitals, nowMs: number): boolean {
    if (bufferedBytes === 0 || progress !== this.#progress) {
      this.#progress = progress
      this.#progressAtMs = Math.floor(nowMs)
      return false
    }
    return nowMs - this.#progressAtMs >= this.#times.sendTimeoutMs
  }
}
