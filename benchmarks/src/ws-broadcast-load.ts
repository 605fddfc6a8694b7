// SPDX-License-Identifier: Apache-2.0
import type { LoadResult } from './load-result.ts'
import { LoadTally } from './load-tally.ts'
import type { WsClient, WsClientEvents } from './ws-client.ts'

export interface WsBroadcastOptions {
  /** The frame of the message that makes the server broadcast. */
  readonly frame: Uint8Array
  /** Messages that each connection then gets. */
  readonly burst: number
  /** From one round to the next, at least. Default 0. */
  readonly everyMs?: number
  readonly durationMs: number
  /** How long a round is waited for when the time is up. Default 10000: longer than any timeout of ours. */
  readonly drainMs?: number
}

/**
 * Makes the server send to all clients, round after round: the next one begins when everybody has everything. Operations
 * are deliveries; one too few or too many is an error.
 */
export class WsBroadcastLoad implements WsClientEvents {
  readonly #options: WsBroadcastOptions
  readonly #tally = new LoadTally()
  /** Messages of this round that each client waits for. */
  readonly #missing = new Map<WsClient, number>()
  #waiting = 0
  #roundStartedAt = 0
  #isSending = true
  #over: () => void = () => {}

  constructor(options: WsBroadcastOptions) {
    this.#options = options
  }

  async run(clients: readonly WsClient[]): Promise<LoadResult> {
    const { durationMs, drainMs = 10_000 } = this.#options
    const over = new Promise<void>((resolve) => (this.#over = resolve))
    for (const client of clients) if (!client.ended) this.#missing.set(client, 0)
    this.#tally.start()
    this.#startRound()
    const stopSending = setTimeout(() => (this.#isSending = false), durationMs)
    const giveUp = setTimeout(() => this.#giveUp(), durationMs + drainMs)
    await over
    clearTimeout(stopSending)
    clearTimeout(giveUp)
    return this.#tally.result()
  }

  onMessages(client: WsClient, count: number): void {
    const now = performance.now()
    const expected = Math.min(count, this.#missing.get(client) ?? 0)
    for (let index = 0; index < expected; index++) this.#tally.done(this.#roundStartedAt, now)
    if (expected < count) this.#tally.failed('message too many', count - expected)
    this.#missing.set(client, (this.#missing.get(client) ?? 0) - expected)
    this.#waiting -= expected
    if (this.#waiting === 0) this.#nextRound()
  }

  onEnd(client: WsClient, what: string): void {
    this.#tally.failed(what)
    const lost = this.#missing.get(client) ?? 0
    this.#missing.delete(client)
    if (lost === 0) return
    this.#tally.failed('message lost', lost)
    this.#waiting -= lost
    if (this.#waiting === 0) this.#nextRound()
  }

  #nextRound(): void {
    const { everyMs = 0 } = this.#options
    const waitMs = this.#roundStartedAt + everyMs - performance.now()
    if (!this.#isSending) this.#over()
    else if (waitMs > 0) setTimeout(() => this.#nextRound(), waitMs)
    else this.#startRound()
  }

  #startRound(): void {
    const [first] = this.#missing.keys()
    if (first === undefined) {
      this.#over()
      return
    }
    const { burst, frame } = this.#options
    for (const client of this.#missing.keys()) this.#missing.set(client, burst)
    this.#waiting = this.#missing.size * burst
    this.#roundStartedAt = performance.now()
    first.write(frame)
  }

  #giveUp(): void {
    this.#tally.failed('message lost', this.#waiting)
    this.#over()
  }
}
