// SPDX-License-Identifier: Apache-2.0
import type { LoadResult } from './load-result.ts'
import { LoadTally } from './load-tally.ts'
import { WsClient, type WsClientEvents, type WsClientOptions } from './ws-client.ts'

export interface WsAcceptOptions extends WsClientOptions {
  /** Handshakes under way. */
  readonly parallel: number
  readonly durationMs: number
}

/** Connects, lets the server switch protocols and cuts the connection at once, over and over: operations are handshakes. */
export async function runWsAcceptLoad({ parallel, durationMs, ...options }: WsAcceptOptions): Promise<LoadResult> {
  const tally = new LoadTally()
  const events: WsClientEvents = {
    onMessages: () => tally.failed('message'),
    onEnd: (_client, what) => tally.failed(what),
  }
  const endAt = performance.now() + durationMs
  const again = async (): Promise<void> => {
    while (performance.now() < endAt) {
      const startedAt = performance.now()
      try {
        const client = await WsClient.open(options, events)
        tally.done(startedAt, performance.now())
        client.close('reset')
      } catch (error) {
        tally.failed(error instanceof Error ? error.message : String(error))
      }
    }
  }
  tally.start()
  await Promise.all(Array.from({ length: parallel }, again))
  return tally.result()
}
