// SPDX-License-Identifier: Apache-2.0
import type { Writable } from 'node:stream'
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import * as ws from 'ws'
import { takeDirectly } from './receive-shortcut.ts'

// Exported, and not in the types.
const Receiver = Reflect.get(ws, 'Receiver') as new (options?: object) => Writable

const maxPayload = 20_000

const noTurns = { isBusy: false, outbox: { beginTurn: () => {}, endTurn: () => {} } }

/** A frame as a client writes it. */
function frame(payload: Uint8Array, first = 0x82, mask: readonly number[] = [0, 0, 0, 0]): Buffer {
  const { length } = payload
  const head = length < 126 ? [first, 0x80 | length] : [first, 0x80 | 126, length >> 8, length & 0xff]
  return Buffer.from([...head, ...mask, ...payload.map((byte, index) => byte ^ (mask[index & 3] ?? 0))])
}

interface Heard {
  readonly messages: string[]
  readonly direct: number
  readonly error: string | undefined
}

/** What comes out of a stream that is read in these chunks. */
async function heard(chunks: readonly Buffer[], way: 'directly' | 'by ws'): Promise<Heard> {
  const messages: string[] = []
  let direct = 0
  let error: string | undefined
  const receiver = new Receiver({ isServer: true, maxPayload, maxFragments: 8 })
  const record = (bytes: Buffer, binary: boolean): void => void messages.push(`${binary} ${bytes.toString('hex')}`)
  receiver.on('message', record)
  receiver.on('ping', (bytes: Buffer) => record(bytes, false))
  receiver.on('error', (thrown: Error) => (error = thrown.message))
  if (way === 'directly') {
    const socket = { extensions: '', _receiver: receiver } as unknown as ws.WebSocket
    const taker = {
      ...noTurns,
      received: (bytes: Buffer, binary: boolean) => {
        direct += 1
        record(bytes, binary)
      },
    }
    expect(takeDirectly(socket, taker)).toBe(true)
  }
  for (const chunk of chunks) {
    if (!receiver.destroyed && error === undefined) receiver.write(Buffer.from(chunk))
    await Promise.resolve()
  }
  await new Promise(setImmediate)
  return { messages, direct, error }
}

const text = (length: number, letter = 'x'): Buffer => Buffer.from(letter.repeat(length))
const mask = fc.constantFrom([0, 0, 0, 0], [1, 2, 3, 4], [0, 0, 0, 9], [255, 128, 7, 1])
const sizes = fc.constantFrom(0, 1, 3, 32, 125, 126, 127, 300, 4096, 4097)
const part = fc.oneof(
  fc.tuple(sizes, mask).map(([size, key]) => [frame(text(size), 0x81, key)]),
  fc.tuple(sizes, mask).map(([size, key]) => [frame(text(size, 'ä').subarray(0, size - (size % 2)), 0x81, key)]),
  fc.tuple(fc.uint8Array({ maxLength: 40 }), mask).map(([bytes, key]) => [frame(bytes, 0x82, key)]),
  fc.constant([frame(text(5), 0x89)]),
  fc.constant([frame(text(5), 0x01), frame(text(2), 0x89), frame(text(7), 0x80)]),
)
const wrong = fc.constantFrom(
  {
    bytes: frame(Buffer.from([0xc3, 0x28]), 0x81, [1, 2, 3, 4]),
    error: 'Invalid WebSocket frame: invalid UTF-8 sequence',
  },
  { bytes: frame(text(3), 0xc1), error: 'Invalid WebSocket frame: RSV1 must be clear' },
  { bytes: frame(text(3), 0x83), error: 'Invalid WebSocket frame: invalid opcode 3' },
  { bytes: frame(text(3), 0x80), error: 'Invalid WebSocket frame: invalid opcode 0' },
  { bytes: Buffer.from([0x81, 1, 0x61, 0, 0, 0, 0, 0]), error: 'Invalid WebSocket frame: MASK must be set' },
  { bytes: frame(text(maxPayload + 1)), error: 'Max payload size exceeded' },
)

function cut(stream: Buffer, cuts: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  let at = 0
  for (const length of [...cuts, stream.length]) {
    if (at < stream.length) chunks.push(stream.subarray(at, at + Math.max(1, length)))
    at += Math.max(1, length)
  }
  return chunks
}

describe('takeDirectly', () => {
  it('gives the messages ws gives, in the same order, however the stream is cut', async () => {
    const property = fc.asyncProperty(
      fc.array(part, { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 8 }),
      async (parts, cuts) => {
        const chunks = cut(Buffer.concat(parts.flat()), cuts)
        const { direct: _, ...directly } = await heard(chunks, 'directly')
        const { direct: _none, ...byWs } = await heard(chunks, 'by ws')
        expect(directly).toStrictEqual(byWs)
      },
    )
    await fc.assert(property, { numRuns: inject('propertyRuns') / 2 })
  })

  it('leaves what is wrong to ws, and everything behind it (D10)', async () => {
    const property = fc.asyncProperty(
      fc.array(part, { maxLength: 4 }),
      wrong,
      fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 4 }),
      async (parts, { bytes, error }, cuts) => {
        const chunks = cut(Buffer.concat([...parts.flat(), bytes, frame(text(3))]), cuts)
        const { direct: _, ...directly } = await heard(chunks, 'directly')
        const { direct: _none, ...byWs } = await heard(chunks, 'by ws')
        expect(directly).toStrictEqual(byWs)
        expect(directly.error).toBe(error)
      },
    )
    await fc.assert(property, { numRuns: inject('propertyRuns') / 2 })
  })

  it('takes small whole messages, and no others', async () => {
    const small = frame(text(4096), 0x81)
    const chunks = [
      Buffer.concat([small, small, frame(text(4097), 0x81), small]),
      small,
      Buffer.concat([frame(text(1), 0x89), small]),
      frame(text(1), 0x01),
      small.subarray(0, 0),
      frame(text(1), 0x80),
      small,
    ]
    const { direct, messages } = await heard(chunks, 'directly')
    // Two before the large one, one in each chunk that begins with one.
    expect({ direct, all: messages.length }).toStrictEqual({ direct: 4, all: 9 })
  })

  it.each([
    { what: 'compresses', socket: { extensions: 'permessage-deflate', _receiver: new Receiver() } },
    { what: 'has no receiver', socket: { extensions: '' } },
    {
      what: 'keeps its state elsewhere',
      socket: { extensions: '', _receiver: Object.assign(new Receiver(), { _state: 'x' }) },
    },
    {
      what: 'writes in another way',
      socket: { extensions: '', _receiver: Object.assign(new Receiver(), { write: () => true }) },
    },
  ])('leaves everything to a ws that $what', ({ socket }) => {
    expect(takeDirectly(socket as unknown as ws.WebSocket, { ...noTurns, received: () => expect.unreachable() })).toBe(
      false,
    )
  })
})
