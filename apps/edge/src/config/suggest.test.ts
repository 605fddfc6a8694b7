// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { editDistance, suggest } from './suggest.ts'

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['timeout', 'timeout', 0],
    ['timout', 'timeout', 1],
    ['pign', 'ping', 1],
    ['lisen', 'listen', 1],
    ['abc', 'cab', 2],
    ['kitten', 'sitting', 3],
  ])('of %s and %s is %i', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance)
  })

  it('is symmetric and 0 only for equal words', () => {
    const word = fc.string({ maxLength: 12 })
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a))
        expect(editDistance(a, b) === 0).toBe(a === b)
      }),
      { numRuns: inject('propertyRuns') },
    )
  })

  it('gives up at once on words that are no misspelling of each other', () => {
    expect(editDistance('x'.repeat(1_000_000), 'timeout')).toBe(Number.MAX_SAFE_INTEGER)
  })
})

describe('suggest', () => {
  it('finds the nearest candidate, whatever its case', () => {
    expect(suggest('MAXOUT', ['interval', 'maxOut'])).toBe('maxOut')
    expect(suggest('requestTimout', ['timeout', 'requestTimeout'])).toBe('requestTimeout')
  })

  it('says nothing when no candidate is near', () => {
    expect(suggest('colour', ['interval', 'maxOut'])).toBeUndefined()
    expect(suggest('ab', ['xy'])).toBeUndefined()
  })
})
