// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { checkGate, uncheckedGate } from './gate.ts'

const values = { cpu: 0.4, rate: 0.45, p99: Number.NaN, errors: 0 } as const

describe('checkGate', () => {
  it.each([
    { gate: { measure: 'cpu', atMost: 0.4 }, limit: '<= 0.4', passed: true },
    { gate: { measure: 'cpu', atMost: 0.39 }, limit: '<= 0.39', passed: false },
    { gate: { measure: 'rate', atLeast: 0.45 }, limit: '>= 0.45', passed: true },
    { gate: { measure: 'rate', atLeast: 0.46 }, limit: '>= 0.46', passed: false },
    { gate: { measure: 'errors', atMost: 0 }, limit: '<= 0', passed: true },
  ] as const)('answers $passed for $gate', ({ gate, limit, passed }) => {
    expect(checkGate(gate, values[gate.measure])).toEqual({
      measure: gate.measure,
      limit,
      value: values[gate.measure],
      passed,
    })
  })

  it.each([
    { measure: 'p99', atMost: 9 },
    { measure: 'p99', atLeast: 0 },
  ] as const)('fails what could not be measured, %o', (gate) => {
    expect(checkGate(gate, values[gate.measure]).passed).toBe(false)
  })

  it('judges the median of rounds and keeps their spread', () => {
    const spread = { median: 0.4, lowest: 0.3, highest: 0.9 }
    expect(checkGate({ measure: 'cpu', atMost: 0.5 }, spread)).toEqual({
      measure: 'cpu',
      limit: '<= 0.5',
      value: 0.4,
      spread,
      passed: true,
    })
  })

  it.each([
    { sides: { of: 'a', against: 'b' }, between: 'a / b' },
    { sides: { of: 'a' }, between: 'a' },
  ])('says between which sides: $between', ({ sides, between }) => {
    expect(checkGate({ measure: 'rate', atLeast: 1, ...sides }, 2).between).toBe(between)
  })
})

describe('uncheckedGate', () => {
  it('neither holds nor fails, and says why', () => {
    expect(uncheckedGate({ measure: 'rate', of: 'a', against: 'b', atLeast: 10 }, 'b is not there')).toEqual({
      measure: 'rate',
      between: 'a / b',
      limit: '>= 10',
      value: Number.NaN,
      passed: undefined,
      reason: 'b is not there',
    })
  })
})
