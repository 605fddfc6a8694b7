// SPDX-License-Identifier: Apache-2.0
import { whole, word } from '../option-check.ts'

/** Milliseconds between a failed try and the next; `failures` counts from 1. */
export type Delay = (failures: number) => number

export interface ExponentialOptions {
  /** Before the second try. Default 100. */
  readonly baseMs?: number
  /** Each pause is so many times the one before. Default 2. */
  readonly factor?: number
  /** Longest pause. Default 5,000. */
  readonly maxMs?: number
  /** `full` takes any time up to that pause, so that clients who failed together do not come back together. Default `full`. */
  readonly jitter?: 'full' | 'none'
}

/** The same pause each time. */
export function linear(ms: number): Delay {
  whole('linear: ms', ms, 0)
  return () => ms
}

/** Pauses that grow up to a bound. */
export function exponential(options: ExponentialOptions = {}): Delay {
  const { factor = 2 } = options
  const baseMs = whole('exponential: baseMs', options.baseMs ?? 100)
  const maxMs = whole('exponential: maxMs', options.maxMs ?? 5000)
  const jitter = word('exponential: jitter', options.jitter ?? 'full', ['full', 'none'])
  if (!(factor >= 1 && factor < Infinity))
    throw new RangeError(`exponential: factor: ${factor} is not a number from 1 on`)
  return (failures) => {
    const longest = Math.min(maxMs, baseMs * factor ** (failures - 1))
    return jitter === 'full' ? Math.random() * longest : longest
  }
}
