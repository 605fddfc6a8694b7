// SPDX-License-Identifier: Apache-2.0
import type { Gate, Measure } from './row.ts'

export interface GateResult {
  readonly measure: Measure
  /** The gate in words, e.g. `<= 0.4`. */
  readonly limit: string
  readonly value: number
  readonly passed: boolean
}

/** A value that is not a number passes no gate. */
export function checkGate(gate: Gate, values: Readonly<Record<Measure, number>>): GateResult {
  const value = values[gate.measure]
  const { measure } = gate
  if ('atMost' in gate) return { measure, limit: `<= ${gate.atMost}`, value, passed: value <= gate.atMost }
  return { measure, limit: `>= ${gate.atLeast}`, value, passed: value >= gate.atLeast }
}
