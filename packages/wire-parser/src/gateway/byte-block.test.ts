// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { ByteBlock, compact } from './byte-block.ts'
import { text } from './rig.test-support.ts'

const piece = (content: string): Uint8Array => Buffer.from(content, 'latin1')

describe('a block', () => {
  it('copies pieces behind each other and hands them out once', () => {
    const block = new ByteBlock()
    const first = piece('one,')
    for (const each of [first, piece('two,'), piece('three')]) expect(block.add(each)).toBe(true)
    first.fill(0)
    expect(block.bytes).toBe(13)
    expect(text(block.take() ?? piece(''))).toBe('one,two,three')
    expect(block.bytes).toBe(0)
    expect(block.take()).toBeUndefined()
  })

  it('leaves what was handed out as it was', () => {
    const block = new ByteBlock()
    block.add(piece('one'))
    const taken = block.take()
    block.add(piece('two'))
    expect(text(taken ?? piece(''))).toBe('one')
  })

  it('is twice as large as what was in the last one, within bounds', () => {
    const block = new ByteBlock()
    const sizes = Array.from({ length: 8 }, () => {
      while (block.add(piece('x'.repeat(16))));
      return block.take()?.buffer.byteLength
    })
    expect(sizes).toEqual([1024, 2048, 4096, 8192, 16_384, 32_768, 32_768, 32_768])
    block.add(piece('little'))
    block.take()
    block.add(piece('more'))
    expect(block.take()?.buffer.byteLength).toBe(1024)
  })

  it('takes a piece longer than the block would be, and refuses what is better kept by itself', () => {
    const block = new ByteBlock()
    expect(block.add(piece('x'.repeat(4097)))).toBe(false)
    expect(block.add(piece('x'.repeat(4096)))).toBe(true)
    expect(block.add(piece('y'))).toBe(false)
    expect(block.take()?.length).toBe(4096)
  })
})

it('a piece that waits keeps no buffer that is much larger than itself', () => {
  const buffer = Buffer.allocUnsafeSlow(8192)
  const [small, large] = [buffer.subarray(0, 4000), buffer.subarray(0, 5000)]
  expect(compact(small)).toEqual(small)
  expect(compact(small).buffer).not.toBe(buffer.buffer)
  expect(compact(large)).toBe(large)
})
