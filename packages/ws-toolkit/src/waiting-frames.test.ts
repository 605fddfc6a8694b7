// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { FlushList } from './flush-list.ts'
import { frameOf, replyFrame, sharedFrame, type Frame } from './frame.ts'
import { startGateway } from './gateway.test-support.ts'
import { ChannelConnection } from './channel-connection.ts'
import { SendQueue } from './outbox.ts'
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

// D37
describe('a frame that waits for a slow client', () => {
  const chunk = Buffer.alloc(65_536, 'x')

  it('keeps its own bytes, not what they were read with', async () => {
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

  it('of a client that drips holds as much as it is long, whatever came with the request', async () => {
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
