// SPDX-License-Identifier: Apache-2.0
import type { Bench } from './bench.ts'
import type { BenchProcess } from './bench-process.ts'
import type { LoadResult } from './load-result.ts'

/** One comparison: what is measured, what it is measured against, and how good it must be. */
export interface Row {
  /** What `--rows` selects; the name of the file in rows/. */
  readonly name: string
  readonly title: string
  /** CPU seconds are printed per so many operations. */
  readonly cpuPer: number
  readonly gates: readonly Gate[]
  /** Starts everything both sides need. What is started through `bench` is stopped by it. */
  start(bench: Bench): Promise<Sides>
}

/** The measured side first, what it is compared with second; ratios are the first over the second. */
export interface Sides {
  readonly subject: Side
  readonly reference: Side
}

export interface Side {
  readonly name: string
  /** The process whose CPU time counts. */
  readonly measured: BenchProcess
  /** Puts load on this side for so long; the other side is idle meanwhile. */
  run(durationMs: number): Promise<LoadResult>
}

/** `cpu`, `rate`, `p99`: ratios of subject to reference, median of the rounds. `errors`: of both sides, all rounds. */
export type Measure = 'cpu' | 'rate' | 'p99' | 'errors'

export type Gate =
  | { readonly measure: Measure; readonly atMost: number }
  | { readonly measure: Measure; readonly atLeast: number }
