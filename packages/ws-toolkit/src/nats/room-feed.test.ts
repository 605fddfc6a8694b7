// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { RoomFeed } from './room-feed.ts'
import type { StoredMessage } from './room-history.ts'
import { SharedRun } from './shared-run.ts'

function stored(seq: number): StoredMessage {
  return { payload: Buffer.from(String(seq)), binary: false, seq }
}

/** A feed of a room that holds these numbers of the stream. */
function feedOf(kept: readonly number[] | Error): {
  readonly feed: RoomFeed
  readonly seen: number[]
  readonly reads: number[]
  readonly told: unknown[]
} {
  const seen: number[] = []
  const reads: number[] = []
  const told: unknown[] = []
  const feed = new RoomFeed({
    read: async (from) => {
      reads.push(from)
      if (kept instanceof Error) throw kept
      return kept.filter((seq) => seq >= from).map(stored)
    },
    deliver: ({ seq }) => seen.push(seq),
    failed: (error) => told.push(error),
    restarted: () => told.push('restarted'),
  })
  return { feed, seen, reads, told }
}

describe('a feed', () => {
  it('delivers what comes without a gap at once, and nothing twice', () => {
    const { feed, seen, reads } = feedOf([])
    feed.place(10)
    // The number before is that of this room, which is below that of the whole stream.
    feed.take(stored(11), 4)
    feed.take(stored(15), 11)
    feed.take(stored(15), 11)
    feed.take(stored(11), 4)
    expect([seen, reads]).toStrictEqual([[11, 15], []])
  })

  it('reads what is missing before it goes on', async () => {
    const { feed, seen, reads } = feedOf([11, 12, 14, 15, 16])
    feed.place(10)
    feed.take(stored(11), 0)
    feed.take(stored(15), 14)
    feed.take(stored(16), 15)
    expect(seen).toStrictEqual([11])
    await Promise.resolve()
    await Promise.resolve()
    expect([seen, reads]).toStrictEqual([[11, 12, 14, 15, 16], [12]])
  })

  it('catches up only where it is known what was seen', async () => {
    const { feed, seen, reads } = feedOf([1, 2, 3])
    feed.catchUp(3, feed.seq)
    expect(reads).toStrictEqual([])
    feed.place(1)
    feed.catchUp(3, feed.seq)
    feed.catchUp(3, feed.seq)
    await new Promise(setImmediate)
    expect([seen, reads]).toStrictEqual([[2, 3], [2]])
  })

  it('says that something is missing for good, and goes on', async () => {
    const { feed, seen, told } = feedOf(new Error('away'))
    feed.place(1)
    feed.take(stored(9), 8)
    await new Promise(setImmediate)
    feed.take(stored(10), 9)
    expect([seen, told]).toStrictEqual([[9, 10], [new Error('away')]])
  })

  it('begins anew with a stream that does', async () => {
    const { feed, seen, told } = feedOf([])
    feed.place(500)
    feed.take(stored(501), 499)
    feed.take(stored(1), 0)
    feed.take(stored(2), 1)
    expect([seen, told]).toStrictEqual([[501, 1, 2], ['restarted']])
  })

  it('reads all that a stream holds which began anew while the broker was away', async () => {
    const { feed, seen, told } = feedOf([1, 2])
    feed.place(500)
    feed.catchUp(2, feed.seq)
    await new Promise(setImmediate)
    expect([seen, told]).toStrictEqual([[1, 2], ['restarted']])
  })

  it('repeats nothing where messages come while it is asked how far the stream is', async () => {
    const { feed, seen, told } = feedOf([1, 2, 3, 4])
    feed.place(0)
    feed.take(stored(1), 0)
    feed.take(stored(2), 1)
    const asked = feed.seq
    // These two were stored after the answer was given, and came before it was looked at.
    feed.take(stored(3), 2)
    feed.take(stored(4), 3)
    feed.catchUp(2, asked)
    await new Promise(setImmediate)
    expect([seen, told]).toStrictEqual([[1, 2, 3, 4], []])
  })

  it('begins anew once where a message of the new stream tells it first', async () => {
    const { feed, seen, told } = feedOf([1, 2])
    feed.place(500)
    const asked = feed.seq
    feed.take(stored(1), 0)
    feed.catchUp(2, asked)
    await new Promise(setImmediate)
    expect([seen, told]).toStrictEqual([[1, 2], ['restarted']])
  })

  it('makes up for whatever is lost on the way, as soon as anything comes', async () => {
    const lost = fc.array(fc.boolean(), { minLength: 1, maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(lost, fc.boolean(), async (isLost, waits) => {
        const kept: number[] = []
        const { feed, seen } = feedOf(kept)
        feed.place(0)
        for (const [index, isGone] of [...isLost, false].entries()) {
          const seq = index * 2 + 1
          const previous = kept.at(-1) ?? 0
          kept.push(seq)
          if (!isGone) feed.take(stored(seq), previous)
          if (waits) await new Promise(setImmediate)
        }
        await new Promise(setImmediate)
        expect(seen).toStrictEqual(kept)
      }),
      { numRuns: Math.min(inject('propertyRuns'), 5000) / 5 },
    )
  })
})

describe('a shared run', () => {
  it('serves whoever asks while one runs with one that began after', async () => {
    let begun = 0
    const ends: (() => void)[] = []
    const run = new SharedRun(async () => {
      begun += 1
      const number = begun
      await new Promise<void>((resolve) => ends.push(resolve))
      return number
    })
    const asked = [run.ask(), run.ask(), run.ask()]
    expect([begun, run.isIdle]).toStrictEqual([1, false])
    ends.shift()?.()
    await new Promise(setImmediate)
    expect(begun).toBe(2)
    ends.shift()?.()
    expect(await Promise.all(asked)).toStrictEqual([1, 2, 2])
    expect(run.isIdle).toBe(true)
  })

  it('goes on after one that failed', async () => {
    let begun = 0
    const run = new SharedRun(async () => {
      begun += 1
      if (begun === 1) throw new Error('first')
      return begun
    })
    const [first, second] = [run.ask(), run.ask()]
    await expect(first).rejects.toThrow('first')
    expect(await second).toBe(2)
  })
})
