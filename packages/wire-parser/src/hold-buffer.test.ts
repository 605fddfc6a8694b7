// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { bytesOf, textOf } from './conformance/recording.test-support.ts'
import { HoldBuffer } from './hold-buffer.ts'

function held(hold: HoldBuffer): string {
  return textOf(hold.bytes.subarray(0, hold.length))
}

describe('HoldBuffer', () => {
  it('has no memory before it holds something', () => {
    expect(new HoldBuffer().bytes.length).toBe(0)
  })

  it('appends parts of chunks, short and long', () => {
    const hold = new HoldBuffer()
    let expected = ''
    for (const size of [1, 31, 32, 33, 500, 2, 4000, 100_000]) {
      const text = String.fromCharCode(97 + (size % 26)).repeat(size)
      hold.append(bytesOf(`<<${text}>>`), 2, 2 + size)
      expected += text
      expect(held(hold) === expected).toBe(true)
    }
  })

  it('grows to twice its size at most beyond what it holds', () => {
    const hold = new HoldBuffer()
    for (let at = 0; at < 5000; at++) hold.append(bytesOf('0123456789'), 0, 10)
    expect(hold.length).toBe(50_000)
    expect(hold.bytes.length).toBeLessThan(100_000)
  })

  it('keeps a small buffer for the next operation and gives a large one back', () => {
    const hold = new HoldBuffer()
    hold.append(bytesOf('x'.repeat(4000)), 0, 4000)
    const small = hold.bytes
    hold.clear()
    expect([hold.length, hold.bytes === small]).toEqual([0, true])
    hold.append(bytesOf('x'.repeat(5000)), 0, 5000)
    hold.clear()
    expect([hold.length, hold.bytes.length]).toEqual([0, 0])
  })

  it('leaves its buffer to somebody else', () => {
    const hold = new HoldBuffer()
    hold.append(bytesOf('mine'), 0, 4)
    const { bytes } = hold
    hold.detach()
    hold.append(bytesOf('next'), 0, 4)
    expect([textOf(bytes.subarray(0, 4)), held(hold)]).toEqual(['mine', 'next'])
  })
})
