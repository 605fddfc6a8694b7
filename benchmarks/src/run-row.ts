// SPDX-License-Identifier: Apache-2.0
import { Bench, type BenchOptions } from './bench.ts'
import type { Row } from './row.ts'
import { type RowResult, summarizeRow, summarizeSide } from './row-result.ts'
import { type Sample, takeSample } from './sample.ts'

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
    const { subject, reference } = await row.start(bench)
    const durationMs = options.seconds * 1000
    for (const side of [subject, reference]) await side.run(durationMs)
    const subjectSamples: Sample[] = []
    const referenceSamples: Sample[] = []
    for (let round = 1; round <= options.rounds; round++) {
      options.onStep(`${row.name}: round ${round} of ${options.rounds}`)
      subjectSamples.push(await takeSample(subject, bench.processes, durationMs))
      referenceSamples.push(await takeSample(reference, bench.processes, durationMs))
    }
    const sides = {
      subject: summarizeSide(subject, subjectSamples),
      reference: summarizeSide(reference, referenceSamples),
    }
    return summarizeRow(row, sides, bench.natsServer)
  } finally {
    options.signal?.removeEventListener('abort', stop)
    await bench.close()
  }
}
