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
  /** Part of the time under load that a side of this row needs in each round. Default 1. */
  readonly timeShare?: number
  /** Lets the sides take turns of so many ms within a round, where the machine is less steady than they differ. Default: one turn. */
  readonly turnMs?: number
  readonly gates: readonly Gate[]
  /** Starts everything both sides need. What is started through `bench` is stopped by it. */
  start(bench: Bench): Promise<Sides>
}

/** The measured side first, what it is compared with second; ratios are the first over the second. */
export interface Sides {
  readonly subject: Side
  readonly reference: Side
  /** Measured in the same rounds; gates refer to them by name. Default none. */
  readonly others?: readonly Side[]
  /** Sides that gates name and that cannot be had here, and why. Default none. */
  readonly missing?: Readonly<Record<string, string>>
}

export interface Side {
  readonly name: string
  /** The process whose CPU time counts. */
  readonly measured: BenchProcess
  /** Part of the time under load that its code needs to get warm, before the first round. Default the row's `timeShare`. */
  readonly warmUpShare?: number
  /** Puts load on this side for so long; the other side is idle meanwhile. */
  run(durationMs: number): Promise<LoadResult>
}

/** What two sides are compared by: one over the other in each round, and of the rounds the median. */
export type Ratio = 'cpu' | 'rate' | 'p50' | 'p99'

/** Of one side, in a unit of its own. */
export type Absolute = 'memory' | 'p99Ms' | 'lag'

/**
 * `memory`: KiB that an operation of one side holds, median of the rounds; a ratio over all rounds where
 * `against` names a side.
 * `p99Ms`: of one side, median of the rounds. `lag`: how late the event loop of one side was, p99 in ms, median of the rounds.
 * `errors`: of all sides, all rounds.
 */
export type Measure = Ratio | Absolute | 'errors'

export type Gate = {
  readonly measure: Measure
  /** Name of the side that is judged. Default: the subject. */
  readonly of?: string
  /** Name of the side a ratio is taken to. Default: the reference. */
  readonly against?: string
} & ({ readonly atMost: number } | { readonly atLeast: number })
