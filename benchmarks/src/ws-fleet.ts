// SPDX-License-Identifier: Apache-2.0
import type { LoadResult } from './load-result.ts'
import { LoadTally } from './load-tally.ts'
import { WsClient, type WsClientEvents, type WsClientOptions } from './ws-client.ts'

/** A load on clients that are open; it is told what they get while it runs. */
export interface WsLoad extends WsClientEvents {
  run(clients: readonly WsClient[]): Promise<LoadResult>
}

const handshakesAtOnce = 64

/** The clients of one server, kept open from one load to the next. What happens between two loads is an error of the next. */
export class WsFleet implements WsClientEvents {
  readonly #options: WsClientOptions
  readonly #clients: WsClient[] = []
  #load: WsLoad | undefined
  #between = new Map<string, number>()

  constructor(options: WsClientOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#clients.length
  }

  /** Cuts the last ones, all at once. */
  drop(count: number): void {
    for (const client of this.#clients.splice(-count)) client.close('reset')
  }

  /** Opens more clients, so many at a time; operations are handshakes. */
  async grow(count: number, atOnce: number = handshakesAtOnce): Promise<LoadResult> {
    const tally = new LoadTally()
    let begun = 0
    const openSome = async (): Promise<void> => {
      while (begun < count) {
        begun += 1
        const startedAt = performance.now()
        try {
          this.#clients.push(await WsClient.open(this.#options, this))
          tally.done(startedAt, performance.now())
        } catch (error) {
          tally.failed(error instanceof Error ? error.message : String(error))
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(atOnce, count) }, openSome))
    return this.#withStrays(tally.result())
  }

  async run(load: WsLoad): Promise<LoadResult> {
    this.#load = load
    try {
      return this.#withStrays(await load.run(this.#clients))
    } finally {
      this.#load = undefined
    }
  }

  close(): void {
    for (const client of this.#clients.splice(0)) client.close()
  }

  onMessages(client: WsClient, count: number): void {
    if (this.#load === undefined) this.#stray('message nobody waited for', count)
    else this.#load.onMessages(client, count)
  }

  onPing(client: WsClient): void {
    this.#load?.onPing?.(client)
  }

  onEnd(client: WsClient, what: string): void {
    if (this.#load === undefined) this.#stray(what, 1)
    else this.#load.onEnd(client, what)
  }

  #stray(what: string, count: number): void {
    this.#between.set(what, (this.#between.get(what) ?? 0) + count)
  }

  #withStrays(result: LoadResult): LoadResult {
    const errors = { ...result.errors }
    for (const [what, count] of this.#between) errors[what] = (errors[what] ?? 0) + count
    this.#between = new Map()
    return { ...result, errors }
  }
}
