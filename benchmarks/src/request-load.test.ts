// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { runRequestLoad } from './request-load.ts'

describe('runRequestLoad', () => {
  it('keeps exactly as many requests outstanding as asked for', async () => {
    let outstanding = 0
    let most = 0
    let sent = 0
    const result = await runRequestLoad(
      (onDone) => {
        sent += 1
        most = Math.max(most, ++outstanding)
        setImmediate(() => {
          outstanding -= 1
          onDone()
        })
      },
      8,
      500,
    )
    expect(most).toBe(8)
    expect(outstanding).toBe(0)
    expect(sent).toBeGreaterThan(8)
    expect(result).toMatchObject({ operations: sent, errors: {} })
  })

  it('counts what failed by its reason and goes on', async () => {
    let sent = 0
    const result = await runRequestLoad((onDone) => setImmediate(onDone, ++sent <= 2 ? 'timeout' : undefined), 4, 20)
    expect(result.errors).toEqual({ timeout: 2 })
    expect(result.operations).toBe(sent - 2)
  })
})
