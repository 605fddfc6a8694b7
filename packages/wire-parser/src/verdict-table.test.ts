// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { VerdictTable } from './verdict-table.ts'

describe('VerdictTable', () => {
  it('remembers both verdicts', () => {
    const table = new VerdictTable()
    table.set('a', true)
    table.set('b', false)
    expect([table.get('a'), table.get('b'), table.get('c')]).toEqual([true, false, undefined])
  })

  it('never holds more than 256 texts', () => {
    const table = new VerdictTable()
    for (let i = 0; i < 10_000; i++) {
      table.set(`s${i}`, true)
      if (table.size > 256) expect.fail(`${table.size} texts`)
    }
    expect(table.get('s9999')).toBe(true)
    expect(table.get('s0')).toBeUndefined()
  })

  it('keeps what is asked again', () => {
    const table = new VerdictTable()
    table.set('often', false)
    for (let i = 0; i < 10_000; i++) {
      table.set(`s${i}`, true)
      expect(table.get('often')).toBe(false)
    }
  })

  it('does not keep long texts', () => {
    const table = new VerdictTable()
    table.set('x'.repeat(256), true)
    table.set('y'.repeat(257), true)
    expect(table.size).toBe(1)
  })
})
