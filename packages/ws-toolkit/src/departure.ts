// SPDX-License-Identifier: Apache-2.0
import { closeReason, isCloseCode, type CloseInfo } from './close-code.ts'
import type { ConnectionState } from './connection.ts'
import { cancel, schedule } from './deadline.ts'
import type { Goodbye } from './live-connection.ts'

/** What a connection does on its way out. */
export interface Departing {
  /** Whether requests are under way. */
  readonly isBusy: boolean
  readonly closeTimeoutMs: number
  /** Calls back when no request is under way. */
  whenIdle(idle: () => void): void
  /** The last moment at which anything can be sent; resolves when it has all gone to the socket. */
  lastWords(goodbye: Goodbye): Promise<void>
  sendClose(code: number, reason: string): void
  terminate(): void
}

/** The end of one connection: open, then closing for whatever reason comes first, then closed. */
export class Departure {
  readonly #departing: Departing
  #state: ConnectionState = 'open'
  #goodbye: Goodbye | undefined
  /** The code `ws` closes with by itself: a protocol error, or the peer's own. */
  #socketCode: number | undefined
  #hasSpoken = false
  #info: CloseInfo | undefined
  #awaiting: ((info: CloseInfo) => void)[] | undefined

  constructor(departing: Departing) {
    this.#departing = departing
  }

  get state(): ConnectionState {
    return this.#state
  }

  /** Begins, or hurries: a second call may only be more impatient. */
  begin(goodbye: Goodbye, wait: AbortSignal | undefined): Promise<CloseInfo> {
    if (!isCloseCode(goodbye.code)) throw new RangeError(`close: ${goodbye.code} is not a code a close frame may carry`)
    if (this.#state === 'open') {
      this.#state = 'closing'
      this.#goodbye = goodbye
    }
    if (this.#state === 'closing') {
      if (wait === undefined || wait.aborted || !this.#departing.isBusy) this.#speak()
      else this.#speakLater(wait)
    }
    return this.closed()
  }

  /** The connection is being cut. */
  cut(): void {
    if (this.#state === 'open') this.#state = 'closing'
  }

  /** `ws` is about to write a close frame, ours or its own. */
  closing(code: number | undefined): void {
    if (this.#state === 'open') this.#state = 'closing'
    this.#socketCode = code
  }

  /** Resolves when the socket is gone. */
  closed(): Promise<CloseInfo> {
    if (this.#info !== undefined) return Promise.resolve(this.#info)
    return new Promise((resolve) => {
      this.#awaiting ??= []
      this.#awaiting.push(resolve)
    })
  }

  /** The socket is gone. */
  end(code: number, reason: string): CloseInfo {
    this.#state = 'closed'
    const wasClean = code !== 1006
    const goodbye = this.#goodbye
    // 1006 stands for a missing close frame: why it was missing is known better here.
    if (goodbye !== undefined) this.#info = { code: goodbye.code, reason: closeReason(goodbye.reason), wasClean }
    else this.#info = { code: wasClean ? code : (this.#socketCode ?? code), reason, wasClean }
    const info = this.#info
    const awaiting = this.#awaiting
    this.#awaiting = undefined
    awaiting?.forEach((resolve) => resolve(info))
    return info
  }

  #speakLater(wait: AbortSignal): void {
    const speak = (): void => {
      wait.removeEventListener('abort', speak)
      this.#speak()
    }
    wait.addEventListener('abort', speak)
    this.#departing.whenIdle(speak)
  }

  #speak(): void {
    const goodbye = this.#goodbye
    if (this.#hasSpoken || this.#state !== 'closing' || goodbye === undefined) return
    this.#hasSpoken = true
    const deadline = schedule(this.#departing.closeTimeoutMs, () => this.#departing.terminate())
    void this.#departing.lastWords(goodbye).then(() => {
      cancel(deadline)
      this.#departing.sendClose(goodbye.code, closeReason(goodbye.reason))
    })
  }
}
