// SPDX-License-Identifier: Apache-2.0
import type { LoadResult } from './load-result.ts'
import { LoadTally } from './load-tally.ts'
import type { WsClient, WsClientEvents } from './ws-client.ts'

export interface WsEchoOptions {
  /** The frame of one message, sent as it is every time; each is answered by one message. */
  readonly frame: Uint8Array
  /** Messages under way on each connection. */
  readonly outstanding: number
  /** How long messages are sent; what is outstanding then is waited for. */
  readonly durationMs: number
  /** How long an outstanding answer is waited for after that. Default 10000: longer than any timeout of ours. */
  readonly drainMs?: number
}

/** When the messages of one client that are under way were sent, the oldest first. */
class SentTimes {
  readonly #times: Float64Array
  #first = 0
  #count = 0

  constructor(most: number) {
    this.#times = new Float64Array(most)
  }

  get count(): number {
    return this.#count
  }

  push(time: number): void {
    this.#times[(this.#first + this.#count) % this.#times.length] = time
    this.#count += 1
  }

  /** The oldest; undefined when nothing is under way. */
  shift(): number | undefined {
    if (this.#count === 0) return undefined
    const time = this.#times[this.#first]
    this.#first = (this.#first + 1) % this.#times.length
    this.#count -= 1
    return time
  }
}

/**
 * Sends one message over and over on clients that are open, and counts the answers. A message that is not answered, and
 * one that was not asked for, is an error; a client that ends is not replaced.
 */
export class WsEchoLoad implements WsClientEvents {
  readonly #options: WsEchoOptions
  /** Frames of 1, 2, ... messages: as many as came are sent by one write. */
  readonly #batches: readonly Uint8Array[]
  readonly #sent = new Map<WsClient, SentTimes>()
  readonly #tally = new LoadTally()
  #underWay = 0
  #isSending = true
  #over: () => void = () => {}

  constructor(options: WsEchoOptions) {
    this.#options = options
    const all = Buffer.concat(Array.from({ length: options.outstanding }, () => options.frame))
    this.#batches = Array.from({ length: options.outstanding + 1 }, (_, count) =>
      all.subarray(0, count * options.frame.length),
    )
  }

  async run(clients: readonly WsClient[]): Promise<LoadResult> {
    const { outstanding, durationMs, drainMs = 10_000 } = this.#options
    const over = new Promise<void>((resolve) => (this.#over = resolve))
    this.#tally.start()
    for (const client of clients) {
      this.#sent.set(client, new SentTimes(outstanding))
      if (!client.ended) this.#send(client, outstanding, performance.now())
    }
    if (this.#underWay === 0) this.#over()
    const stopSending = setTimeout(() => (this.#isSending = false), durationMs)
    const giveUp = setTimeout(() => this.#giveUp(), durationMs + drainMs)
    await over
    clearTimeout(stopSending)
    clearTimeout(giveUp)
    return this.#tally.result()
  }

  onMessages(client: WsClient, count: number): void {
    const now = performance.now()
    const sent = this.#sent.get(client)
    let answered = 0
    for (; answered < count; answered++) {
      const sentAt = sent?.shift()
      if (sentAt === undefined) break
      this.#tally.done(sentAt, now)
    }
    if (answered < count) this.#tally.failed('message nobody asked for', count - answered)
    this.#underWay -= answered
    if (this.#isSending) this.#send(client, answered, now)
    else if (this.#underWay === 0) this.#over()
  }

  onEnd(client: WsClient, what: string): void {
    this.#tally.failed(what)
    const lost = this.#sent.get(client)?.count ?? 0
    if (lost > 0) this.#tally.failed('message without an answer', lost)
    this.#sent.delete(client)
    this.#underWay -= lost
    if (this.#underWay === 0) this.#over()
  }

  #send(client: WsClient, count: number, now: number): void {
    const batch = this.#batches[count]
    const sent = this.#sent.get(client)
    if (batch === undefined || sent === undefined || count === 0) return
    for (let index = 0; index < count; index++) sent.push(now)
    this.#underWay += count
    client.write(batch)
  }

  #giveUp(): void {
    this.#tally.failed('message without an answer', this.#underWay)
    this.#over()
  }
}
