// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { FrameReader } from './frame-reader.ts'

function serverFrame(payload: string, opcode = 2): Buffer {
  const { length } = payload
  const head =
    length < 126
      ? [length]
      : length < 65_536
        ? [126, length >> 8, length & 0xff]
        : [127, 0, 0, 0, 0, 0, length >> 16, (length >> 8) & 0xff, length & 0xff]
  return Buffer.concat([Buffer.of(0x80 | opcode, ...head), Buffer.from(payload)])
}

function read(stream: Buffer, chunkBytes: number): string {
  let text = ''
  const reader = new FrameReader((bytes) => {
    text += bytes.toString('latin1')
  })
  for (let at = 0; at < stream.length; at += chunkBytes) reader.push(stream.subarray(at, at + chunkBytes))
  return text
}

describe('FrameReader', () => {
  const payloads = ['', 'a', 'b'.repeat(125), 'c'.repeat(126), 'd'.repeat(65_535), 'e'.repeat(65_536)]
  const stream = Buffer.concat(payloads.map((payload) => serverFrame(payload)))

  it.each([1, 2, 3, 1000, stream.length])('hands on what is in frames from chunks of %i bytes', (chunkBytes) => {
    expect(read(stream, chunkBytes) === payloads.join('')).toBe(true)
  })

  it('hands on continuations and text, and leaves out pongs', () => {
    const frames = [serverFrame('a', 1), serverFrame('x', 10), serverFrame('b', 0)]
    expect(read(Buffer.concat(frames), 1)).toBe('ab')
  })

  it.each([8, 9])('throws for a frame with opcode %i', (opcode) => {
    expect(() => read(serverFrame('', opcode), 1)).toThrow(`opcode ${opcode}`)
  })
})
