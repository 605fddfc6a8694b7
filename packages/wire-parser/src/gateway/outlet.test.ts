// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { Outlet } from './outlet.ts'
import type { Transport } from './transport.ts'
import { text } from './rig.test-support.ts'

/** A transport that keeps what is written to it, and has so much of it still to send. */
class Kept implements Transport {
  readonly written: Uint8Array[] = []
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

  write(bytes: Uint8Array): void {
    this.written.push(bytes)
  }

  writeAll(pieces: readonly Uint8Array[]): void {
    this.written.push(...pieces)
  }
}

function read(content: string, bufferBytes = 4096): Buffer {
  const buffer = Buffer.allocUnsafeSlow(bufferBytes)
  return buffer.subarray(0, buffer.write(content, 'latin1'))
}

describe('an outlet', () => {
  it('hands on what was read where it can go at once', () => {
    const transport = new Kept(0)
    const outlet = new Outlet(transport)
    const chunk = read('MSG a 1 2\r\nhi\r\n')
    outlet.add(chunk)
    outlet.flush()
    expect(transport.written[0]).toBe(chunk)
  })

  it('keeps no read buffer for little that has to wait', () => {
    const transport = new Kept(1)
    const outlet = new Outlet(transport)
    const chunk = read('MSG a 1 2\r\nhi\r\n')
    outlet.add(chunk)
    outlet.flush()
    chunk.fill(0)
    expect(transport.written.map(text)).toEqual(['MSG a 1 2\r\nhi\r\n'])
    expect(transport.written[0]?.buffer).not.toBe(chunk.buffer)
  })

  it('does not copy what fills most of its buffer', () => {
    const transport = new Kept(1)
    const outlet = new Outlet(transport)
    const chunk = read('x'.repeat(3000))
    outlet.add(chunk)
    outlet.flush()
    expect(transport.written[0]).toBe(chunk)
  })

  it('writes small pieces as one, and large ones as they are', () => {
    const transport = new Kept(0)
    const outlet = new Outlet(transport)
    for (const piece of ['a', 'b', 'c']) outlet.add(read(piece))
    outlet.flush()
    const large = [read('x'.repeat(30_000), 65_536), read('y')]
    for (const piece of large) outlet.add(piece)
    outlet.flush()
    expect(transport.written.map(text)).toEqual(['abc', 'x'.repeat(30_000), 'y'])
    expect(transport.written[1]).toBe(large[0])
  })
})
