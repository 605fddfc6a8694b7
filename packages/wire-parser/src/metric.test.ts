// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { durationBoundsSeconds, Histogram } from './metric.ts'

describe('Histogram', () => {
  it('counts a value in the first bucket whose bound it does not exceed', () => {
    const histogram = new Histogram([1, 2, 5])
    for (const value of [0, 1, 1.001, 2, 5, 5.001, Infinity]) histogram.observe(value)
    expect(histogram.value()).toEqual({ bounds: [1, 2, 5], counts: [2, 2, 1, 2], sum: Infinity })
  })

  it('sums what it observed', () => {
    const histogram = new Histogram()
    for (let i = 0; i < 1000; i++) histogram.observe(0.25)
    const { bounds, counts, sum } = histogram.value()
    expect(bounds).toBe(durationBoundsSeconds)
    expect(counts[bounds.indexOf(0.25)]).toBe(1000)
    expect(counts).toHaveLength(bounds.length + 1)
    expect(sum).toBe(250)
  })

  it('hands out plain data that later observations leave alone', () => {
    const histogram = new Histogram([1])
    const before = histogram.value()
    histogram.observe(1)
    expect(before).toEqual({ bounds: [1], counts: [0, 0], sum: 0 })
    expect(structuredClone(histogram.value())).toEqual({ bounds: [1], counts: [1, 0], sum: 1 })
  })

  it('has bounds that grow', () => {
    expect([...durationBoundsSeconds].sort((a, b) => a - b)).toEqual(durationBoundsSeconds)
    expect(new Set(durationBoundsSeconds).size).toBe(durationBoundsSeconds.length)
  })
})
