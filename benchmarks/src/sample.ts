// SPDX-License-Identifier: Apache-2.0
import { cpus } from 'node:os'
import type { BenchProcess } from './bench-process.ts'
import { type LoadResult, errorCount } from './load-result.ts'
import { LatencyHistogram } from './latency-histogram.ts'
import type { Side } from './row.ts'
import { sumByKey } from './statistics.ts'

/** One side in one round. */
export interface Sample {
  readonly load: LoadResult
  readonly ratePerSecond: number
  /** Of the measured process; NaN if nothing was done. */
  readonly cpuSecondsPerOperation: number
  /** NaN, as p99, where a load takes no latencies. */
  readonly p50Ms: number
  readonly p99Ms: number
  readonly errorCount: number
  /** CPU seconds of every process of the row, by its name; those that cannot be known are absent. */
  readonly cpuSeconds: Readonly<Record<string, number>>
  /** Cores kept busy by anything that is not part of this run; undefined where that cannot be known. */
  readonly otherCores: number | undefined
}

/** Runs the load on one side and takes the CPU time of all processes around it. */
export async function takeSample(side: Side, processes: readonly BenchProcess[], durationMs: number): Promise<Sample> {
  const before = await readCpu(processes)
  const load = await side.run(durationMs)
  const after = await readCpu(processes)
  return sampleOf(side, { load, cpuSeconds: spentByProcess(before, after), otherCores: otherCores(before, after) })
}

/** Makes one sample of the turns a side has had in a round. What a load tells besides is that of the last. */
export function joinSamples(side: Side, turns: readonly Sample[]): Sample {
  const [first, ...rest] = turns
  if (first === undefined) throw new TypeError('a round has at least one turn')
  return rest.reduce((joined, turn) => sampleOf(side, joinFindings(joined, turn)), first)
}

type Findings = Pick<Sample, 'load' | 'cpuSeconds' | 'otherCores'>

function joinFindings(one: Findings, other: Findings): Findings {
  const histogram = new LatencyHistogram()
  histogram.add(one.load.latencyCounts)
  histogram.add(other.load.latencyCounts)
  return {
    load: {
      ...other.load,
      operations: one.load.operations + other.load.operations,
      seconds: one.load.seconds + other.load.seconds,
      errors: sumByKey([one.load.errors, other.load.errors]),
      latencyCounts: histogram.counts(),
    },
    cpuSeconds: sumByKey([one.cpuSeconds, other.cpuSeconds]),
    otherCores: mostCores(one.otherCores, other.otherCores),
  }
}

function mostCores(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : Math.max(one, other)
}

function sampleOf(side: Side, { load, cpuSeconds, otherCores }: Findings): Sample {
  const histogram = new LatencyHistogram()
  histogram.add(load.latencyCounts)
  return {
    load,
    ratePerSecond: load.operations / load.seconds,
    cpuSecondsPerOperation:
      load.operations === 0 ? Number.NaN : (cpuSeconds[side.measured.name] ?? Number.NaN) / load.operations,
    p50Ms: histogram.quantile(0.5) / 1000,
    p99Ms: histogram.quantile(0.99) / 1000,
    errorCount: errorCount(load),
    cpuSeconds,
    otherCores,
  }
}

interface CpuReading {
  readonly at: number
  readonly byProcess: ReadonlyMap<string, number>
  /** Whether every process could be read. */
  readonly complete: boolean
  /** Busy time of all cores, whoever used them. */
  readonly machineSeconds: number
}

async function readCpu(processes: readonly BenchProcess[]): Promise<CpuReading> {
  const byProcess = new Map<string, number>()
  await Promise.all(
    processes.map(async (process) => {
      const seconds = await process.cpuSeconds()
      if (seconds !== undefined) byProcess.set(process.name, seconds)
    }),
  )
  const complete = byProcess.size === processes.length
  return { at: performance.now(), byProcess, complete, machineSeconds: busySeconds() }
}

function busySeconds(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0) / 1000
}

function spentByProcess(before: CpuReading, after: CpuReading): Record<string, number> {
  const spent = [...after.byProcess].map(([name, seconds]) => [name, seconds - (before.byProcess.get(name) ?? 0)])
  return Object.fromEntries(spent)
}

function otherCores(before: CpuReading, after: CpuReading): number | undefined {
  if (!after.complete) return undefined
  const ours = Object.values(spentByProcess(before, after)).reduce((sum, seconds) => sum + seconds, 0)
  const others = after.machineSeconds - before.machineSeconds - ours
  return Math.max(0, others / ((after.at - before.at) / 1000))
}
