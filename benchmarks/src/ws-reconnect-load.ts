// SPDX-License-Identifier: Apache-2.0
import type { LoadResult } from './load-result.ts'
import { LoadTally } from './load-tally.ts'
import type { WsClient, WsClientEvents } from './ws-client.ts'
import type { WsFleet } from './ws-fleet.ts'

const drainMs = 10_000

/**
 * Cuts the last `count` clients of a fleet and lets as many come back at once; operations are their handshakes. The others
 * send a message every so often, each echoed by the server: one without an answer, and one of them that ends, is an error.
 */
export async function reconnect(fleet: WsFleet, count: number, frame: Uint8Array, everyMs = 50): Promise<LoadResult> {
  const others = new SteadyEcho(frame, everyMs)
  fleet.drop(count)
  const watched = fleet.run(others)
  const back = await fleet.grow(count, count)
  others.stop()
  const { errors } = await watched
  return { ...back, errors: { ...back.errors, ...errors } }
}

/** One message under way on each client, at a leisurely pace, until it is stopped. */
class SteadyEcho implements WsClientEvents {
  readonly #frame: Uint8Array
  readonly #everyMs: number
  readonly #tally = new LoadTally()
  readonly #sentAt = new Map<WsClient, number>()
  #isStopped = false
  #over: () => void = () => {}

  constructor(frame: Uint8Array, everyMs: number) {
    this.#frame = frame
    this.#everyMs = everyMs
  }

  async run(clients: readonly WsClient[]): Promise<LoadResult> {
    const staying = [...clients]
    const over = new Promise<void>((resolve) => (this.#over = resolve))
    this.#tally.start()
    const timer = setInterval(() => this.#send(staying), this.#everyMs)
    await over
    clearInterval(timer)
    return this.#tally.result()
  }

  /** Waits for what is under way, but no longer than `drainMs`. */
  stop(): void {
    this.#isStopped = true
    if (this.#sentAt.size === 0) this.#over()
    const giveUp = setTimeout(() => {
      this.#tally.failed('message without an answer', this.#sentAt.size)
      this.#over()
    }, drainMs)
    giveUp.unref()
  }

  onMessages(client: WsClient, count: number): void {
    const sentAt = this.#sentAt.get(client)
    if (sentAt === undefined || count > 1) this.#tally.failed('message nobody asked for')
    if (sentAt !== undefined) this.#tally.done(sentAt, performance.now())
    this.#forget(client)
  }

  onEnd(client: WsClient, what: string): void {
    this.#tally.failed(what)
    this.#forget(client)
  }

  #forget(client: WsClient): void {
    this.#sentAt.delete(client)
    if (this.#isStopped && this.#sentAt.size === 0) this.#over()
  }

  #send(clients: readonly WsClient[]): void {
    if (this.#isStopped) return
    for (const client of clients) {
      if (client.ended || this.#sentAt.has(client)) continue
      this.#sentAt.set(client, performance.now())
      client.write(this.#frame)
    }
  }
}
