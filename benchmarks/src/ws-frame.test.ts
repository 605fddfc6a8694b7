// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { encodeClientFrame, opcodes } from './ws-frame.ts'

describe('encodeClientFrame', () => {
  it.each([
    { length: 0, head: '8180' },
    { length: 125, head: '81fd' },
    { length: 126, head: '81fe007e' },
    { length: 65_535, head: '81feffff' },
    { length: 65_536, head: '81ff0000000000010000' },
  ])('writes the head of a text of $length bytes', ({ length, head }) => {
    const frame = encodeClientFrame(Buffer.alloc(length, 'x'))
    expect(frame.subarray(0, head.length / 2).toString('hex')).toBe(head)
    expect(frame).toHaveLength(head.length / 2 + 4 + length)
  })

  it('masks with zeros, so that the payload stays what it is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(...Object.values(opcodes)), (payload, opcode) => {
        const frame = encodeClientFrame(payload, opcode)
        const at = frame.length - payload.length
        expect(frame[0]).toBe(0x80 | opcode)
        expect(frame.subarray(at - 4, at)).toEqual(Buffer.alloc(4))
        expect(Buffer.compare(frame.subarray(at), payload)).toBe(0)
      }),
      { numRuns: inject('propertyRuns') },
    )
  })
})
