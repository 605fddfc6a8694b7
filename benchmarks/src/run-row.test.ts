// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { BenchProcess } from './bench-process.ts'
import type { Row, Side } from './row.ts'
import { runRow } from './run-row.ts'

const idle: BenchProcess = { name: 'idle', cpuSeconds: async () => 0, stop: async () => {} }

function recordingRow(order: string[], onStart: (directory: string) => void = () => {}): Row {
  const side = (name: string): Side => ({
    name,
    measured: idle,
    run: async (durationMs) => {
      order.push(`${name} ${durationMs}`)
      return { operations: order.length, seconds: 1, errors: {}, latencyCounts: [1] }
    },
  })
  return {
    name: 'recorded',
    title: 'a recorded row',
    cpuPer: 10_000,
    gates: [],
    start: async (bench) => {
      onStart(bench.directory)
      return { subject: side('a'), reference: side('b') }
    },
  }
}

describe('runRow', () => {
  it('gives each side the part of the time that the row needs, others included', async () => {
    const order: string[] = []
    const row = recordingRow(order)
    const start: Row['start'] = async (bench) => {
      const sides = await row.start(bench)
      return { ...sides, others: [{ ...sides.subject, name: 'c', warmUpShare: 0.5 }], missing: { d: 'not here' } }
    }
    const gates: Row['gates'] = [
      { measure: 'rate', of: 'c', against: 'a', atLeast: 0.1 },
      { measure: 'rate', of: 'd', atLeast: 1 },
      { measure: 'rate', against: 'e', atLeast: 1 },
    ]
    const result = await runRow({ ...row, start, gates, timeShare: 0.25 }, { rounds: 1, seconds: 2, onStep: () => {} })
    expect(order).toEqual(['a 500', 'b 500', 'a 1000', 'a 500', 'b 500', 'a 500'])
    expect(result.others.map(({ name, operations }) => [name, operations])).toEqual([['c', 6]])
    expect(result.gates.map(({ value, passed, reason }) => [value, passed, reason])).toEqual([
      [1.5, true, undefined],
      [Number.NaN, undefined, 'not here'],
      [Number.NaN, undefined, 'no side is named "e"'],
    ])
  })

  it('warms both sides up and then lets them take turns', async () => {
    const order: string[] = []
    const result = await runRow(recordingRow(order), { rounds: 3, seconds: 0.5, onStep: () => {} })
    expect(order).toEqual(['a 500', 'b 500', 'a 500', 'b 500', 'a 500', 'b 500', 'a 500', 'b 500'])
    expect(result.subject.rounds.map(({ load }) => load.operations)).toEqual([3, 5, 7])
    expect(result.reference.rounds.map(({ load }) => load.operations)).toEqual([4, 6, 8])
  })

  it('cuts the time of a round into turns, and counts what all of them came to', async () => {
    const order: string[] = []
    const row = { ...recordingRow(order), turnMs: 250 }
    const result = await runRow(row, { rounds: 2, seconds: 0.6, onStep: () => {} })
    expect(order).toEqual(['a 600', 'b 600', ...Array.from({ length: 4 }, () => ['a 300', 'b 300']).flat()])
    // Each turn is told its place in the order: 3 and 5, then 7 and 9, in a second each.
    expect(result.subject.rounds.map(({ load }) => load.operations)).toEqual([8, 16])
    expect(result.subject.rounds.map(({ ratePerSecond }) => ratePerSecond)).toEqual([4, 8])
    expect(result.reference.rounds.map(({ load }) => load.operations)).toEqual([10, 18])
    expect(result.subject.rounds.map(({ load }) => load.latencyCounts[0])).toEqual([2, 2])
  })

  it('removes its folder, also after a row that cannot start', async () => {
    const folders: string[] = []
    const order: string[] = []
    await runRow(
      recordingRow(order, (folder) => folders.push(folder)),
      { rounds: 1, seconds: 0.1, onStep: () => {} },
    )
    const failing = recordingRow(order, (folder) => {
      folders.push(folder)
      throw new Error('cannot start')
    })
    await expect(runRow(failing, { rounds: 1, seconds: 0.1, onStep: () => {} })).rejects.toThrow('cannot start')
    expect(folders).toHaveLength(2)
    expect(folders.map((folder) => existsSync(folder))).toEqual([false, false])
  })
})
