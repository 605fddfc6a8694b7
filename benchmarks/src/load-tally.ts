// SPDX-License-Identifier: Apache-2.0
import { LatencyHistogram } from './latency-histogram.ts'
import type { LoadResult } from './load-result.ts'

/** Collects what a running load sees and turns it into its result. */
export class LoadTally {
  #startedAt = performance.now()
  readonly #histogram = new LatencyHistogram()
  readonly #errors = new Map<string, number>()

  /** Starts the clock; errors counted before stay. */
  start(): void {
    this.#startedAt = performance.now()
  }

  /** An operation that was sent at `sentAt` and answered at `now`, both by `performance.now()`. */
  done(sentAt: number, now: number): void {
    this.#histogram.record((now - sentAt) * 1000)
  }

  failed(what: string, count = 1): void {
    this.#errors.set(what, (this.#errors.get(what) ?? 0) + count)
  }

  /** To be taken once the last answer is in. */
  result(): LoadResult {
    return {
      operations: this.#histogram.total,
      seconds: (performance.now() - this.#startedAt) / 1000,
      errors: Object.fromEntries(this.#errors),
      latencyCounts: this.#histogram.counts(),
    }
  }
}
