// SPDX-License-Identifier: Apache-2.0
import type { LoadResult } from './load-result.ts'
import { LoadTally } from './load-tally.ts'

/** Sends one request and calls back exactly once, never before it has returned: without an error if it was answered. */
export type SendRequest = (onDone: (error?: string) => void) => void

/** Keeps `outstanding` requests under way for so long, then waits for the last answers. */
export function runRequestLoad(send: SendRequest, outstanding: number, durationMs: number): Promise<LoadResult> {
  return new Promise((resolve) => {
    const tally = new LoadTally()
    let sending = true
    let running = outstanding
    const next = (sentAt: number): void =>
      send((error) => {
        const now = performance.now()
        if (error === undefined) tally.done(sentAt, now)
        else tally.failed(error)
        if (sending) next(now)
        else if (--running === 0) resolve(tally.result())
      })
    setTimeout(() => (sending = false), durationMs)
    for (let started = 0; started < outstanding; started++) next(performance.now())
  })
}
