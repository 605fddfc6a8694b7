// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { passed } from './run-rows.ts'
import type { RowResult } from './row-result.ts'

function resultWith(...gates: (boolean | undefined)[]): Pick<RowResult, 'gates'> {
  return { gates: gates.map((passed) => ({ measure: 'cpu', limit: '<= 1', value: 1, passed })) }
}

describe('passed', () => {
  it.each([
    { rows: [], expected: true },
    { rows: [resultWith()], expected: true },
    { rows: [resultWith(true, true), resultWith(true)], expected: true },
    { rows: [resultWith(true, undefined)], expected: true },
    { rows: [resultWith(true), resultWith(true, false)], expected: false },
  ])('is $expected for $rows', ({ rows, expected }) => {
    expect(passed(rows)).toBe(expected)
  })
})
