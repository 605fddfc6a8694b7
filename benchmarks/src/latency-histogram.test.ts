// SPDX-License-Identifier: Apache-2.0
import { array, assert, double, integer, property } from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { LatencyHistogram } from './latency-histogram.ts'

function histogramOf(values: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram()
  for (const value of values) histogram.record(value)
  return histogram
}

describe('LatencyHistogram', () => {
  it('is exact below 128 microseconds', () => {
    const histogram = histogramOf([0, 1, 64, 127])
    expect([0.25, 0.5, 0.75, 1].map((share) => histogram.quantile(share))).toEqual([0, 1, 64, 127])
  })

  it('finds every quantile within 1 percent of what sorting finds', () => {
    const latencies = array(integer({ min: 0, max: 60_000_000 }), { minLength: 1, maxLength: 200 })
    assert(
      property(latencies, double({ min: 0, max: 1, noNaN: true }), (values, share) => {
        const sorted = values.toSorted((a, b) => a - b)
        const exact = sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? Number.NaN
        expect(Math.abs(histogramOf(values).quantile(share) - exact)).toBeLessThanOrEqual(exact / 100)
      }),
      { numRuns: inject('propertyRuns') },
    )
  })

  it('counts what is beyond its range as its ends', () => {
    const histogram = histogramOf([-5, 1e12])
    expect(histogram.quantile(0.5)).toBe(0)
    expect(histogram.quantile(1)).toBeGreaterThan(66_000_000)
  })

  it('has no quantile without a record', () => {
    expect(new LatencyHistogram().quantile(0.5)).toBeNaN()
  })

  it('adds the counts of others as if it had recorded them itself', () => {
    const sum = histogramOf([10, 2000])
    sum.add(histogramOf([500, 70_000_000]).counts())
    expect(sum.counts()).toEqual(histogramOf([10, 2000, 500, 70_000_000]).counts())
    expect(sum.total).toBe(4)
  })

  it('hands out no more counts than it needs', () => {
    expect(histogramOf([2]).counts()).toEqual([0, 0, 1])
    expect(new LatencyHistogram().counts()).toEqual([])
  })

  it('refuses more counts than it has buckets', () => {
    expect(() => new LatencyHistogram().add(Array.from({ length: 5000 }, () => 1))).toThrow(RangeError)
  })
})
