// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, inject, it, vi } from 'vitest'
import { SlotWheel } from './slot-wheel.ts'

const TICK = 20

describe('SlotWheel', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setImmediate', 'clearImmediate', 'performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('expires every armed slot once, never early and at most a tick late, in any order of use', () => {
    const step = fc.record({
      slot: fc.nat({ max: 15 }),
      afterMs: fc.oneof(fc.nat({ max: 200 }), fc.nat({ max: 30_000 })),
      disarm: fc.boolean(),
      waitMs: fc.oneof(fc.nat({ max: 50 }), fc.nat({ max: 15_000 })),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const deadlines = new Map<number, number>()
        const wheel = new SlotWheel(16, TICK, (slot) => {
          const lateMs = performance.now() - (deadlines.get(slot) ?? Infinity)
          expect(lateMs).toBeGreaterThanOrEqual(0)
          expect(lateMs).toBeLessThanOrEqual(2 * TICK)
          deadlines.delete(slot)
        })
        for (const { slot, afterMs, disarm, waitMs } of steps) {
          if (disarm) wheel.disarm(slot)
          else wheel.arm(slot, afterMs)
          if (disarm) deadlines.delete(slot)
          else deadlines.set(slot, performance.now() + afterMs)
          expect(wheel.armed).toBe(deadlines.size)
          vi.advanceTimersByTime(waitMs)
        }
        vi.advanceTimersByTime(30_100)
        expect(deadlines).toEqual(new Map())
        expect([wheel.armed, vi.getTimerCount()]).toEqual([0, 0])
      }),
      { numRuns: Math.ceil(inject('propertyRuns') / 10) },
    )
  })

  it('ticks only while something is armed', () => {
    const wheel = new SlotWheel(4, TICK, () => undefined)
    expect(vi.getTimerCount()).toBe(0)
    wheel.arm(0, 100)
    expect(vi.getTimerCount()).toBe(1)
    wheel.disarm(0)
    vi.advanceTimersByTime(TICK)
    expect(vi.getTimerCount()).toBe(0)
    wheel.arm(1, 100)
    wheel.stop()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('leaves out a slot that a callback disarms in the same tick, and keeps one it arms', () => {
    const expired: number[] = []
    const wheel = new SlotWheel(4, TICK, (slot) => {
      expired.push(slot)
      if (slot === 0) wheel.disarm(1)
      if (slot === 0) wheel.arm(3, 50)
    })
    for (const slot of [0, 1, 2]) wheel.arm(slot, 10)
    vi.advanceTimersByTime(40)
    expect(expired).toEqual([0, 2])
    vi.advanceTimersByTime(60)
    expect(expired).toEqual([0, 2, 3])
  })

  it('expires in the order of arming within one tick', () => {
    const expired: number[] = []
    const wheel = new SlotWheel(8, TICK, (slot) => expired.push(slot))
    for (const slot of [5, 2, 7, 0]) wheel.arm(slot, 10)
    vi.advanceTimersByTime(40)
    expect(expired).toEqual([5, 2, 7, 0])
  })

  it('keeps what is armed when it grows', () => {
    const expired: number[] = []
    const wheel = new SlotWheel(2, TICK, (slot) => expired.push(slot))
    wheel.arm(1, 100)
    wheel.grow(8)
    expect(wheel.capacity).toBe(8)
    wheel.arm(7, 100)
    vi.advanceTimersByTime(140)
    expect(expired).toEqual([1, 7])
  })
})

describe('SlotWheel on a blocked event loop', () => {
  it('lets pending input be read before it expires anything', async () => {
    const happened: string[] = []
    const wheel = new SlotWheel(1, TICK, () => happened.push('expired'))
    wheel.arm(0, 50)
    // An immediate queued by input that waited behind the blockade runs first: expiry comes after the poll phase.
    await new Promise<void>((resolve) => {
      setTimeout(() => {
        blockFor(300)
        setImmediate(() => {
          happened.push('input')
          wheel.disarm(0)
          resolve()
        })
      }, 0)
    })
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(happened).toEqual(['input'])
  })
})

function blockFor(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}
