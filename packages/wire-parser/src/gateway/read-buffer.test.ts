// SPDX-License-Identifier: Apache-2.0
import { array, assert, constantFrom, oneof, property, record } from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { ReadBuffer } from './read-buffer.ts'

/** What a socket does: reads into the next buffer and says how much. */
function read(buffer: ReadBuffer, bytes: number): Buffer {
  const into = buffer.next()
  buffer.read(bytes)
  return into
}

describe('ReadBuffer', () => {
  it('is used again while nobody keeps what was read', () => {
    const buffer = new ReadBuffer(65_536)
    const first = read(buffer, 100)
    expect(read(buffer, 200)).toBe(first)
    expect(first.length).toBe(4096)
  })

  it('is one for all while little comes, and each gets bytes of its own', () => {
    const [one, two] = [new ReadBuffer(65_536), new ReadBuffer(65_536)]
    const kept: Uint8Array[] = []
    one.receive = two.receive = (chunk) => kept.push(chunk) > 0
    for (const [buffer, letter] of [
      [one, 'a'],
      [two, 'b'],
      [one, 'c'],
    ] as const) {
      buffer.next().fill(letter)
      expect(read(buffer, 3)).toBe(one.next())
    }
    expect(kept.map((chunk) => Buffer.from(chunk).toString())).toEqual(['aaa', 'bbb', 'ccc'])
  })

  it('is left to whoever keeps what was read', () => {
    const buffer = new ReadBuffer(65_536)
    read(buffer, 4096)
    const kept: Uint8Array[] = []
    buffer.receive = (chunk) => kept.push(chunk) > 0
    const first = read(buffer, 5000)
    const second = read(buffer, 5000)
    expect(second).not.toBe(first)
    expect(kept.map((chunk) => chunk.buffer)).toEqual([first.buffer, second.buffer])
  })

  it('is large while much comes, and small again when it is quiet', () => {
    const buffer = new ReadBuffer(65_536)
    read(buffer, 4096)
    expect(read(buffer, 60_000).length).toBe(65_536)
    for (let i = 0; i < 16; i++) expect(read(buffer, 50).length).toBe(65_536)
    expect(read(buffer, 50).length).toBe(4096)
  })

  it('never grows beyond what it may', () => {
    const buffer = new ReadBuffer(4096)
    for (let i = 0; i < 5; i++) expect(read(buffer, 4096).length).toBe(4096)
    const larger = new ReadBuffer(10_000)
    read(larger, 4096)
    expect(read(larger, 1).length).toBe(10_000)
  })

  it('hands a large buffer on to the next connection that needs one', () => {
    const quiet = new ReadBuffer(65_536)
    read(quiet, 4096)
    const large = read(quiet, 4096)
    for (let i = 0; i < 16; i++) read(quiet, 1)
    const busy = new ReadBuffer(65_536)
    read(busy, 4096)
    expect(read(busy, 1)).toBe(large)
  })

  it('is four times as large while a flood fills it, and no longer', () => {
    const buffer = new ReadBuffer(65_536)
    read(buffer, 4096)
    read(buffer, 65_536)
    expect(read(buffer, 262_144).length).toBe(262_144)
    expect(read(buffer, 262_143).length).toBe(262_144)
    expect(read(buffer, 65_535).length).toBe(65_536)
    expect(read(buffer, 65_536).length).toBe(65_536)
    expect(read(buffer, 1).length).toBe(262_144)
  })

  it('takes back what was kept as soon as nothing refers to it', () => {
    const flood = flooded()
    flood.receive = () => true
    const kept = [read(flood, 262_144), read(flood, 262_144)]
    flood.receive = () => false
    const free = read(flood, 262_144)
    expect(kept).not.toContain(free)
    flood.receive = () => true
    read(flood, 262_144)
    expect(kept).toContain(flood.next())
  })

  it('never takes back what it was left with', () => {
    const flood = flooded()
    flood.receive = () => {
      flood.leave()
      return false
    }
    const left = [read(flood, 262_144), read(flood, 262_144)]
    flood.receive = () => false
    const free = read(flood, 262_144)
    flood.receive = () => true
    const later = new Set([read(flood, 262_144), read(flood, 262_144), read(flood, 262_144)])
    expect(left.some((buffer) => buffer === free || later.has(buffer))).toBe(false)
  })

  it('keeps no more than 4 MiB for connections to come', () => {
    const made = Array.from({ length: 40 }, flooded)
    const before = new Set(made.map((buffer) => buffer.next()))
    for (const buffer of made) read(buffer, 1)
    const reused = Array.from({ length: 40 }, flooded).filter((buffer) => before.has(buffer.next()))
    expect(reused.length).toBeGreaterThan(0)
    expect(reused.length).toBeLessThanOrEqual(16)
  })

  it('never reads into what somebody refers to, whatever comes to several connections', () => {
    const step = record({
      connection: constantFrom(0, 1, 2),
      share: oneof(constantFrom(1, 1), constantFrom(0.0001, 0.3, 0.9)),
      end: constantFrom('free', 'kept', 'kept', 'left'),
    })
    assert(
      property(array(step, { maxLength: 60 }), (steps) => {
        const connections = [0, 1, 2].map(() => ({ buffer: new ReadBuffer(8192), kept: [] as Kept[] }))
        const left: Kept[] = []
        for (const [index, { connection, share, end }] of steps.entries()) {
          const one = connections[connection]
          if (one === undefined) continue
          const { buffer } = one
          const into = buffer.next()
          const bytes = Math.max(1, Math.floor(into.length * share))
          // First and last byte are enough: nothing writes less than a read.
          into[0] = into[bytes - 1] = index
          buffer.receive = (chunk) => {
            if (end === 'left') buffer.leave()
            if (end === 'free') one.kept = []
            else (end === 'left' ? left : one.kept).push({ chunk, index })
            return end === 'kept'
          }
          // What nobody refers to when a read was handed out is free from then on.
          if (end === 'left') one.kept = []
          buffer.read(bytes)
          for (const { chunk, index } of [...left, ...connections.flatMap(({ kept }) => kept)]) {
            expect([chunk[0], chunk.at(-1)]).toEqual([index, index])
          }
        }
      }),
      { numRuns: inject('propertyRuns') },
    )
  })
})

interface Kept {
  readonly chunk: Uint8Array
  readonly index: number
}

/** A buffer that a flood has made as large as it gets. */
function flooded(): ReadBuffer {
  const buffer = new ReadBuffer(65_536)
  for (const bytes of [4096, 65_536]) read(buffer, bytes)
  return buffer
}
