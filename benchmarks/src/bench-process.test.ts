// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { cpuSecondsFromStat, cpuSecondsOf, memoryBytesOf } from './bench-process.ts'

const line = '812 (nats-server) S 1 812 812 0 -1 4194304 5000 0 10 0 250 125 0 0 20 0 9 0 111 1000 200 184467 1 1 0'

describe('cpuSecondsFromStat', () => {
  it('adds user and system ticks', () => {
    expect(cpuSecondsFromStat(line)).toBe(3.75)
  })

  it('is not misled by the name of the process', () => {
    expect(cpuSecondsFromStat(line.replace('nats-server', 'a) S 9 9 (b c'))).toBe(3.75)
  })

  it.each(['', '812 (nats-server)'])('knows nothing of "%s"', (text) => {
    expect(cpuSecondsFromStat(text)).toBeUndefined()
  })
})

describe('cpuSecondsOf', () => {
  it.runIf(process.platform === 'linux')('agrees with what a process says of itself', async () => {
    const { user, system } = process.cpuUsage()
    const seconds = await cpuSecondsOf(process.pid)
    expect(seconds).toBeGreaterThanOrEqual((user + system) / 1e6 - 0.05)
  })

  it('is undefined for a process that does not exist', async () => {
    expect(await cpuSecondsOf(2 ** 30)).toBeUndefined()
  })
})

describe('memoryBytesOf', () => {
  it.runIf(process.platform === 'linux')('is about what a process says of itself', async () => {
    const bytes = await memoryBytesOf(process.pid)
    expect((bytes ?? 0) / process.memoryUsage.rss()).toBeCloseTo(1, 0)
  })

  it('is undefined for a process that does not exist', async () => {
    expect(await memoryBytesOf(2 ** 30)).toBeUndefined()
  })
})
