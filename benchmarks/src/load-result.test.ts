// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { errorCount, parseLoadResult } from './load-result.ts'

const result = { operations: 5, seconds: 0.5, errors: { 'status 503': 2, ECONNRESET: 1 }, latencyCounts: [0, 4, 1] }

describe('parseLoadResult', () => {
  it('takes a whole result and nothing else', () => {
    expect(parseLoadResult({ ...result, extra: true })).toEqual(result)
  })

  it.each([
    { field: 'operations', value: -1 },
    { field: 'operations', value: '5' },
    { field: 'seconds', value: Number.NaN },
    { field: 'errors', value: null },
    { field: 'errors', value: { x: 'y' } },
    { field: 'bytesEach', value: -1 },
    { field: 'latencyCounts', value: 'none' },
    { field: 'latencyCounts', value: [1, undefined] },
  ])('refuses $field $value by name', ({ field, value }) => {
    expect(() => parseLoadResult({ ...result, [field]: value })).toThrow(field)
  })

  it('takes what an operation holds', () => {
    expect(parseLoadResult({ ...result, bytesEach: 4096 })).toEqual({ ...result, bytesEach: 4096 })
  })

  it.each([undefined, null, 7])('refuses %o', (value) => {
    expect(() => parseLoadResult(value)).toThrow(TypeError)
  })

  it('keeps an error with the name of a member of every object', () => {
    const errors = JSON.parse('{"__proto__":1}') as unknown
    expect(Object.keys(parseLoadResult({ ...result, errors }).errors)).toEqual(['__proto__'])
  })
})

describe('errorCount', () => {
  it('sums errors of every kind', () => {
    expect(errorCount(result)).toBe(3)
    expect(errorCount({ ...result, errors: {} })).toBe(0)
  })
})
