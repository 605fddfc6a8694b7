// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { messageStream, runParseLoad } from './parse-load.ts'
import { SplitParser } from './split-parser.ts'

describe('messageStream', () => {
  it('cuts messages into chunks of 64 KiB, which end anywhere', () => {
    const { chunks, messages } = messageStream('PUB a 2\r\nhi\r\n', 12_000)
    expect([messages, ...chunks.map((chunk) => chunk.length)]).toEqual([12_000, 65_536, 65_536, 24_928])
    expect(Buffer.concat(chunks).toString()).toBe('PUB a 2\r\nhi\r\n'.repeat(12_000))
  })
})

describe('runParseLoad', () => {
  const stream = messageStream('PUB a 2\r\nhi\r\n', 12_000)

  it('counts the messages of whole streams, and chunks for latencies', async () => {
    const seen = { messages: 0, bytes: 0 }
    const parser = new SplitParser(({ payload }) => {
      seen.messages++
      seen.bytes += payload.length
    })
    const result = await runParseLoad((chunk) => parser.push(chunk), seen, { stream, bytesEach: 2, durationMs: 30 })
    expect(result).toMatchObject({ operations: seen.messages, errors: {} })
    expect(result.operations % stream.messages).toBe(0)
    expect(result.latencyCounts.reduce((sum, count) => sum + count, 0)).toBe((result.operations / stream.messages) * 3)
    expect(result.seconds).toBeGreaterThanOrEqual(0.03)
  })

  it('counts what a reader does not see, and what it keeps', async () => {
    const seen = { messages: 0, bytes: 0 }
    const kept: unknown[] = []
    const push = (): void => {
      seen.messages++
      for (let at = 0; at < 100_000; at++) kept.push({ at })
    }
    const { errors } = await runParseLoad(push, seen, { stream, bytesEach: 2, durationMs: 1 })
    expect(errors['messages missing']).toBeGreaterThan(0)
    expect(errors['bytes unseen']).toBe(seen.messages * 2)
    expect(errors['bytes of heap kept']).toBeGreaterThan(0)
  })
})
