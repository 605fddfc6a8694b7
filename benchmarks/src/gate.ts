// SPDX-License-Identifier: Apache-2.0
import type { Gate, Measure } from './row.ts'
import type { Spread } from './statistics.ts'

export interface GateResult {
  readonly measure: Measure
  /** The sides that are compared, where they are not subject and reference. */
  readonly between?: string
  /** The gate in words, e.g. `<= 0.4`. */
  readonly limit: string
  readonly value: number
  /** What the value is the median of, if it is one. */
  readonly spread?: Spread
  /** Undefined for a gate that cannot be checked here. */
  readonly passed: boolean | undefined
  /** Why it cannot be checked. */
  readonly reason?: string
}

/** A value that is not a number passes no gate. */
export function checkGate(gate: Gate, found: number | Spread): GateResult {
  const value = typeof found === 'number' ? found : found.median
  const spread = typeof found === 'number' ? {} : { spread: found }
  const passed = 'atMost' in gate ? value <= gate.atMost : value >= gate.atLeast
  return { measure: gate.measure, ...between(gate), limit: limitOf(gate), value, ...spread, passed }
}

/** The result of a gate that names a side there is not. */
export function uncheckedGate(gate: Gate, reason: string): GateResult {
  const { measure } = gate
  return { measure, ...between(gate), limit: limitOf(gate), value: Number.NaN, passed: undefined, reason }
}

function limitOf(gate: Gate): string {
  return 'atMost' in gate ? `<= ${gate.atMost}` : `>= ${gate.atLeast}`
}

function between({ of, against }: Gate): { between?: string } {
  const sides = [of, against].filter((side) => side !== undefined)
  return sides.length === 0 ? {} : { between: sides.join(' / ') }
}
