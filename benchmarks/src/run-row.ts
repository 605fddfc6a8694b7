// SPDX-License-Identifier: Apache-2.0
import { Bench, type BenchOptions } from './bench.ts'
import type { Row } from './row.ts'
import { type RowResult, summarizeRow, summarizeSide } from './row-result.ts'
import { joinSamples, type Sample, takeSample } from './sample.ts'

export interface RunOptions extends BenchOptions {
  /** How often each side is measured; the sides take turns. */
  readonly rounds: number
  /** How long one side is loaded in one round. */
  readonly seconds: number
  /** Aborting stops everything; the run rejects. Default none. */
  readonly signal?: AbortSignal
}

/** Runs one row from nothing: starts it, warms both sides up with a round that does not count, measures, stops it. */
export async function runRow(row: Row, options: RunOptions): Promise<RowResult> {
  options.signal?.throwIfAborted()
  const bench = await Bench.open(options)
  // Whatever is being waited for ends with the processes.
  const stop = (): void => void bench.close()
  options.signal?.addEventListener('abort', stop)
  try {
    const { subject, reference, others = [], missing = {} } = await row.start(bench)
    const sides = [subject, reference, ...others].map((side) => ({
      side,
      samples: [] as Sample[],
      turns: [] as Sample[],
    }))
    const { timeShare = 1 } = row
    const durationMs = options.seconds * timeShare * 1000
    const turnCount = Math.max(1, Math.round(durationMs / (row.turnMs ?? durationMs)))
    for (const { side } of sides) await side.run(options.seconds * (side.warmUpShare ?? timeShare) * 1000)
    for (let round = 1; round <= options.rounds; round++) {
      options.onStep(`${row.name}: round ${round} of ${options.rounds}`)
      for (let turn = 0; turn < turnCount; turn++) {
        for (const { side, turns } of sides) turns.push(await takeSample(side, bench.processes, durationMs / turnCount))
      }
      for (const { side, samples, turns } of sides) samples.push(joinSamples(side, turns.splice(0)))
    }
    const [ours, theirs, ...more] = sides.map(({ side, samples }) => summarizeSide(side, samples))
    if (ours === undefined || theirs === undefined) throw new Error('a row has two sides')
    return summarizeRow(row, { subject: ours, reference: theirs, others: more, missing }, bench.natsServer)
  } finally {
    options.signal?.removeEventListener('abort', stop)
    await bench.close()
  }
}
