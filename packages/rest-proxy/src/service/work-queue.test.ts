// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { WorkQueue } from './work-queue.ts'

describe('WorkQueue', () => {
  it('gives items back oldest first, with the time they waited', () => {
    const queue = new WorkQueue<string>({ maxItems: 3, maxBytes: 100 })
    queue.push('a', 1, 1000)
    queue.push('b', 1, 1500)
    expect(queue.size).toBe(2)
    expect(queue.shift(2000)).toEqual({ item: 'a', waitedMs: 1000 })
    expect(queue.shift(2000)).toEqual({ item: 'b', waitedMs: 500 })
    expect(queue.shift(2000)).toBeUndefined()
  })

  it('is bounded by count', () => {
    const queue = new WorkQueue<number>({ maxItems: 2, maxBytes: 100 })
    queue.push(1, 1, 0)
    expect(queue.hasRoom(1)).toBe(true)
    queue.push(2, 1, 0)
    expect(queue.hasRoom(1)).toBe(false)
    queue.shift(0)
    expect(queue.hasRoom(1)).toBe(true)
  })

  it('is bounded by bytes, which leave with their item', () => {
    const queue = new WorkQueue<number>({ maxItems: 10, maxBytes: 100 })
    queue.push(1, 60, 0)
    expect(queue.hasRoom(40)).toBe(true)
    expect(queue.hasRoom(41)).toBe(false)
    queue.shift(0)
    expect(queue.hasRoom(100)).toBe(true)
  })

  it('holds nothing with a bound of 0', () => {
    expect(new WorkQueue({ maxItems: 0, maxBytes: 100 }).hasRoom(0)).toBe(false)
  })
})
