// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { reconnectDelay } from './reconnect-delay.ts'

describe('reconnectDelay', () => {
  it('doubles from 100 ms to 2 s, and begins again after a connection that held', () => {
    let now = 0
    const next = reconnectDelay(
      () => now,
      () => 1,
    )
    const delays: number[] = []
    for (let attempt = 0; attempt < 8; attempt++) {
      delays.push(next())
      now += (delays.at(-1) ?? 0) + 100
    }
    expect(delays).toEqual([100, 200, 400, 800, 1600, 2000, 2000, 2000])
    now += 60_000
    expect(next()).toBe(100)
  })

  it('answers the same while the client sleeps, so that a wake-up never draws a longer sleep', () => {
    let now = 0
    let random = 0.5
    const next = reconnectDelay(
      () => now,
      () => random,
    )
    expect(next()).toBe(50)
    random = 1
    now = 50
    expect(next()).toBe(50)
    now = 71
    expect(next()).toBe(200)
  })

  it('spreads over the whole range', () => {
    let now = 0
    const next = reconnectDelay(() => now)
    const delays = Array.from({ length: 200 }, () => {
      const delay = next()
      now += delay + 100
      return delay
    })
    expect(Math.max(...delays)).toBeLessThanOrEqual(2000)
    expect(Math.min(...delays)).toBeLessThan(400)
    expect(Math.max(...delays)).toBeGreaterThan(1600)
  })
})
