// SPDX-License-Identifier: Apache-2.0
import { setTimeout as delay } from 'node:timers/promises'
import type { LoadResult } from './load-result.ts'
import type { WsClient, WsClientEvents } from './ws-client.ts'

/** Sends nothing: operations are pings of the server that were answered; a client that ends is an error. */
export class WsRestLoad implements WsClientEvents {
  readonly #durationMs: number
  readonly #errors = new Map<string, number>()
  #pings = 0

  constructor(durationMs: number) {
    this.#durationMs = durationMs
  }

  async run(): Promise<LoadResult> {
    const startedAt = performance.now()
    await delay(this.#durationMs)
    const seconds = (performance.now() - startedAt) / 1000
    return { operations: this.#pings, seconds, errors: Object.fromEntries(this.#errors), latencyCounts: [] }
  }

  onPing(): void {
    this.#pings += 1
  }

  onMessages(_client: WsClient, count: number): void {
    this.#failed('message nobody asked for', count)
  }

  onEnd(_client: WsClient, what: string): void {
    this.#failed(what, 1)
  }

  #failed(what: string, count: number): void {
    this.#errors.set(what, (this.#errors.get(what) ?? 0) + count)
  }
}
