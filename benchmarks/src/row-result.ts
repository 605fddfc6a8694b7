// SPDX-License-Identifier: Apache-2.0
import { checkGate, type GateResult, uncheckedGate } from './gate.ts'
import { LatencyHistogram } from './latency-histogram.ts'
import type { Absolute, Gate, Ratio, Row, Side } from './row.ts'
import type { Sample } from './sample.ts'
import { median, ratios, type Spread, spread, sumByKey } from './statistics.ts'

/** Everything one row found out. */
export interface RowResult {
  readonly name: string
  readonly title: string
  readonly cpuPer: number
  /** Version of the broker; undefined for a row without one. */
  readonly natsServer: string | undefined
  readonly subject: SideResult
  readonly reference: SideResult
  readonly others: readonly SideResult[]
  /** Sides that could not be had, and why. */
  readonly missing: Readonly<Record<string, string>>
  /** Subject over reference, round by round. */
  readonly ratios: Readonly<Record<Ratio, Spread>>
  /** Of all sides, all rounds. */
  readonly errors: number
  readonly gates: readonly GateResult[]
}

/** What the sides of a row came to. */
export interface MeasuredSides {
  readonly subject: SideResult
  readonly reference: SideResult
  readonly others?: readonly SideResult[]
  readonly missing?: Readonly<Record<string, string>>
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
  const { subject, reference, others = [], missing = {} } = sides
  const compared = (ratio: Ratio): Spread => compare(ratio, subject, reference)
  const found = { cpu: compared('cpu'), rate: compared('rate'), p50: compared('p50'), p99: compared('p99') }
  const all = [subject, reference, ...others]
  const errors = all.flatMap(({ rounds }) => rounds).reduce((sum, sample) => sum + sample.errorCount, 0)
  const gates = row.gates.map((gate) => judge(gate, all, { errors, missing }))
  const { name, title, cpuPer } = row
  return { name, title, cpuPer, natsServer, subject, reference, others, missing, ratios: found, errors, gates }
}

const sampleValues: Readonly<Record<Ratio, (sample: Sample) => number>> = {
  cpu: (sample) => sample.cpuSecondsPerOperation,
  rate: (sample) => sample.ratePerSecond,
  p50: (sample) => sample.p50Ms,
  p99: (sample) => sample.p99Ms,
}

function compare(ratio: Ratio, side: SideResult, to: SideResult): Spread {
  const value = sampleValues[ratio]
  return spread(ratios(side.rounds.map(value), to.rounds.map(value)))
}

interface Surroundings {
  readonly errors: number
  readonly missing: Readonly<Record<string, string>>
}

/** Checks a gate between the sides it names; the first two are those of a gate that names none. */
function judge(gate: Gate, all: readonly SideResult[], { errors, missing }: Surroundings): GateResult {
  if (gate.measure === 'errors') return checkGate(gate, errors)
  const { of = all[0]?.name ?? '', against = all[1]?.name ?? '' } = gate
  const named = gate.of === undefined && gate.against === undefined ? gate : { ...gate, of, against }
  const [side, to] = [of, against].map((name) => all.find((candidate) => candidate.name === name))
  if (side === undefined || to === undefined) {
    const absent = side === undefined ? of : against
    return uncheckedGate(named, missing[absent] ?? `no side is named "${absent}"`)
  }
  if (isRatio(gate.measure)) return checkGate(named, compare(gate.measure, side, to))
  const valuesOf = absoluteValues[gate.measure]
  if (gate.against === undefined) return checkGate(gate, spread(valuesOf(side)))
  // Memory comes in pages: what one round takes says little.
  return checkGate(named, sum(valuesOf(side)) / sum(valuesOf(to)))
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

const absoluteValues: Readonly<Record<Absolute, (side: SideResult) => number[]>> = {
  memory: ({ rounds }) => rounds.map(({ load }) => (load.bytesEach ?? Number.NaN) / 1024),
  p99Ms: ({ rounds }) => rounds.map(({ p99Ms }) => p99Ms),
  lag: ({ rounds }) => rounds.map(({ load }) => load.lagMs ?? Number.NaN),
}

function isRatio(measure: Ratio | Absolute): measure is Ratio {
  return Object.hasOwn(sampleValues, measure)
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

function mapValues(record: Record<string, number>, change: (value: number) => number): Record<string, number> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]))
}
