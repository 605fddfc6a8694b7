// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { LruMap } from './lru-map.ts'

describe('LruMap', () => {
  it('keeps its keys in the order of their use', () => {
    const step = fc.record({ op: fc.constantFrom('get', 'set', 'set', 'delete', 'evict', 'clear'), key: fc.nat(8) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const lru = new LruMap<number, number>()
        // A Map keeps the order of insertion: a key put back is its youngest.
        const map = new Map<number, number>()
        const use = (key: number, value: number): void => void (map.delete(key), map.set(key, value))
        for (const [value, { op, key }] of steps.entries()) {
          const known = map.get(key)
          if (op === 'get') {
            expect(lru.get(key)).toBe(known)
            if (known !== undefined) use(key, known)
          } else if (op === 'set') {
            lru.set(key, value)
            use(key, value)
          } else if (op === 'delete') {
            expect(lru.delete(key)).toBe(known)
            map.delete(key)
          } else if (op === 'evict') {
            const [oldest] = map.keys()
            expect(lru.oldest).toBe(oldest)
            if (oldest === undefined || lru.oldest === undefined) continue
            expect(lru.delete(lru.oldest)).toBe(map.get(oldest))
            map.delete(oldest)
          } else if (value % 5 === 0) {
            lru.clear()
            map.clear()
          }
          expect([...lru]).toEqual([...map])
          expect([lru.size, lru.oldest]).toEqual([map.size, [...map.keys()][0]])
        }
      }),
      { numRuns: Math.min(inject('propertyRuns'), 10_000) },
    )
  })

  it('drops the key used least recently for a new one above its bound', () => {
    const lru = new LruMap<string, number>(2)
    lru.set('a', 1)
    lru.set('b', 2)
    lru.set('a', 3)
    lru.set('c', 4)
    expect([...lru]).toEqual([
      ['a', 3],
      ['c', 4],
    ])
  })

  // Deleting the key from a Map and putting it back takes minutes for so many.
  it('finds a key among a hundred thousand as fast as among ten', () => {
    const lru = new LruMap<number, number>()
    const count = 100_000
    for (let key = 0; key < count; key += 1) lru.set(key, key)
    for (let times = 0; times < 50 * count; times += 1) lru.get(7)
    expect([lru.size, lru.oldest]).toEqual([count, 0])
  })
})
