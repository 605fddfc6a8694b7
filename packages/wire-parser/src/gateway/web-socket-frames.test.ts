// SPDX-License-Identifier: Apache-2.0
import { array, assert, constant, constantFrom, nat, oneof, property, record } from 'fast-check'
import type { Writable } from 'node:stream'
import * as webSocket from 'ws'
import { describe, expect, inject, it } from 'vitest'
import { FrameTaker, frameHead } from './web-socket-frames.ts'

// It is there, though not in the types.
const Receiver = Reflect.get(webSocket, 'Receiver') as new (options?: object) => Writable

interface FrameSpec {
  readonly opcode: number
  readonly payload: Buffer
  readonly mask?: number
  readonly fin?: boolean
}

/** A frame as a client sends it. */
function frame({ opcode, payload, mask = 0x12ab34cd, fin = true }: FrameSpec): Buffer {
  const head = frameHead(payload.length, false)
  head[0] = (fin ? 0x80 : 0) | opcode
  head[1] = (head[1] ?? 0) | 0x80
  const key = Buffer.alloc(4)
  key.writeUInt32LE(mask >>> 0)
  return Buffer.concat([head, key, payload.map((byte, at) => byte ^ (key[at & 3] ?? 0))])
}

interface Seen {
  bytes: Buffer
  /** How often bytes were handed out by the taker, and by `ws`. */
  taken: number
  given: number
  flushes: number
  pings: string[]
  error: Error | undefined
}

function taker(maxPayload = 0): { push: (chunk: Buffer) => void; seen: Seen } {
  const receiver = new Receiver({ isServer: true, maxPayload })
  const seen: Seen = { bytes: Buffer.alloc(0), taken: 0, given: 0, flushes: 0, pings: [], error: undefined }
  const add = (bytes: Uint8Array): void => {
    seen.bytes = Buffer.concat([seen.bytes, bytes])
  }
  receiver.on('message', (data: Buffer) => {
    seen.given++
    add(data)
  })
  receiver.on('ping', (data: Buffer) => seen.pings.push(data.toString()))
  receiver.on('error', (error: Error) => (seen.error = error))
  const data = (bytes: Uint8Array): void => {
    seen.taken++
    add(bytes)
  }
  const flush = (): number => seen.flushes++
  const taking = FrameTaker.takeFrom({ extensions: '', _receiver: receiver }, { data, flush })
  const push = (chunk: Buffer): void => {
    receiver.write(chunk)
    // What ws has not got is read into again.
    if (taking?.gaveBytes === false) chunk.fill(0xee)
  }
  expect(taking).toBeDefined()
  return { push, seen }
}

function pushIn(push: (chunk: Buffer) => void, stream: Buffer, cuts: readonly number[]): void {
  let at = 0
  for (const cut of [...cuts].toSorted((a, b) => a - b)) {
    const end = Math.min(cut, stream.length)
    // The taker writes into what it gets.
    if (end > at) push(Buffer.from(stream.subarray(at, end)))
    at = Math.max(at, end)
  }
  if (at < stream.length) push(Buffer.from(stream.subarray(at)))
}

const bytesOf = (length: number): Buffer => Buffer.from(Array.from({ length }, (_value, at) => (at * 7) & 0xff))

describe('FrameTaker', () => {
  it('joins the frames of a read, with one flush', () => {
    const { push, seen } = taker()
    push(
      Buffer.concat(['a', '', 'bc', 'd'.repeat(200)].map((text) => frame({ opcode: 2, payload: Buffer.from(text) }))),
    )
    expect(seen).toMatchObject({ taken: 1, given: 0, flushes: 1 })
    expect(seen.bytes.toString()).toBe(`abc${'d'.repeat(200)}`)
  })

  it.each([0, 1, 63, 64, 65, 125, 126, 127, 1000, 65_535, 65_536, 70_001])(
    'takes %i bytes, cut at every place of the head and around the ends',
    (length) => {
      const payload = bytesOf(length)
      const after = Buffer.from('xyz')
      const first = frame({ opcode: 2, payload })
      const stream = Buffer.concat([first, frame({ opcode: 2, payload: after, mask: 0 })])
      const cuts = [...Array(20).keys(), first.length >> 1, first.length - 1, first.length, stream.length - 1]
      for (const cut of cuts) {
        const { push, seen } = taker()
        pushIn(push, stream, [cut])
        expect(seen.bytes.equals(Buffer.concat([payload, after]))).toBe(true)
        expect(seen.given).toBe(0)
      }
    },
  )

  it('hands on what has come of a frame that is not whole', () => {
    const { push, seen } = taker()
    push(frame({ opcode: 2, payload: bytesOf(1000) }).subarray(0, 100))
    expect(seen.bytes.equals(bytesOf(1000).subarray(0, 92))).toBe(true)
  })

  it('leaves control frames to ws and goes on behind them', () => {
    const { push, seen } = taker()
    const data = (text: string): Buffer => frame({ opcode: 2, payload: Buffer.from(text) })
    push(Buffer.concat([data('a'), frame({ opcode: 9, payload: Buffer.from('hello') }), data('b'), data('c')]))
    expect(seen).toMatchObject({ taken: 1, given: 0, pings: ['hello'] })
    expect(seen.bytes.toString()).toBe('abc')
  })

  it('leaves what was in a PING alone, for a PONG that has to wait', () => {
    const receiver = new Receiver({ isServer: true })
    const pings: Buffer[] = []
    receiver.on('ping', (data: Buffer) => pings.push(data))
    const sink = { data: () => undefined, flush: () => undefined }
    expect(FrameTaker.takeFrom({ extensions: '', _receiver: receiver }, sink)).toBeDefined()
    const ping = frame({ opcode: 9, payload: Buffer.from('hello') })
    receiver.write(
      Buffer.concat([frame({ opcode: 2, payload: bytesOf(1) }), ping, frame({ opcode: 2, payload: bytesOf(200) })]),
    )
    expect(pings.map(String)).toEqual(['hello'])
  })

  it('says whether ws has got something of a chunk', () => {
    const receiver = new Receiver({ isServer: true })
    const sink = { data: () => undefined, flush: () => undefined }
    const taking = FrameTaker.takeFrom({ extensions: '', _receiver: receiver }, sink)
    const gives = (...frames: readonly FrameSpec[]): boolean | undefined => {
      receiver.write(Buffer.concat(frames.map(frame)))
      return taking?.gaveBytes
    }
    const payload = bytesOf(70)
    expect(gives({ opcode: 2, payload })).toBe(false)
    // A copy of it.
    expect(gives({ opcode: 9, payload }, { opcode: 2, payload })).toBe(false)
    expect(gives({ opcode: 2, payload }, { opcode: 1, payload: Buffer.from('text') })).toBe(true)
    expect(gives({ opcode: 2, payload })).toBe(false)
  })

  it('leaves text and fragments to ws, in their place, and takes over again behind them', () => {
    const { push, seen } = taker()
    push(frame({ opcode: 2, payload: Buffer.from('a') }))
    push(frame({ opcode: 1, payload: Buffer.from('b') }))
    push(frame({ opcode: 2, payload: Buffer.from('c'), fin: false }))
    push(frame({ opcode: 0, payload: Buffer.from('d') }))
    push(frame({ opcode: 2, payload: Buffer.from('e') }))
    expect(seen).toMatchObject({ taken: 2, given: 2 })
    expect(seen.bytes.toString()).toBe('abcde')
  })

  it.each([
    { what: 'a frame without a mask', bytes: Buffer.from([0x82, 1, 65]), code: 'WS_ERR_EXPECTED_MASK' },
    { what: 'a reserved bit', bytes: Buffer.from([0xc2, 0x81, 0, 0, 0, 0, 65]), code: 'WS_ERR_UNEXPECTED_RSV_1' },
    { what: 'an unknown opcode', bytes: Buffer.from([0x83, 0x80, 0, 0, 0, 0]), code: 'WS_ERR_INVALID_OPCODE' },
    {
      what: 'a frame above the bound',
      bytes: frame({ opcode: 2, payload: bytesOf(101) }),
      code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
    },
    {
      what: 'a length above 2^63',
      bytes: Buffer.from([0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]),
      code: 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH',
    },
  ])('leaves $what to ws, which refuses it, in any chunks', async ({ bytes, code }) => {
    const whole = frame({ opcode: 2, payload: Buffer.from('a') })
    for (let size = 1; size <= bytes.length + whole.length; size++) {
      const { push, seen } = taker(100)
      const stream = Buffer.concat([whole, bytes])
      pushIn(
        push,
        stream,
        Array.from({ length: Math.ceil(stream.length / size) }, (_value, at) => at * size),
      )
      // ws says it in the next turn.
      await new Promise((resolve) => setImmediate(resolve))
      expect(seen.bytes.toString()).toBe('a')
      expect(seen.error).toMatchObject({ code })
    }
  })

  it('hands out the same bytes as are in the messages, whatever they are and however they are cut', () => {
    const spec = record({
      kind: constantFrom('binary', 'binary', 'binary', 'text', 'ping', 'fragments'),
      length: oneof(nat(130), nat(3000)),
      mask: oneof(constant(0), nat(0xffff_ffff)),
    })
    assert(
      property(array(spec, { maxLength: 12 }), array(nat(12_000), { maxLength: 20 }), (specs, cuts) => {
        const { push, seen } = taker()
        const parts = specs.map(({ kind, length, mask }) => {
          const payload = kind === 'binary' || kind === 'fragments' ? bytesOf(length) : Buffer.alloc(length % 126, 97)
          const half = length >> 1
          const frames =
            kind === 'fragments'
              ? [
                  frame({ opcode: 2, payload: payload.subarray(0, half), mask, fin: false }),
                  frame({ opcode: 0, payload: payload.subarray(half), mask }),
                ]
              : [frame({ opcode: kind === 'ping' ? 9 : kind === 'text' ? 1 : 2, payload, mask })]
          return { bytes: kind === 'ping' ? Buffer.alloc(0) : payload, frames }
        })
        pushIn(push, Buffer.concat(parts.flatMap(({ frames }) => frames)), cuts)
        expect(seen.error).toBeUndefined()
        expect(seen.bytes.equals(Buffer.concat(parts.map(({ bytes }) => bytes)))).toBe(true)
        expect(seen.pings.length).toBe(specs.filter(({ kind }) => kind === 'ping').length)
      }),
      { numRuns: inject('propertyRuns') },
    )
  })

  it.each([
    { what: 'a socket that compresses', ws: { extensions: 'permessage-deflate', _receiver: new Receiver() } },
    { what: 'a receiver of another kind', ws: { extensions: '', _receiver: {} } },
    { what: 'no receiver', ws: { extensions: '' } },
  ])('leaves everything to $what', ({ ws }) => {
    expect(FrameTaker.takeFrom(ws, { data: () => {}, flush: () => undefined })).toBeUndefined()
  })
})

describe('frameHead', () => {
  it.each([
    { length: 0, head: [0x82, 0] },
    { length: 125, head: [0x82, 125] },
    { length: 126, head: [0x82, 126, 0, 126] },
    { length: 65_535, head: [0x82, 126, 0xff, 0xff] },
    { length: 65_536, head: [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0] },
  ])('says a length of $length as RFC 6455 does', ({ length, head }) => {
    expect([...frameHead(length, false)]).toEqual(head)
    expect(frameHead(length, true)[0]).toBe(0x81)
  })
})
