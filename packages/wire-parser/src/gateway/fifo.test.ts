// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { Fifo } from './fifo.ts'

describe('Fifo', () => {
  it('gives what was put in, in its order, as an array does', () => {
    const step = fc.oneof({ weight: 3, arbitrary: fc.nat() }, fc.constantFrom('shift', 'shift', 'clear'))
    fc.assert(
      fc.property(fc.nat(5000), fc.array(step, { maxLength: 100 }), (filled, steps) => {
        const fifo = new Fifo<number>()
        let array = Array.from({ length: filled }, (_, number) => number)
        for (const number of array) fifo.push(number)
        let isInOrder = true
        // One expectation each would take many times as long as what it is about.
        for (let left = filled; left > 100; left -= 1) isInOrder &&= fifo.shift() === array[filled - left]
        expect(isInOrder).toBe(true)
        array = array.slice(Math.max(0, filled - 100))
        for (const each of steps) {
          if (typeof each === 'number') {
            fifo.push(each)
            array.push(each)
          } else if (each === 'shift') {
            expect(fifo.shift()).toBe(array.shift())
          } else {
            fifo.clear()
            array = []
          }
          expect([fifo.length, fifo.first]).toEqual([array.length, array[0]])
        }
      }),
      { numRuns: Math.min(inject('propertyRuns'), 10_000) / 10 },
    )
  })

  // An array takes minutes for this.
  it('moves nothing of a million to take one', { timeout: 60_000 }, () => {
    const fifo = new Fifo<number>()
    const million = 1_000_000
    for (let number = 0; number < million; number += 1) fifo.push(number)
    let sum = 0
    for (let number = 0; number < million; number += 1) {
      sum += fifo.shift() ?? 0
      fifo.push(0)
    }
    expect([sum, fifo.length]).toEqual([(million * (million - 1)) / 2, million])
  })
})
