// SPDX-License-Identifier: Apache-2.0
import { parseOperations } from '@nats-edge/wire-parser'
import { describe, expect, it } from 'vitest'
import { clientFrame, deliveryBytes, publishOperation, repeated } from './wire-operations.ts'

describe('publishOperation', () => {
  it('is what the parser reads as one publish of that size', () => {
    const payload = new Uint8Array([120, 120, 120])
    expect(parseOperations(publishOperation('a.b', 3), 'client')).toEqual([{ verb: 'PUB', subject: 'a.b', payload }])
    expect(parseOperations(publishOperation('a.b', 3, 'r'), 'client')).toEqual([
      { verb: 'PUB', subject: 'a.b', replyTo: 'r', payload },
    ])
  })
})

describe('deliveryBytes', () => {
  it.each([
    { delivery: 'MSG a.b 1 3\r\nxxx\r\n', replyTo: undefined },
    { delivery: 'MSG a.b 1 r 3\r\nxxx\r\n', replyTo: 'r' },
  ])('is the length of $delivery', ({ delivery, replyTo }) => {
    expect(deliveryBytes('a.b', 3, replyTo)).toBe(delivery.length)
  })
})

describe('repeated', () => {
  const operation = Buffer.from('PUB a 2\r\nhi\r\n')

  it('fills 64 KiB with whole operations', () => {
    const { bytes, operations } = repeated(operation, undefined)
    expect(operations).toBe(Math.floor(65_536 / operation.length))
    expect(bytes.equals(Buffer.from(operation.toString().repeat(operations)))).toBe(true)
  })

  it('frames each operation, or all of them', () => {
    const one = repeated(operation, 'one')
    expect(one.bytes.length).toBe(one.operations * (operation.length + 6))
    expect(one.bytes.subarray(0, 6)).toEqual(Buffer.of(0x82, 0x80 | operation.length, 0x37, 0xfa, 0x21, 0x3d))
    const many = repeated(operation, 'many')
    expect(many.bytes.length).toBe(many.operations * operation.length + 8)
    expect(many.operations).toBe(one.operations)
  })

  it('holds one operation that is longer', () => {
    expect(repeated(publishOperation('a', 70_000), undefined).operations).toBe(1)
  })
})

describe('clientFrame', () => {
  const mask = [0x37, 0xfa, 0x21, 0x3d]

  it.each([
    { length: 0, head: [0x82, 0x80] },
    { length: 125, head: [0x82, 0xfd] },
    { length: 126, head: [0x82, 0xfe, 0, 126] },
    { length: 65_535, head: [0x82, 0xfe, 0xff, 0xff] },
    { length: 65_536, head: [0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0] },
  ])('says a length of $length as RFC 6455 does', ({ length, head }) => {
    const frame = clientFrame(Buffer.alloc(length, 7))
    expect([...frame.subarray(0, head.length + 4)]).toEqual([...head, ...mask])
    expect(frame.length).toBe(head.length + 4 + length)
    expect(frame.subarray(head.length + 4).every((byte, at) => (byte ^ (mask[at & 3] ?? 0)) === 7)).toBe(true)
  })
})
