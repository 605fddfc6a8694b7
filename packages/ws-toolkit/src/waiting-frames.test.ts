// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { FlushList } from './flush-list.ts'
import { frameOf, replyFrame, sharedFrame, type Frame } from './frame.ts'
import { startGateway } from './gateway.test-support.ts'
import { ChannelConnection } from './channel-connection.ts'
import { SendQueue } from './outbox.ts'
import { WaitingFrames } from './waiting-frames.ts'
import type { Wire } from './wire.ts'

const limits = { sendBufferBytes: 1_000_000, lowWaterBytes: 1000, overflow: 'close' } as const
const owner = { overflowed: () => false, stalled: () => {}, dropped: () => {}, relieved: () => {} }
const tick = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

/** How many bytes each frame that waits keeps alive. */
function keptBytes(queue: SendQueue): number[] {
  return [...queue].map(({ payload }) => payload.buffer.byteLength)
}

/** A queue whose socket has so much and takes no more. */
function queueBehind(bufferedBytes: number): { queue: SendQueue; written: Frame[] } {
  const written: Frame[] = []
  const write = (frames: readonly Frame[]): void => void written.push(...frames)
  const wire = { write, bufferedBytes, partialProgress: 0, whenWritten: () => true }
  return { queue: new SendQueue(wire as unknown as Wire, limits, new FlushList(), owner), written }
}

describe('a frame that waits for a slow client', () => {
  const chunk = Buffer.alloc(65_536, 'x')

  it('keeps its own bytes, not what they were read with (D37)', async () => {
    const { queue } = queueBehind(5000)
    queue.push(replyFrame(chunk.subarray(10, 20)))
    await tick()
    // From here on the queue knows that it has to wait.
    queue.push(frameOf(chunk.subarray(20, 40)))
    queue.push(frameOf(Buffer.concat([chunk])))
    queue.push(frameOf('text'))
    expect(keptBytes(queue).slice(0, 3)).toStrictEqual([10, 20, 65_536])
    expect([...queue].map(({ payload }) => payload.length)).toStrictEqual([10, 20, 65_536, 4])
  })

  it('keeps its own bytes where others before it have left', async () => {
    const { queue, written } = queueBehind(0)
    queue.push(frameOf(chunk.subarray(0, 2000)))
    queue.push(frameOf(chunk.subarray(2000, 2010)))
    await tick()
    expect(written).toHaveLength(1)
    expect(written[0]?.payload.buffer.byteLength).toBe(65_536)
    expect(keptBytes(queue)).toStrictEqual([10])
  })

  it('stays what others share', async () => {
    const { queue } = queueBehind(5000)
    const shared = sharedFrame(chunk.subarray(0, 10))
    queue.push(frameOf(shared))
    await tick()
    expect([...queue][0]?.isShared).toBe(true)
  })

  it('of a client that drips holds as much as it is long, whatever came with the request (D37)', async () => {
    const { gateway, connect } = await startGateway((each) =>
      each
        .channel('/', { lowWaterBytes: 1000, messagesPerSecond: Infinity, bytesPerSecond: Infinity })
        .route('binary', ({ data }) => data)
        .route('text', () => 'y'.repeat(30_000)),
    )
    const client = await connect()
    client.ws.pause()
    const connection = (): ChannelConnection<unknown> | undefined =>
      [...gateway.registry].find((each) => each instanceof ChannelConnection)
    // What kernels hold for a client that reads nothing.
    while ((connection()?.bufferedBytes ?? 0) < 100_000 && client.ws.readyState === client.ws.OPEN) {
      for (let each = 0; each < 10; each += 1) client.ws.send('fill')
      await new Promise<void>((resolve) => client.ws.ping('', true, () => setImmediate(resolve)))
    }
    client.ws.send(Buffer.from('tiny'))
    const waiting = (): Frame[] => [...(connection()?.outbox ?? [])]
    while (!waiting().some(({ length }) => length === 4)) await tick()
    const tiny = waiting().find(({ length }) => length === 4)
    expect(tiny?.payload.buffer.byteLength).toBe(4)
  })
})

const overheadBytes = 128

/** What `WaitingFrames` promises, in its plainest form. */
class PlainList {
  frames: Frame[] = []

  take(bytes: number): Frame[] {
    let left = bytes
    const count = this.frames.findIndex(({ size }) => left <= 0 || (left -= size) === Number.NEGATIVE_INFINITY)
    return this.frames.splice(0, count < 0 ? this.frames.length : count)
  }

  /** Drops of those in this order until more than so much is free. */
  drop(order: readonly Frame[], excess: number): Frame[] {
    const dropped: Frame[] = []
    let left = excess
    for (const frame of order.filter(({ isReply }) => !isReply)) {
      if (left < 0) break
      left -= frame.size + overheadBytes
      dropped.push(frame)
    }
    return left < 0 ? this.without(dropped) : []
  }

  /** Drops each push that has a newer one of its key behind it, and the newest of `key`. */
  supersede(key: string): Frame[] {
    const pushes = this.frames.filter((frame) => frame.key !== undefined && !frame.isReply)
    return this.without(
      pushes.filter((frame, at) => frame.key === key || pushes.slice(at + 1).some((newer) => newer.key === frame.key)),
    )
  }

  without(dropped: Frame[]): Frame[] {
    this.frames = this.frames.filter((frame) => !dropped.includes(frame))
    return dropped
  }
}

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant('push' as const),
      bytes: fc.nat(200),
      isReply: fc.boolean(),
      key: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
    }),
  },
  fc.record({ op: fc.constantFrom('take', 'oldest', 'newest'), bytes: fc.nat(1000) }),
  fc.record({ op: fc.constant('supersede' as const), key: fc.constantFrom('a', 'b', 'c') }),
  fc.record({ op: fc.constant('retain' as const), longest: fc.nat(200) }),
)

function playBoth(
  each: typeof step extends fc.Arbitrary<infer Step> ? Step : never,
  real: WaitingFrames,
  plain: PlainList,
): [Frame[], Frame[]] {
  switch (each.op) {
    case 'push': {
      const frame = frameOf('x'.repeat(each.bytes), false, each)
      real.push(frame)
      plain.frames.push(frame)
      return [[], []]
    }
    case 'take':
      return [real.take(each.bytes), plain.take(each.bytes)]
    case 'oldest':
      return [real.dropOldest(each.bytes), plain.drop(plain.frames, each.bytes)]
    case 'newest':
      return [real.dropNewest(each.bytes), plain.drop(plain.frames.toReversed(), each.bytes)]
    case 'supersede':
      return [real.supersede(each.key), plain.supersede(each.key)]
    default: {
      const keep = ({ length }: Frame): boolean => length <= each.longest
      return [real.retain(keep), plain.without(plain.frames.filter((frame) => !keep(frame)))]
    }
  }
}
