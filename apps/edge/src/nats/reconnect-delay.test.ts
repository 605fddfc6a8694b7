// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { growingPauses, reconnectDelay } from './reconnect-delay.ts'

const atOnce = Number.NEGATIVE_INFINITY

describe('growingPauses', () => {
  it('double from 100 ms to 2 s, and begin again after a connection that held', () => {
    let now = 0
    const next = growingPauses(
      () => now,
      () => 1,
    )
    const pauses: number[] = []
    for (let attempt = 0; attempt < 8; attempt++) {
      pauses.push(next())
      now += (pauses.at(-1) ?? 0) + 100
    }
    expect(pauses).toEqual([100, 200, 400, 800, 1600, 2000, 2000, 2000])
    now += 60_000
    expect(next()).toBe(100)
  })

  it('spread over the whole range', () => {
    let now = 0
    const next = growingPauses(() => now)
    const pauses = Array.from({ length: 200 }, () => {
      const pause = next()
      now += pause + 100
      return pause
    })
    expect(Math.max(...pauses)).toBeLessThanOrEqual(2000)
    expect(Math.min(...pauses)).toBeLessThan(400)
    expect(Math.max(...pauses)).toBeGreaterThan(1600)
  })
})

describe('reconnectDelay', () => {
  it('lets the client dial at once, then only when each pause is over, whatever it asks meanwhile', () => {
    let now = 1000
    const next = reconnectDelay(
      () => now,
      () => 1,
    )
    expect(next()).toBe(atOnce)
    now += 30
    expect(next()).toBe(70)
    now += 60
    expect(next()).toBe(10)
    // The timer of the client was a little early.
    now += 9.5
    expect(next()).toBe(atOnce)
    now += 50
    expect(next()).toBe(150)
    now += 150
    expect(next()).toBe(atOnce)
    now += 10
    expect(next()).toBe(390)
  })

  it('lets the client dial at once again after a connection that held', () => {
    let now = 0
    const next = reconnectDelay(
      () => now,
      () => 1,
    )
    for (let attempt = 0; attempt < 5; attempt++) {
      expect(next()).toBe(atOnce)
      now += 3000
    }
    now += 60_000
    expect(next()).toBe(atOnce)
    expect(next()).toBe(100)
  })
})
