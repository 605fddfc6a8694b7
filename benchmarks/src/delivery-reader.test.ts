// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { DeliveryReader } from './delivery-reader.ts'

const delivery = 'MSG a 1 2\r\nMP\r\n'

function read(text: string, chunkBytes: number, bytesEach = delivery.length): { count: number; lines: string[] } {
  const seen = { count: 0, lines: [] as string[] }
  const reader = new DeliveryReader(bytesEach, {
    deliveries: (count) => (seen.count += count),
    line: (line) => seen.lines.push(line),
  })
  const stream = Buffer.from(text)
  for (let at = 0; at < stream.length; at += chunkBytes) reader.push(stream.subarray(at, at + chunkBytes))
  return seen
}

describe('DeliveryReader', () => {
  it.each([1, 2, 7, 16, 1000])('counts deliveries and tells other lines in chunks of %i bytes', (chunkBytes) => {
    const text = `INFO {"M":1}\r\nPONG\r\n${delivery.repeat(3)}PING\r\n${delivery}`
    expect(read(text, chunkBytes)).toEqual({ count: 4, lines: ['INFO {"M":1}', 'PONG', 'PING'] })
  })

  it('counts a delivery once it is whole', () => {
    expect(read(`${delivery}${delivery.slice(0, -1)}`, 5).count).toBe(1)
  })

  it('calls once for all deliveries of a chunk', () => {
    const calls: number[] = []
    const reader = new DeliveryReader(delivery.length, { deliveries: (count) => calls.push(count), line: () => {} })
    reader.push(Buffer.from(delivery.repeat(5)))
    expect(calls).toEqual([5])
  })

  it('throws for a delivery nobody expects', () => {
    expect(() => read(delivery, 100, 0)).toThrow('none was subscribed')
  })

  it('throws, and holds no more, where deliveries are longer than expected', () => {
    expect(() => read(`MSG a 1 70000\r\n${'x'.repeat(70_000)}`, 1000)).toThrow('as long as expected')
  })
})
