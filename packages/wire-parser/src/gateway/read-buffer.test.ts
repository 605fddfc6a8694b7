// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
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

  it('is left to whoever keeps what was read', () => {
    const buffer = new ReadBuffer(65_536)
    const kept: Uint8Array[] = []
    buffer.receive = (chunk) => kept.push(chunk) > 0
    const first = read(buffer, 100)
    const second = read(buffer, 100)
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
})
