// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { median, ratios, spread } from './statistics.ts'

describe('median', () => {
  it.each([
    { of: 'one value', values: [7], expected: 7 },
    { of: 'an odd number of values', values: [9, 1, 5], expected: 5 },
    { of: 'an even number of values', values: [4, 1, 3, 2], expected: 2.5 },
    { of: 'values that do not sort as text', values: [100, 9, 20], expected: 20 },
    { of: 'nothing', values: [], expected: Number.NaN },
  ])('takes the middle of $of', ({ values, expected }) => {
    expect(median(values)).toBe(expected)
  })

  it('leaves the values as they are', () => {
    const values = [3, 1, 2]
    median(values)
    expect(values).toEqual([3, 1, 2])
  })
})

describe('spread', () => {
  it('tells the middle and both ends', () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, lowest: 1, highest: 3 })
  })

  it('is not a number for nothing', () => {
    expect(spread([])).toEqual({ median: Number.NaN, lowest: Number.NaN, highest: Number.NaN })
  })
})

describe('ratios', () => {
  it('compares round by round, so that a slow round of both sides does not count', () => {
    expect(ratios([10, 1, 10], [20, 2, 20])).toEqual([0.5, 0.5, 0.5])
  })

  it('refuses sides with different numbers of rounds', () => {
    expect(() => ratios([1, 2], [1])).toThrow(RangeError)
  })
})
