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
const owner = { backlog: { overflowed: () => false, stalled: () => {}, dropped: () => {}, relieved: () => {} } }
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

/** What `WaitingFrames` does, in its plainest form. */
class PlainList {
  frames: readonly Frame[] = []

  take(bytes: number): Frame[] {
    let left = bytes
    const end = this.frames.findIndex(({ size }) => {
      left -= size
      return left + size <= 0
    })
    return this.#without(this.frames.slice(0, end < 0 ? undefined : end))
  }

  /** Drops pushes in this order until more than `excess` is free. */
  drop(order: readonly Frame[], excess: number): Frame[] {
    let free = 0
    const chosen = order.filter(({ isReply, size }) => {
      if (isReply || free > excess) return false
      free += size + overheadBytes
      return true
    })
    return free > excess ? this.#without(chosen) : []
  }

  /** Drops each push with a newer one of its key, and the newest of `key`. */
  supersede(key: string): Frame[] {
    const pushes = this.frames.filter((frame) => frame.key !== undefined && !frame.isReply)
    const isOld = (frame: Frame, at: number): boolean => pushes.slice(at + 1).some((newer) => newer.key === frame.key)
    return this.#without(pushes.filter((frame, at) => frame.key === key || isOld(frame, at)))
  }

  retain(keep: (frame: Frame) => boolean): Frame[] {
    return this.#without(this.frames.filter((frame) => !keep(frame)))
  }

  #without(gone: readonly Frame[]): Frame[] {
    this.frames = this.frames.filter((frame) => !gone.includes(frame))
    return [...gone]
  }
}

const message = fc.record({
  bytes: fc.nat(200),
  isReply: fc.boolean(),
  key: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
})
const step = fc.oneof(
  { weight: 8, arbitrary: message },
  fc.record({ take: fc.nat(1000) }),
  fc.record({ dropOldest: fc.nat(1000) }),
  fc.record({ dropNewest: fc.nat(1000) }),
  fc.record({ retainBelow: fc.nat(300) }),
)

type ValueOf<Source> = Source extends fc.Arbitrary<infer Value> ? Value : never

const madeOf = ({ bytes, ...traits }: ValueOf<typeof message>): Frame => frameOf('x'.repeat(bytes), false, traits)

/** What either says is gone. */
function play(each: ValueOf<typeof step>, real: WaitingFrames, plain: PlainList): [Frame[], Frame[]] {
  if ('take' in each) return [real.take(each.take), plain.take(each.take)]
  if ('dropOldest' in each) return [real.dropOldest(each.dropOldest), plain.drop(plain.frames, each.dropOldest)]
  if ('dropNewest' in each) {
    return [real.dropNewest(each.dropNewest), plain.drop(plain.frames.toReversed(), each.dropNewest)]
  }
  if ('retainBelow' in each) {
    const keep = ({ length }: Frame): boolean => length < each.retainBelow
    return [real.retain(keep), plain.retain(keep)]
  }
  const frame = madeOf(each)
  const { key } = frame
  const gone: [Frame[], Frame[]] = key === undefined ? [[], []] : [real.supersede(key), plain.supersede(key)]
  real.push(frame)
  plain.frames = [...plain.frames, frame]
  return gone
}

describe('frames that wait', () => {
  it(
    'are those of a plain list, whatever is taken, dropped and replaced',
    () => {
      fc.assert(
        fc.property(fc.array(message, { maxLength: 20 }), fc.array(step, { maxLength: 200 }), (first, steps) => {
          const plain = new PlainList()
          plain.frames = first.map(madeOf)
          const real = new WaitingFrames(plain.frames)
          for (const each of steps) {
            const [gone, expected] = play(each, real, plain)
            expect(new Set(gone)).toEqual(new Set(expected))
            expect([...real]).toEqual(plain.frames)
            const bytes = plain.frames.reduce((sum, { size }) => sum + size, 0)
            const { count } = real
            expect([count, real.bytes, real.weight]).toEqual([
              plain.frames.length,
              bytes,
              bytes + count * overheadBytes,
            ])
          }
        }),
        { numRuns: Math.min(inject('propertyRuns'), 10_000) },
      )
    },
    60_000 + inject('propertyRuns'),
  )

  it.each([
    ['drop-oldest', (frames: WaitingFrames) => frames.dropOldest(0)],
    ['drop-newest', (frames: WaitingFrames) => frames.dropNewest(0)],
    ['coalesce', (frames: WaitingFrames, key: string) => frames.supersede(key)],
  ])('cost the next one no look at all of them with %s', (_policy, drop) => {
    let looks = 0
    const count = 5000
    const frameAt = (number: number): Frame =>
      Object.defineProperty(frameOf('tiny', false, { key: String(number % count) }), 'isReply', {
        get: () => {
          looks += 1
          return false
        },
      })
    const frames = new WaitingFrames(Array.from({ length: count }, (_, number) => frameAt(number)))
    const rounds = 2 * count
    for (let number = count; number < count + rounds; number += 1) {
      expect(drop(frames, String(number % count))).toHaveLength(1)
      frames.push(frameAt(number))
    }
    expect(frames.count).toBe(count)
    expect(looks).toBeLessThan(10 * rounds)
  })
})

describe('a client that takes nothing', () => {
  it('makes a message count for more than its bytes, however small they are', async () => {
    const { queue } = queueBehind(5000)
    let sent = 0
    while (queue.push(frameOf('1'))) {
      sent += 1
      if (sent % 1000 === 0) await tick()
    }
    expect(sent).toBeGreaterThan(limits.sendBufferBytes / (2 * overheadBytes))
    expect(sent).toBeLessThan(limits.sendBufferBytes / overheadBytes)
  })
})
