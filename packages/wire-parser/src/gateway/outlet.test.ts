// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { Outlet } from './outlet.ts'
import type { Transport } from './transport.ts'
import { text } from './rig.test-support.ts'

type Sent = (error?: Error | null) => void

/** A transport that keeps what is written to it, and has so much of it still to send. */
class Kept implements Transport {
  readonly written: Uint8Array[] = []
  readonly told: Sent[] = []
  queuedBytes: number
  readonly progress = 0
  readonly bytesRead = 0
  readonly bytesWritten = 0

  constructor(queuedBytes: number) {
    this.queuedBytes = queuedBytes
  }

  start(): void {}
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}

  write(bytes: Uint8Array, sent?: Sent): void {
    this.written.push(bytes)
    if (sent !== undefined) this.told.push(sent)
  }

  writeAll(pieces: readonly Uint8Array[]): void {
    this.written.push(...pieces)
  }

  get texts(): string[] {
    return this.written.map(text)
  }
}

function read(content: string, bufferBytes = Math.max(4096, content.length)): Buffer {
  const buffer = Buffer.allocUnsafeSlow(bufferBytes)
  return buffer.subarray(0, buffer.write(content, 'latin1'))
}

function opened(queuedBytes: number): { transport: Kept; outlet: Outlet; say: (...pieces: string[]) => void } {
  const transport = new Kept(queuedBytes)
  const outlet = new Outlet(transport)
  const say = (...pieces: string[]): void => {
    for (const piece of pieces) outlet.add(read(piece))
    outlet.flush()
  }
  return { transport, outlet, say }
}

describe('an outlet', () => {
  it('hands on what was read where it can go at once', () => {
    const { transport, outlet } = opened(0)
    const chunk = read('MSG a 1 2\r\nhi\r\n')
    outlet.add(chunk)
    outlet.flush()
    expect(transport.written[0]).toBe(chunk)
  })

  it('keeps no read buffer for little that has to wait', () => {
    const { transport, outlet } = opened(1)
    const chunk = read('MSG a 1 2\r\nhi\r\n')
    outlet.add(chunk)
    outlet.flush()
    chunk.fill(0)
    expect(transport.texts).toEqual(['MSG a 1 2\r\nhi\r\n'])
    expect(outlet.keepsBytes).toBe(false)
  })

  it('does not copy what is large and fills most of its buffer', () => {
    const { transport, outlet } = opened(1)
    const chunk = read('x'.repeat(5000), 8192)
    outlet.add(chunk)
    outlet.flush()
    expect(transport.written[0]).toBe(chunk)
    expect(outlet.keepsBytes).toBe(true)
    transport.queuedBytes = 0
    expect(outlet.keepsBytes).toBe(false)
  })

  it('writes small pieces as one, and large ones as they are', () => {
    const { transport, outlet, say } = opened(0)
    say('a', 'b', 'c')
    const large = [read('x'.repeat(30_000), 65_536), read('y')]
    for (const piece of large) outlet.add(piece)
    outlet.flush()
    expect(transport.texts).toEqual(['abc', 'x'.repeat(30_000), 'y'])
    expect(transport.written[1]).toBe(large[0])
  })

  it('gathers small pieces while others wait, until the transport has sent all it has', () => {
    const { transport, outlet, say } = opened(1)
    for (const piece of ['one,', 'two,', 'three,']) say(piece)
    expect(transport.texts).toEqual(['one,'])
    expect(outlet.queuedBytes).toBe(1 + 'two,three,'.length)
    transport.told[0]?.(null)
    expect(transport.texts).toEqual(['one,', 'two,three,'])
    say('four')
    transport.told[1]?.()
    transport.told[2]?.()
    transport.queuedBytes = 0
    say('five')
    expect(transport.texts).toEqual(['one,', 'two,three,', 'four', 'five'])
  })

  it('writes what it has gathered once that fills its block, and before what is large', () => {
    const { transport, outlet, say } = opened(1)
    say('first,')
    const many = Array.from({ length: 1000 }, (_, at) => `${at},`)
    for (const piece of many) say(piece)
    const gathered = transport.written.length
    expect(gathered).toBeGreaterThan(1)
    expect(gathered).toBeLessThan(6)
    const large = 'x'.repeat(20_000)
    say(large, 'last')
    transport.told[0]?.()
    expect(transport.texts.join('') === `first,${many.join('')}${large}last`).toBe(true)
    expect(transport.told).toHaveLength(2)
    expect(outlet.queuedBytes).toBe(1)
  })

  it('keeps its order where the transport is free before it says so', () => {
    const { transport, say } = opened(1)
    for (const piece of ['one,', 'two,']) say(piece)
    transport.queuedBytes = 0
    say('three')
    transport.told[0]?.()
    expect(transport.texts).toEqual(['one,', 'two,three'])
  })

  it('writes what it has gathered before it ends, and nothing for a transport that has failed', () => {
    const ended = opened(1)
    for (const piece of ['one,', 'two']) ended.say(piece)
    ended.outlet.end()
    ended.say('never')
    ended.transport.told[0]?.()
    expect(ended.transport.texts).toEqual(['one,', 'two'])
    const failed = opened(1)
    for (const piece of ['one,', 'two']) failed.say(piece)
    failed.transport.told[0]?.(new Error('reset'))
    expect(failed.transport.texts).toEqual(['one,'])
  })
})
