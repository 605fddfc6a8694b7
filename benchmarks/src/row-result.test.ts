// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import type { BenchProcess } from './bench-process.ts'
import type { Row, Side } from './row.ts'
import { summarizeRow, summarizeSide } from './row-result.ts'
import { type Sample, takeSample } from './sample.ts'
import { LatencyHistogram } from './latency-histogram.ts'

/** A process that uses a fixed CPU time between any two readings. */
function fakeProcess(name: string, step: number | undefined): BenchProcess {
  let spent = 10
  return {
    name,
    cpuSeconds: async () => (step === undefined ? undefined : (spent += step)),
    stop: async () => {},
  }
}

interface FakeLoad {
  readonly operations: number
  readonly seconds?: number
  readonly micros?: number
  readonly errors?: Record<string, number>
}

function fakeSide(measured: BenchProcess, { operations, seconds = 2, micros = 1000, errors = {} }: FakeLoad): Side {
  const histogram = new LatencyHistogram()
  for (let count = 0; count < operations; count++) histogram.record(micros)
  return {
    name: `side of ${measured.name}`,
    measured,
    run: async () => ({ operations, seconds, errors, latencyCounts: histogram.counts() }),
  }
}

const row: Row = {
  name: 'fake',
  title: 'a fake row',
  cpuPer: 10_000,
  gates: [
    { measure: 'cpu', atMost: 2 },
    { measure: 'rate', atLeast: 0.6 },
    { measure: 'errors', atMost: 0 },
  ],
  start: () => Promise.reject(new Error('not started here')),
}

describe('takeSample', () => {
  it('counts the CPU time each process spent during the load, over its operations', async () => {
    const server = fakeProcess('server', 0.5)
    const broker = fakeProcess('broker', 0.25)
    const sample = await takeSample(fakeSide(server, { operations: 100 }), [server, broker], 10)
    expect(sample).toMatchObject({
      ratePerSecond: 50,
      cpuSecondsPerOperation: 0.005,
      cpuSeconds: { server: 0.5, broker: 0.25 },
      errorCount: 0,
    })
    expect(Math.abs(sample.p99Ms - 1)).toBeLessThan(0.01)
  })

  it('leaves out a process whose time nobody knows, and then knows nothing of other load', async () => {
    const server = fakeProcess('server', 0.5)
    const sample = await takeSample(fakeSide(server, { operations: 1 }), [server, fakeProcess('broker', undefined)], 10)
    expect(sample.cpuSeconds).toEqual({ server: 0.5 })
    expect(sample.otherCores).toBeUndefined()
  })

  it('sees load of the machine that none of the processes made', async () => {
    const idle = fakeProcess('server', 0)
    const side: Side = {
      ...fakeSide(idle, { operations: 1 }),
      async run(durationMs) {
        const from = process.cpuUsage()
        const burntMs = (): number => (process.cpuUsage(from).user + process.cpuUsage(from).system) / 1000
        while (burntMs() < durationMs);
        return fakeSide(idle, { operations: 1 }).run(durationMs)
      },
    }
    // As much of a core as there would be if that took six seconds.
    expect((await takeSample(side, [idle], 300)).otherCores).toBeGreaterThan(0.05)
  })

  it('has no CPU time per operation when nothing was done', async () => {
    const server = fakeProcess('server', 0.5)
    const sample = await takeSample(fakeSide(server, { operations: 0, errors: { refused: 3 } }), [server], 10)
    expect(sample.cpuSecondsPerOperation).toBeNaN()
    expect(sample).toMatchObject({ ratePerSecond: 0, errorCount: 3 })
  })
})

async function rounds(side: Side, count: number): Promise<Sample[]> {
  const samples: Sample[] = []
  for (let round = 0; round < count; round++) samples.push(await takeSample(side, [side.measured], 10))
  return samples
}

describe('summarizeRow', () => {
  it('puts the subject over the reference and checks the gates', async () => {
    const subject = fakeSide(fakeProcess('ours', 0.6), { operations: 100, micros: 64 })
    const reference = fakeSide(fakeProcess('theirs', 0.4), { operations: 200, micros: 32 })
    const sides = {
      subject: summarizeSide(subject, await rounds(subject, 3)),
      reference: summarizeSide(reference, await rounds(reference, 3)),
    }
    const result = summarizeRow(row, sides, '2.15.2')
    expect(result.natsServer).toBe('2.15.2')
    expect(result.ratios.cpu.median).toBeCloseTo(3)
    expect(result.ratios.rate.median).toBeCloseTo(0.5)
    expect(result.ratios.p99.median).toBeCloseTo(2)
    expect(result.gates.map(({ measure, passed }) => [measure, passed])).toEqual([
      ['cpu', false],
      ['rate', false],
      ['errors', true],
    ])
    expect(result.subject).toMatchObject({ name: 'side of ours', measured: 'ours', operations: 300, ratePerSecond: 50 })
    expect(result.subject.cpuSecondsPerOperationByProcess['ours']).toBeCloseTo(0.006)
  })

  it('fails the gate on errors of either side, which are summed by their kind', async () => {
    const subject = fakeSide(fakeProcess('ours', 0.1), { operations: 10 })
    const reference = fakeSide(fakeProcess('theirs', 0.1), { operations: 10, errors: { 'status 500': 2 } })
    const theirs = summarizeSide(reference, await rounds(reference, 2))
    const result = summarizeRow(row, {
      subject: summarizeSide(subject, await rounds(subject, 2)),
      reference: theirs,
    })
    expect(theirs.errors).toEqual({ 'status 500': 4 })
    expect(result.errors).toBe(4)
    expect(result.gates.find(({ measure }) => measure === 'errors')?.passed).toBe(false)
  })

  it('compares memory with the side a gate names, and takes it as it is where it names none', async () => {
    const holding = (name: string, kib: number): Side => {
      const side = fakeSide(fakeProcess(name, 0.1), { operations: 10 })
      return { ...side, run: async (ms) => ({ ...(await side.run(ms)), bytesEach: kib * 1024 }) }
    }
    const summed = async (name: string, kib: number) => {
      const side = holding(name, kib)
      return summarizeSide(side, await rounds(side, 2))
    }
    const gates = [
      { measure: 'memory', atMost: 12 },
      { measure: 'memory', against: 'side of theirs', atMost: 1.45 },
    ] as const
    const sides = { subject: await summed('ours', 12), reference: await summed('theirs', 8) }
    expect(summarizeRow({ ...row, gates }, sides).gates).toMatchObject([
      { value: 12, passed: true },
      { value: 1.5, passed: false },
    ])
  })

  it('takes p99 and the lag of an event loop of one side as they are', async () => {
    const late = async (name: string, lagMs: number, micros: number) => {
      const side = fakeSide(fakeProcess(name, 0.1), { operations: 10, micros })
      const timed: Side = { ...side, run: async (ms) => ({ ...(await side.run(ms)), lagMs }) }
      return summarizeSide(timed, await rounds(timed, 3))
    }
    const gates = [
      { measure: 'lag', atMost: 200 },
      { measure: 'lag', of: 'side of theirs', atMost: 200 },
      { measure: 'p99Ms', atMost: 250 },
    ] as const
    const sides = { subject: await late('ours', 12, 64_000), reference: await late('theirs', 233, 1000) }
    const found = summarizeRow({ ...row, gates }, sides).gates
    expect(found).toMatchObject([{ value: 12, passed: true }, { value: 233, passed: false }, { passed: true }])
    expect(found[2]?.value).toBeCloseTo(64, 0)
  })
})
