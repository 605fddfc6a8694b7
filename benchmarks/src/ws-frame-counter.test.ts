// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { FrameCounter } from './ws-frame-counter.ts'

/** A frame as a server writes it. */
function frame(payload: Uint8Array, first = 0x82): Buffer {
  const { length } = payload
  if (length < 126) return Buffer.concat([Buffer.from([first, length]), payload])
  if (length < 65_536) return Buffer.concat([Buffer.from([first, 126, length >> 8, length & 255]), payload])
  const head = Buffer.alloc(10)
  head.set([first, 127])
  head.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([head, payload])
}

function counter(messageBytes?: number): { frames: FrameCounter; pings: string[] } {
  const pings: string[] = []
  const frames = new FrameCounter(messageBytes, {
    onPing: (payload) => void pings.push(Buffer.from(payload).toString()),
  })
  return { frames, pings }
}

describe('FrameCounter', () => {
  it('counts the same messages and pings however the stream is cut', () => {
    const sizes = fc.constantFrom(0, 1, 32, 125, 126, 200, 65_535, 65_536)
    const part = fc.oneof(
      sizes.map((size) => ({ bytes: frame(Buffer.alloc(size, 'x')), messages: 1, pings: [] as string[] })),
      fc.constantFrom('', 'ping', 'p'.repeat(125)).map((text) => ({
        bytes: frame(Buffer.from(text), 0x89),
        messages: 0,
        pings: [text],
      })),
      fc.constant({ bytes: frame(Buffer.from('pong'), 0x8a), messages: 0, pings: [] as string[] }),
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), fc.array(fc.nat(4000), { maxLength: 8 }), (parts, cuts) => {
        const { frames, pings } = counter()
        const stream = Buffer.concat(parts.map(({ bytes }) => bytes))
        let messages = 0
        let at = 0
        for (const cut of [...cuts, stream.length]) {
          const chunk = stream.subarray(at, at + cut)
          messages += frames.push(chunk)
          at += chunk.length
        }
        expect(messages).toBe(parts.reduce((sum, each) => sum + each.messages, 0))
        expect(pings).toEqual(parts.flatMap((each) => each.pings))
        expect(frames.fault).toBeUndefined()
      }),
      { numRuns: inject('propertyRuns') },
    )
  })

  it('counts messages that come a byte at a time', () => {
    const { frames } = counter(200)
    const stream = Buffer.concat([frame(Buffer.alloc(200)), frame(Buffer.alloc(200))])
    expect([...stream].map((byte) => frames.push(Buffer.from([byte]))).reduce((sum, one) => sum + one, 0)).toBe(2)
  })

  it('reads no more of the bytes than it is told', () => {
    const { frames } = counter()
    expect(frames.push(Buffer.concat([frame(Buffer.from('a')), frame(Buffer.from('b'))]), 3)).toBe(1)
  })

  it.each([
    { what: 'a message of another length', bytes: frame(Buffer.alloc(31)), fault: 'message of 31 bytes' },
    { what: 'a close frame', bytes: frame(Buffer.from([3, 232]), 0x88), fault: 'closed by the server' },
    { what: 'a fragment', bytes: frame(Buffer.alloc(32), 0x02), fault: 'fragmented message' },
    { what: 'a continuation', bytes: frame(Buffer.alloc(32), 0x80), fault: 'fragmented message' },
    { what: 'a compressed message', bytes: frame(Buffer.alloc(32), 0xc2), fault: 'reserved bits' },
    { what: 'a masked frame', bytes: Buffer.from([0x82, 0x80, 0, 0, 0, 0]), fault: 'masked frame' },
  ])('stops at $what', ({ bytes, fault }) => {
    const { frames } = counter(32)
    expect(frames.push(Buffer.concat([frame(Buffer.alloc(32)), bytes, frame(Buffer.alloc(32))]))).toBe(1)
    expect(frames.fault).toBe(fault)
  })
})
