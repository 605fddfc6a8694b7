// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { Flow, type FlowOwner } from './flow.ts'
import { Outlet } from './outlet.ts'
import { text } from './rig.test-support.ts'
import type { Transport } from './transport.ts'

/** A side of a connection: what was written to it waits until `queuedBytes` says otherwise. */
class Side implements Transport {
  queuedBytes = 0
  progress = 0
  bytesRead = 0
  bytesWritten = 0
  isPaused = false
  text = ''

  start(): void {}
  end(): void {}
  destroy(): void {}

  write(bytes: Uint8Array, sent?: () => void): void {
    this.text += text(bytes)
    this.queuedBytes += bytes.length
    sent?.()
  }

  writeAll(pieces: readonly Uint8Array[]): void {
    for (const piece of pieces) this.write(piece)
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }
}

interface Rig {
  readonly flow: Flow
  readonly source: Side
  readonly target: Side
  read(content: string): void
}

function opened(readAheadBytes: number): Rig {
  const [source, target] = [new Side(), new Side()]
  const owner: FlowOwner = {
    operation: (view, start, end) => flow.forward(view, start, end, undefined),
    error: () => undefined,
    forwarding: () => true,
    failed: () => undefined,
  }
  const limits = { highWaterBytes: 100, maxPendingHooks: 1 }
  const outlet = new Outlet(target)
  const flow: Flow = new Flow({ source, outlet, owner, parser: { side: 'client' }, limits, readAheadBytes })
  const read = (content: string): void => {
    flow.push(Buffer.from(content, 'latin1'))
    flow.flush()
  }
  return { flow, source, target, read }
}

const publish = (bytes: number, letter = 'x'): string => `PUB a ${bytes}\r\n${letter.repeat(bytes)}\r\n`

describe('a flow', () => {
  // What a hook was given may be looked at for as long as the hook likes, and nobody waits for it any more.
  it('that is closed gives no read buffer back', () => {
    const { flow } = opened(0)
    expect(flow.keepsBytes).toBe(false)
    flow.close()
    expect(flow.keepsBytes).toBe(true)
  })

  it('reads nothing more while the other side takes nothing', () => {
    const { flow, source, target, read } = opened(0)
    read(publish(200))
    expect(source.isPaused).toBe(true)
    target.queuedBytes = 0
    flow.drained()
    expect(source.isPaused).toBe(false)
  })

  it('may read ahead a little, which goes on in order once there is room', () => {
    const { flow, source, target, read } = opened(1000)
    const all = [publish(200), 'PING\r\n', publish(300, 'y'), 'PONG\r\nPUB b 3\r\nab', 'c\r\n', publish(700, 'z')]
    for (const each of all.slice(0, -1)) read(each)
    expect([source.isPaused, target.text]).toEqual([false, all[0]])
    read(all.at(-1) ?? '')
    expect([source.isPaused, target.text]).toEqual([true, all[0]])
    target.queuedBytes = 0
    flow.drained()
    expect(target.text).toBe(all.join(''))
    // What was read ahead is more than the other side has room for.
    expect(source.isPaused).toBe(false)
    read(publish(1000))
    expect(source.isPaused).toBe(true)
  })

  it('hands on what it has read ahead when its source has ended, even where there is no room', () => {
    const { flow, target, read } = opened(1000)
    const all = [publish(200), 'PING\r\n', publish(5000)]
    for (const each of all) read(each)
    expect(target.text).toBe(all[0])
    flow.ended()
    flow.flush()
    expect(target.text).toBe(all.join(''))
  })

  it('hands on nothing of that once it is closed', () => {
    const { flow, target, read } = opened(1000)
    for (const each of [publish(200), 'PING\r\n']) read(each)
    flow.close()
    flow.ended()
    flow.drained()
    expect(target.text).toBe(publish(200))
  })
})
