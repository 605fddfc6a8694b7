// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, vi } from 'vitest'
import { Bench } from './bench.ts'
import { startGoProgram } from './go-program.ts'

describe('startGoProgram', () => {
  it('says why there is no reference where there is no Go toolchain', async () => {
    const steps: string[] = []
    const bench = await Bench.open({ onStep: (line) => void steps.push(line) })
    vi.stubEnv('PATH', '/nowhere')
    try {
      const reason = 'reference not built: there is no Go toolchain: go is not on PATH'
      await expect(startGoProgram(bench, 'wasabi', [])).rejects.toThrow(reason)
      // It is tried once for all rows of a run.
      await expect(startGoProgram(bench, 'wasabi', [])).rejects.toThrow(reason)
      expect(steps).toEqual(['building wasabi'])
    } finally {
      vi.unstubAllEnvs()
      await bench.close()
    }
  })
})
