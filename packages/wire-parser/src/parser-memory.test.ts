// SPDX-License-Identifier: Apache-2.0
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, inject, it } from 'vitest'
import { Parser, type ParserOptions } from './parser.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const millions = inject('propertyRuns') >= 100_000 ? 10 : 1

/** Heap in use after a collection. */
function heapBytes(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

function messageChunks(text: string, messages: number): Buffer[] {
  const all = Buffer.from(text.repeat(messages), 'latin1')
  const chunks: Buffer[] = []
  for (let at = 0; at < all.length; at += 65_536) chunks.push(all.subarray(at, at + 65_536))
  return chunks
}

/** Messages read, and how much the heap has grown since it was warm. */
function readMillions(options: ParserOptions, text: string, touch: boolean): { read: number; grown: number } {
  const perRound = 250_000
  const chunks = messageChunks(text, perRound)
  let read = 0
  let length = 0
  const parser = new Parser(options, {
    operation(view) {
      read++
      if (touch) length += view.subject.length + view.sid.length
    },
    error: (error) => expect.fail(error.message),
  })
  const round = (): void => {
    for (const chunk of chunks) parser.push(chunk)
  }
  round()
  const before = heapBytes()
  for (let left = millions * 4; left > 0; left--) round()
  expect(length > 0).toBe(touch)
  return { read, grown: heapBytes() - before }
}

const message = '0123456789abcdef\r\n'

describe('the heap', () => {
  it.each([
    ['PUB', { side: 'client' }, `PUB foo.bar 16\r\n${message}`],
    ['MSG', { side: 'server' }, `MSG foo.bar 1 16\r\n${message}`],
  ] as const)(`does not grow over ${millions} million %s of 16 bytes`, (_verb, options, text) => {
    const { read, grown } = readMillions(options, text, false)
    expect(read).toBeGreaterThanOrEqual(millions * 1_000_000)
    expect(grown).toBeLessThan(500_000)
  })

  it('does not grow when every subject is read as a string', () => {
    const { grown } = readMillions({ side: 'server' }, `MSG foo.bar 1 16\r\n${message}`, true)
    expect(grown).toBeLessThan(500_000)
  })

  it('gives nothing to the collector for operations that lie in a chunk', () => {
    const chunks = messageChunks(`PUB foo.bar 16\r\n${message}`, 1900)
    const chunk = chunks[0]?.subarray(0, 34 * 1900) ?? expect.fail('no chunk')
    let read = 0
    const parser = new Parser(
      { side: 'client' },
      { operation: () => void read++, error: (error) => expect.fail(error.message) },
    )
    for (let round = 0; round < 200; round++) parser.push(chunk)
    const before = heapBytes()
    for (let round = 0; round < 200; round++) parser.push(chunk)
    // No collection in between: what was allocated is still there.
    const allocated = process.memoryUsage().heapUsed - before
    expect(read).toBe(2 * 200 * 1900)
    expect(allocated / (200 * 1900)).toBeLessThan(4)
  })

  it('takes few bytes for a parser without anything to hold', () => {
    const parsers: Parser[] = []
    const before = heapBytes()
    for (let at = 0; at < 1000; at++) parsers.push(new Parser({ side: 'client' }, { operation() {}, error() {} }))
    expect((heapBytes() - before) / parsers.length).toBeLessThan(2000)
  })
})
