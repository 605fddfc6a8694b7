// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { checkGate } from './gate.ts'

const values = { cpu: 0.4, rate: 0.45, p99: Number.NaN, errors: 0 }

describe('checkGate', () => {
  it.each([
    { gate: { measure: 'cpu', atMost: 0.4 }, limit: '<= 0.4', passed: true },
    { gate: { measure: 'cpu', atMost: 0.39 }, limit: '<= 0.39', passed: false },
    { gate: { measure: 'rate', atLeast: 0.45 }, limit: '>= 0.45', passed: true },
    { gate: { measure: 'rate', atLeast: 0.46 }, limit: '>= 0.46', passed: false },
    { gate: { measure: 'errors', atMost: 0 }, limit: '<= 0', passed: true },
  ] as const)('answers $passed for $gate', ({ gate, limit, passed }) => {
    expect(checkGate(gate, values)).toEqual({ measure: gate.measure, limit, value: values[gate.measure], passed })
  })

  it.each([
    { measure: 'p99', atMost: 9 },
    { measure: 'p99', atLeast: 0 },
  ] as const)('fails what could not be measured, %o', (gate) => {
    expect(checkGate(gate, values).passed).toBe(false)
  })
})
