// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { ChurnMap } from './churn-map.ts'

describe('ChurnMap', () => {
  it('holds what a map holds, in its order but for keys that come back', () => {
    const step = fc.record({ key: fc.nat(3000), isSet: fc.boolean() })
    fc.assert(
      fc.property(fc.nat(2500), fc.array(step, { maxLength: 50 }), (filled, steps) => {
        const churn = new ChurnMap<number, { n: number }>()
        const map = new Map<number, { n: number }>()
        const set = (key: number): void => {
          const value = { n: key }
          churn.set(key, value)
          map.set(key, value)
        }
        const remove = (key: number): void => {
          churn.delete(key)
          map.delete(key)
        }
        for (let key = 0; key < filled; key += 1) set(key)
        for (let key = 100; key < filled; key += 1) remove(key)
        for (const { key, isSet } of steps) {
          if (isSet) set(key)
          else remove(key)
          expect([churn.size, churn.get(key)]).toEqual([map.size, map.get(key)])
        }
        expect(new Set(churn.values())).toEqual(new Set(map.values()))
      }),
      { numRuns: Math.min(inject('propertyRuns'), 10_000) / 10 },
    )
  })

  // A map takes a minute for this.
  it('finds a key among ten thousand that was deleted a million times', () => {
    const churn = new ChurnMap<number, object>()
    const value = {}
    for (let key = 0; key < 10_000; key += 1) churn.set(key, value)
    for (let times = 0; times < 1_000_000; times += 1) {
      churn.set(-1, value)
      churn.delete(-1)
    }
    expect([churn.size, churn.get(-1)]).toEqual([10_000, undefined])
  })
})
