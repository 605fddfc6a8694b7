// SPDX-License-Identifier: Apache-2.0
import type { EventEmitter } from 'node:events'
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import * as ws from 'ws'
import type { Frame } from './frame.ts'
import { frameOf, replyFrame, sharedFrame } from './frame.ts'
import { FlushList } from './flush-list.ts'
import { readUtf8, utf8Length } from './utf8.ts'

const numRuns = inject('propertyRuns')

// The types of ws leave its receiver out.
const { Receiver } = ws as unknown as {
  readonly Receiver: new (options: object) => EventEmitter & { write(chunk: Buffer): void }
}

/** Reads frames the way a client of ws does, however the bytes are cut. */
function received(chunks: readonly Uint8Array[]): { text: string; binary: boolean }[] {
  const receiver = new Receiver({ isServer: false, maxPayload: 0 })
  const messages: { text: string; binary: boolean }[] = []
  receiver.on('message', (data: Buffer, binary: boolean) => {
    messages.push({ text: data.toString('latin1'), binary })
  })
  for (const chunk of chunks) receiver.write(Buffer.from(chunk))
  return messages
}

function wireOf(frame: Frame): Buffer {
  return frame.isLarge ? Buffer.concat([frame.head, frame.payload]) : frame.encode()
}

describe('a frame', () => {
  it.each([
    ['', '8100'],
    ['a', '810161'],
    ['é', '8102c3a9'],
    ['x'.repeat(125), `817d${'78'.repeat(125)}`],
    ['x'.repeat(126), `817e007e${'78'.repeat(126)}`],
    ['x'.repeat(65_535), `817effff${'78'.repeat(65_535)}`],
    ['x'.repeat(65_536), `817f0000000000010000${'78'.repeat(65_536)}`],
  ])('has the header its length asks for (%#)', (text, hex) => {
    expect(wireOf(frameOf(text)).toString('hex')).toBe(hex)
    expect(frameOf(text).size).toBe(hex.length / 2)
  })

  it('leaves strings as text and bytes as binary, unless told otherwise', () => {
    expect(frameOf('a').encode()[0]).toBe(0x81)
    expect(frameOf('a', true).encode()[0]).toBe(0x82)
    expect(frameOf(Buffer.from('a')).encode()[0]).toBe(0x82)
    expect(frameOf(new Uint8Array([97]), false).encode()[0]).toBe(0x81)
    expect(frameOf(sharedFrame('a', { binary: true })).encode()[0]).toBe(0x82)
  })

  it('does not copy what is large', () => {
    const large = Buffer.alloc(16_384)
    expect(frameOf(large).isLarge).toBe(true)
    expect(frameOf(large).payload).toBe(large)
    expect(frameOf(Buffer.alloc(16_383)).isLarge).toBe(false)
  })

  it('writes a lone surrogate as what it stands for in UTF-8', () => {
    const text = `a\ud800b${'x'.repeat(50)}`
    for (const cut of [text, text.slice(0, 3)]) {
      expect(frameOf(cut).encode().subarray(2).toString()).toBe(cut.replace('\ud800', '\ufffd'))
      expect(utf8Length(cut)).toBe(Buffer.byteLength(cut))
    }
  })

  it('refuses what is no message', () => {
    for (const wrong of [1, null, undefined, {}, new ArrayBuffer(2)])
      expect(() => frameOf(wrong as never)).toThrow(TypeError)
  })

  it(
    'is read back as it was, in any chunks, beside any others',
    () => {
      const message = fc.oneof(
        fc.string({ unit: 'binary', maxLength: 200 }),
        fc.uint8Array({ maxLength: 200 }),
        fc.constantFrom(0, 125, 126, 16_383, 16_384, 65_535, 65_536).map((size) => new Uint8Array(size)),
      )
      const check = (messages: (string | Uint8Array)[], cut: number): void => {
        const frames = messages.map((message) => frameOf(message))
        const wire = Buffer.concat(frames.map(wireOf))
        const chunks = Array.from({ length: Math.ceil(wire.length / cut) }, (_, at) =>
          wire.subarray(at * cut, (at + 1) * cut),
        )
        const expected = messages.map((message) => ({
          text: Buffer.from(message).toString('latin1'),
          binary: typeof message !== 'string',
        }))
        expect(received(chunks)).toStrictEqual(expected)
        expect(frames.reduce((sum, frame) => sum + frame.size, 0)).toBe(wire.length)
      }
      fc.assert(
        fc.property(fc.array(message, { minLength: 1, maxLength: 4 }), fc.integer({ min: 7, max: 70_000 }), check),
        {
          numRuns: Math.min(numRuns, 10_000),
        },
      )
    },
    60_000 + numRuns,
  )
})

describe('a shared frame', () => {
  it.each([0, 125, 16_384, 70_000])('of %i bytes is encoded once, whatever it is asked for', (length) => {
    for (const message of ['x'.repeat(length), Buffer.alloc(length, 7)]) {
      const frame = frameOf(sharedFrame(message))
      const encoded = frame.encode()
      expect(frame.encode() === encoded && frame.payload.buffer === encoded.buffer).toBe(true)
      expect(frameOf(message).encode() === encoded).toBe(false)
      expect(frameOf(message).encode().equals(encoded)).toBe(true)
      expect(frame.isLarge).toBe(false)
    }
  })

  it('is the same bytes under other traits', () => {
    const frame = frameOf(sharedFrame('hello'))
    const keyed = frameOf(frame, undefined, { key: 'k' })
    expect(keyed.key).toBe('k')
    expect(keyed.isSameAs(frame)).toBe(true)
    expect(keyed.encode()).toBe(frame.encode())
    expect(frame.isSameAs(frameOf(sharedFrame('hello')))).toBe(false)
    expect(frameOf('hello').isSameAs(frameOf('hello'))).toBe(false)
  })

  it('keeps a reply from being dropped', () => {
    expect(replyFrame('a').isReply).toBe(true)
    expect(replyFrame(sharedFrame('a')).isReply).toBe(true)
    expect(frameOf('a').isReply).toBe(false)
  })
})

describe('a flush list', () => {
  it('gives equal queues one buffer, and other queues their own', () => {
    const list = new FlushList()
    const [a, b, c] = ['one', 'two', 'three'].map((text) => frameOf(sharedFrame(text)))
    if (a === undefined || b === undefined || c === undefined) throw new Error('three frames')
    const flushScheduled = (): void => {
      const joined = list.join([a, b], a.size + b.size)
      expect(joined.toString('latin1')).toBe('\x81\x03one\x81\x03two')
      expect(list.join([a, frameOf(b, undefined, { key: 'k' })], a.size + b.size)).toBe(joined)
      expect(list.join([a, c], a.size + c.size).toString('latin1')).toBe('\x81\x03one\x81\x05three')
      expect(list.join([a], a.size).toString('latin1')).toBe('\x81\x03one')
      expect(list.join([b, a], a.size + b.size).toString('latin1')).toBe('\x81\x03two\x81\x03one')
    }
    list.add({ flushScheduled })
    list.close()
    expect.assertions(5)
  })

  it('keeps no buffer that nobody will ask for: outside of a flush each is its own', () => {
    const list = new FlushList()
    const frames = [frameOf(sharedFrame('one')), frameOf(sharedFrame('two'))]
    const joined = list.join(frames, 10)
    expect(list.join(frames, 10)).toStrictEqual(joined)
    expect(list.join(frames, 10)).not.toBe(joined)
  })

  it('flushes once for all that was added during a tick', async () => {
    const list = new FlushList()
    const flushed: string[] = []
    const late = { flushScheduled: () => void flushed.push('late') }
    list.add({
      flushScheduled: () => {
        flushed.push('first')
        list.add(late)
      },
    })
    list.add({ flushScheduled: () => void flushed.push('second') })
    expect(flushed).toStrictEqual([])
    await new Promise(setImmediate)
    expect(flushed).toStrictEqual(['first', 'second'])
    await new Promise(setImmediate)
    expect(flushed).toStrictEqual(['first', 'second', 'late'])
  })

  it('waits as long as it is told, and not beyond its end', () => {
    const list = new FlushList(5)
    const flushed: string[] = []
    list.add({ flushScheduled: () => void flushed.push('a') })
    list.close()
    expect(flushed).toStrictEqual(['a'])
  })
})

describe('UTF-8', () => {
  it('is measured, written and read as Buffer does it', () => {
    const check = (text: string): void => {
      const frame = frameOf(text)
      expect(utf8Length(text)).toBe(Buffer.byteLength(text))
      const payload = wireOf(frame).subarray(frame.size - frame.length)
      expect(payload.equals(Buffer.from(text))).toBe(true)
      expect(readUtf8(payload)).toBe(payload.toString())
    }
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 120 }), check), { numRuns })
  })
})
