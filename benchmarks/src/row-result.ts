// SPDX-License-Identifier: Apache-2.0
import { checkGate, type GateResult } from './gate.ts'
import { LatencyHistogram } from './latency-histogram.ts'
import type { Measure, Row, Side } from './row.ts'
import type { Sample } from './sample.ts'
import { median, ratios, type Spread, spread } from './statistics.ts'

/** Everything one row found out. */
export interface RowResult {
  readonly name: string
  readonly title: string
  readonly cpuPer: number
  /** Version of the broker; undefined for a row without one. */
  readonly natsServer: string | undefined
  readonly subject: SideResult
  readonly reference: SideResult
  /** Subject over reference, round by round. */
  readonly ratios: Readonly<Record<Exclude<Measure, 'errors'>, Spread>>
  /** Of both sides, all rounds. */
  readonly errors: number
  readonly gates: readonly GateResult[]
}

/** What both sides of a row came to. */
export interface MeasuredSides {
  readonly subject: SideResult
  readonly reference: SideResult
}

export interface SideResult {
  readonly name: string
  /** The process whose CPU time counts. */
  readonly measured: string
  /** Medians of the rounds; p50 and p99 over the operations of all rounds. */
  readonly ratePerSecond: number
  readonly cpuSecondsPerOperation: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly operations: number
  readonly errors: Readonly<Record<string, number>>
  /** Of every process that took part, by its name. */
  readonly cpuSecondsPerOperationByProcess: Readonly<Record<string, number>>
  /** The most any round saw. */
  readonly otherCores: number | undefined
  readonly rounds: readonly Sample[]
}

export function summarizeRow(row: Row, sides: MeasuredSides, natsServer?: string): RowResult {
  const { subject, reference } = sides
  const compare = (value: (sample: Sample) => number): Spread =>
    spread(ratios(subject.rounds.map(value), reference.rounds.map(value)))
  const found = {
    cpu: compare((sample) => sample.cpuSecondsPerOperation),
    rate: compare((sample) => sample.ratePerSecond),
    p99: compare((sample) => sample.p99Ms),
  }
  const errors = [...subject.rounds, ...reference.rounds].reduce((sum, sample) => sum + sample.errorCount, 0)
  const values = { cpu: found.cpu.median, rate: found.rate.median, p99: found.p99.median, errors }
  const gates = row.gates.map((gate) => checkGate(gate, values))
  const { name, title, cpuPer } = row
  return { name, title, cpuPer, natsServer, subject, reference, ratios: found, errors, gates }
}

export function summarizeSide(side: Side, rounds: readonly Sample[]): SideResult {
  const histogram = new LatencyHistogram()
  for (const { load } of rounds) histogram.add(load.latencyCounts)
  const operations = rounds.reduce((sum, { load }) => sum + load.operations, 0)
  const others = rounds.map(({ otherCores }) => otherCores).filter((cores) => cores !== undefined)
  return {
    name: side.name,
    measured: side.measured.name,
    ratePerSecond: median(rounds.map((sample) => sample.ratePerSecond)),
    cpuSecondsPerOperation: median(rounds.map((sample) => sample.cpuSecondsPerOperation)),
    p50Ms: histogram.quantile(0.5) / 1000,
    p99Ms: histogram.quantile(0.99) / 1000,
    operations,
    errors: sumByKey(rounds.map(({ load }) => load.errors)),
    cpuSecondsPerOperationByProcess: mapValues(
      sumByKey(rounds.map(({ cpuSeconds }) => cpuSeconds)),
      (cpu) => cpu / operations,
    ),
    otherCores: others.length === 0 ? undefined : Math.max(...others),
    rounds,
  }
}

function sumByKey(records: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums = new Map<string, number>()
  for (const record of records) {
    for (const [key, value] of Object.entries(record)) sums.set(key, (sums.get(key) ?? 0) + value)
  }
  return Object.fromEntries(sums)
}

function mapValues(record: Record<string, number>, change: (value: number) => number): Record<string, number> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]))
}
