// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { TokenBucket, TokenBucketTable } from './token-bucket.ts'

const runs = { numRuns: inject('propertyRuns') }

describe('TokenBucket', () => {
  it('gives the burst at once and then one token per interval', () => {
    const bucket = new TokenBucket({ ratePerSecond: 10, burst: 3 })
    expect([0, 0, 0, 0].map((now) => bucket.take(now))).toEqual([0, 0, 0, 100])
    expect(bucket.take(99)).toBe(1)
    expect(bucket.take(100)).toBe(0)
    expect(bucket.take(100)).toBe(100)
  })

  it('takes nothing where it makes wait', () => {
    const bucket = new TokenBucket({ ratePerSecond: 1, burst: 1 })
    bucket.take(0)
    for (let now = 0; now < 1000; now++) expect(bucket.take(now)).toBe(1000 - now)
    expect(bucket.take(1000)).toBe(0)
  })

  it('never holds more than the burst', () => {
    const bucket = new TokenBucket({ ratePerSecond: 1000, burst: 2 })
    expect(bucket.take(0)).toBe(0)
    expect([1e9, 1e9, 1e9].map((now) => bucket.take(now))).toEqual([0, 0, 1])
  })

  it('takes several tokens or none', () => {
    const bucket = new TokenBucket({ ratePerSecond: 1024, burst: 4096 })
    expect(bucket.take(0, 4096)).toBe(0)
    expect(bucket.take(0, 1024)).toBe(1000)
    expect(bucket.take(500, 512)).toBe(0)
    expect(bucket.take(500, 0)).toBe(0)
    expect(bucket.take(500, 1)).toBe(1)
  })

  it('says Infinity to more than the burst', () => {
    const bucket = new TokenBucket({ ratePerSecond: 1, burst: 5 })
    expect(bucket.take(0, 6)).toBe(Infinity)
    expect(bucket.take(0, Infinity)).toBe(Infinity)
    expect(bucket.remaining(0)).toBe(5)
  })

  it('knows what is left and when it is full', () => {
    const bucket = new TokenBucket({ ratePerSecond: 4, burst: 10 })
    expect([bucket.remaining(0), bucket.resetMs(0)]).toEqual([10, 0])
    bucket.take(0, 4)
    expect([bucket.remaining(0), bucket.resetMs(0)]).toEqual([6, 1000])
    expect([bucket.remaining(249), bucket.remaining(250)]).toEqual([6, 7])
    expect([bucket.remaining(5000), bucket.resetMs(5000)]).toEqual([10, 0])
  })

  it('counts exactly where intervals are no whole numbers and the clock is late', () => {
    const bucket = new TokenBucket({ ratePerSecond: 3, burst: 30 })
    for (let left = 29; left >= 0; left--) {
      expect(bucket.take(1e9 + 0.1)).toBe(0)
      expect(bucket.remaining(1e9 + 0.1)).toBe(left)
    }
  })

  it('begins at any time of the clock', () => {
    for (const start of [-1e6, 0, 0.5, 1e12]) {
      const bucket = new TokenBucket({ ratePerSecond: 1, burst: 1 })
      expect([bucket.take(start), bucket.take(start)]).toEqual([0, 1000])
    }
  })

  it('gives nothing for a clock that goes back', () => {
    const bucket = new TokenBucket({ ratePerSecond: 1, burst: 1 })
    bucket.take(10_000)
    expect(bucket.take(5000)).toBe(6000)
    expect(bucket.take(11_000)).toBe(0)
  })

  it.each([
    [{ ratePerSecond: 0, burst: 1 }, 'ratePerSecond must be a finite number above 0, not 0'],
    [{ ratePerSecond: -1, burst: 1 }, 'ratePerSecond'],
    [{ ratePerSecond: NaN, burst: 1 }, 'ratePerSecond'],
    [{ ratePerSecond: Infinity, burst: 1 }, 'ratePerSecond'],
    [{ ratePerSecond: 1, burst: 0.5 }, 'burst must be a finite number of at least 1, not 0.5'],
    [{ ratePerSecond: 1, burst: NaN }, 'burst'],
    [{ ratePerSecond: 1, burst: Infinity }, 'burst'],
  ])('refuses %j', (options, message) => {
    expect(() => new TokenBucket(options)).toThrow(RangeError)
    expect(() => new TokenBucket(options)).toThrow(message)
    expect(() => new TokenBucketTable(options)).toThrow(message)
  })

  it.each([-1, NaN])('refuses to take %d tokens', (tokens) => {
    expect(() => new TokenBucket({ ratePerSecond: 1, burst: 1 }).take(0, tokens)).toThrow(RangeError)
  })

  const rate = fc.record({
    ratePerSecond: fc.double({ min: 0.01, max: 1e5, noNaN: true }),
    burst: fc.integer({ min: 1, max: 1000 }),
  })
  const steps = fc.array(fc.tuple(fc.double({ min: 0, max: 2000, noNaN: true }), fc.nat(20)), { maxLength: 60 })

  it('gives within any time at most the burst and what the rate brings', () => {
    fc.assert(
      fc.property(rate, steps, fc.double({ min: 0, max: 1e10, noNaN: true }), (options, taken, start) => {
        const bucket = new TokenBucket(options)
        let now = start
        const given: { at: number; tokens: number }[] = []
        for (const [later, tokens] of taken) {
          now += later
          if (bucket.take(now, tokens) === 0) given.push({ at: now, tokens })
        }
        const excess = given.map((from, first) => {
          let sum = 0
          return given.slice(first).map(({ at, tokens }) => {
            sum += tokens
            return sum - options.burst - ((at - from.at) * options.ratePerSecond) / 1000
          })
        })
        expect(Math.max(0, ...excess.flat())).toBeLessThanOrEqual(2e-6 * options.ratePerSecond + 1e-6)
      }),
      runs,
    )
  })

  it('has the tokens when the wait is over, and not a millisecond before', () => {
    fc.assert(
      fc.property(rate, steps, fc.double({ min: 0, max: 1e10, noNaN: true }), (options, taken, start) => {
        const bucket = new TokenBucket(options)
        let now = start
        for (const [later, tokens] of taken) {
          now += later
          const waitMs = bucket.take(now, tokens)
          if (waitMs === 0 || waitMs === Infinity) continue
          expect(bucket.remaining(now)).toBeLessThan(tokens)
          if (waitMs > 1) expect(bucket.take(now + waitMs - 1.01, tokens)).toBeGreaterThan(0)
          now += waitMs
          expect(bucket.take(now, tokens)).toBe(0)
        }
      }),
      runs,
    )
  })
})

describe('TokenBucketTable', () => {
  it('keeps a bucket for each key', () => {
    const table = new TokenBucketTable({ ratePerSecond: 1, burst: 2 })
    expect(table.take('a', 0)).toEqual({ waitMs: 0, remaining: 1, resetMs: 1000 })
    expect(table.take('a', 0)).toEqual({ waitMs: 0, remaining: 0, resetMs: 2000 })
    expect(table.take('a', 0)).toEqual({ waitMs: 1000, remaining: 0, resetMs: 2000 })
    expect(table.take('b', 0)).toEqual({ waitMs: 0, remaining: 1, resetMs: 1000 })
    expect(table.size).toBe(2)
  })

  it('counts like a bucket of its own for each key', () => {
    const options = { ratePerSecond: 7, burst: 5 }
    const uses = fc.array(
      fc.tuple(fc.constantFrom('a', 'b', '__proto__'), fc.double({ min: 0, max: 400, noNaN: true })),
    )
    fc.assert(
      fc.property(uses, (taken) => {
        const table = new TokenBucketTable(options)
        const buckets = new Map(['a', 'b', '__proto__'].map((key) => [key, new TokenBucket(options)]))
        let now = 0
        for (const [key, later] of taken) {
          now += later
          const bucket = buckets.get(key)
          expect(table.take(key, now)).toEqual({
            waitMs: bucket?.take(now),
            remaining: bucket?.remaining(now),
            resetMs: bucket?.resetMs(now),
          })
        }
      }),
      runs,
    )
  })

  it('drops the least recently used key beyond maxKeys', () => {
    const table = new TokenBucketTable({ ratePerSecond: 1, burst: 1, maxKeys: 2 })
    for (const key of ['a', 'b']) expect(table.take(key, 0).waitMs).toBe(0)
    expect(table.take('a', 1).waitMs).toBe(999)
    expect(table.take('c', 2).waitMs).toBe(0)
    expect(table.size).toBe(2)
    expect(table.take('a', 3).waitMs).toBe(997)
    expect(table.take('b', 4).waitMs).toBe(0)
    expect(table.take('c', 5).waitMs).toBe(0)
  })

  it('holds 10,000 keys by default', () => {
    const table = new TokenBucketTable({ ratePerSecond: 1, burst: 1 })
    for (let key = 0; key < 30_000; key++) table.take(`k${key}`, key)
    expect(table.size).toBe(10_000)
  })

  it.each([0, -1, 1.5, NaN, Infinity])('refuses maxKeys %d', (maxKeys) => {
    expect(() => new TokenBucketTable({ ratePerSecond: 1, burst: 1, maxKeys })).toThrow(
      `maxKeys must be a whole number of at least 1, not ${maxKeys}`,
    )
  })
})
