// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, vi } from 'vitest'
import { TimerWheel, type TimerHandle } from './timer-wheel.ts'
import { eventually, holdDeadlines } from './broker.test-support.ts'

describe('TimerWheel', () => {
  it('runs what was scheduled, shortest wait first, never early', async () => {
    holdDeadlines()
    const wheel = new TimerWheel()
    const ran: string[] = []
    const started = performance.now()
    const lates: number[] = []
    for (const ms of [120, 40, 0, 80]) {
      wheel.schedule(ms, () => {
        ran.push(`${ms}`)
        lates.push(performance.now() - started - ms)
      })
    }
    expect(wheel.size).toBe(4)
    vi.advanceTimersByTime(140)
    expect(ran).toEqual(['0', '40', '80', '120'])
    expect(Math.min(...lates)).toBeGreaterThanOrEqual(0)
    expect(wheel.size).toBe(0)
  })

  it('does not run what was cancelled, and takes a stale handle calmly', async () => {
    const wheel = new TimerWheel({ tickMs: 5 })
    const ran: string[] = []
    const first = wheel.schedule(10, () => ran.push('first'))
    wheel.cancel(first)
    const second = wheel.schedule(10, () => ran.push('second'))
    wheel.cancel(first)
    expect(second).not.toBe(first)
    await eventually(() => ran.length > 0)
    wheel.cancel(second)
    expect(ran).toEqual(['second'])
  })

  it('schedules from within a timer', async () => {
    const wheel = new TimerWheel({ tickMs: 5 })
    let rounds = 0
    const again = (): TimerHandle | number => (rounds++ < 3 ? wheel.schedule(5, again) : 0)
    again()
    await eventually(() => rounds === 4)
    expect(wheel.size).toBe(0)
  })

  it('holds many timers at once', async () => {
    const wheel = new TimerWheel({ tickMs: 5 })
    let ran = 0
    const handles = Array.from({ length: 10_000 }, (_, i) => wheel.schedule(i % 50, () => ran++))
    for (const handle of handles.filter((_, i) => i % 2 === 0)) wheel.cancel(handle)
    await eventually(() => wheel.size === 0)
    expect(ran).toBe(5000)
  })

  it('drops everything on close', async () => {
    const wheel = new TimerWheel({ tickMs: 5 })
    const other = new TimerWheel({ tickMs: 5 })
    const ran: string[] = []
    wheel.schedule(5, () => ran.push('closed'))
    wheel.close()
    expect(wheel.size).toBe(0)
    other.schedule(30, () => ran.push('other'))
    await eventually(() => ran.length > 0)
    expect(ran).toEqual(['other'])
    expect(() => wheel.schedule(5, () => undefined)).toThrow(/closed/)
  })

  it.each([-1, NaN, Infinity])('refuses to wait %d ms', (ms) => {
    expect(() => new TimerWheel().schedule(ms, () => undefined)).toThrow(RangeError)
  })

  it.each([0, NaN, 60_001])('refuses ticks of %d ms', (tickMs) => {
    expect(() => new TimerWheel({ tickMs })).toThrow(RangeError)
  })

  it('does not keep the process alive', () => {
    const before = process.getActiveResourcesInfo()
    const wheel = new TimerWheel()
    wheel.schedule(3_600_000, () => undefined)
    expect(process.getActiveResourcesInfo()).toEqual(before)
    wheel.close()
  })

  it('lets a throw become an exception of the process without holding up the timers behind it', async () => {
    const listeners = process.listeners('uncaughtException')
    const happened: string[] = []
    process.removeAllListeners('uncaughtException')
    process.once('uncaughtException', (error) => void happened.push(error.message))
    try {
      const wheel = new TimerWheel({ tickMs: 5 })
      wheel.schedule(5, () => {
        throw new Error('thrown')
      })
      wheel.schedule(5, () => happened.push('ran'))
      await eventually(() => happened.length === 2)
    } finally {
      for (const listener of listeners) process.on('uncaughtException', listener)
    }
    expect(happened.toSorted()).toEqual(['ran', 'thrown'])
  })
})
