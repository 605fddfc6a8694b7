// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, vi } from 'vitest'
import { FlushList } from './flush-list.ts'
import { frameOf, replyFrame, type Frame } from './frame.ts'
import { codeOf, startGateway, type TestClient } from './gateway.test-support.ts'
import { SendQueue } from './outbox.ts'
import type { Wire } from './wire.ts'

const limits = { sendBufferBytes: 1_000_000, lowWaterBytes: 500_000, overflow: 'close' } as const
const owner = { backlog: { overflowed: () => false, stalled: () => {}, dropped: () => {}, relieved: () => {} } }
const tick = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
const textOf = (frame: Frame): string => Buffer.from(frame.payload).toString()

interface Rig {
  readonly queue: SendQueue
  /** Each write as the texts of its frames. */
  readonly writes: string[]
}

/** A queue whose socket takes everything at once and remembers it. */
function queueOn(flushList: FlushList): Rig {
  const writes: string[] = []
  const write = (frames: readonly Frame[]): void => void writes.push(frames.map(textOf).join())
  return { queue: new SendQueue({ write, bufferedBytes: 0 } as unknown as Wire, limits, flushList, owner), writes }
}

/** A chunk with one request. */
function answer({ queue }: Rig, text: string): void {
  queue.beginTurn()
  queue.push(replyFrame(text))
  queue.endTurn(false)
}

describe('a reply to what a client has just sent', () => {
  it('leaves when the chunk was taken, not when the tick ends', async () => {
    const rig = queueOn(new FlushList())
    answer(rig, 'a')
    expect(rig.writes).toStrictEqual(['a'])
    answer(rig, 'b')
    expect(rig.writes).toStrictEqual(['a', 'b'])
    await tick()
    expect(rig.writes).toStrictEqual(['a', 'b'])
  })

  it('waits for the end of the tick where others leave with it', async () => {
    const rig = queueOn(new FlushList())
    rig.queue.beginTurn()
    rig.queue.push(replyFrame('a'))
    rig.queue.push(replyFrame('b'))
    rig.queue.endTurn(false)
    expect(rig.writes).toStrictEqual([])
    await tick()
    expect(rig.writes).toStrictEqual(['a,b'])
  })

  it('waits for the end of the tick behind what waits for it, and takes nothing past it', async () => {
    const rig = queueOn(new FlushList())
    rig.queue.push(frameOf('push'))
    answer(rig, 'reply')
    rig.queue.push(frameOf('last'))
    expect(rig.writes).toStrictEqual([])
    await tick()
    expect(rig.writes).toStrictEqual(['push,reply,last'])
  })

  it('leaves before what is pushed after it', async () => {
    const rig = queueOn(new FlushList())
    answer(rig, 'reply')
    rig.queue.push(frameOf('push'))
    answer(rig, 'later')
    expect(rig.writes).toStrictEqual(['reply'])
    await tick()
    expect(rig.writes).toStrictEqual(['reply', 'push,later'])
  })

  it('is not hurried by a turn without one: pushes stay together', async () => {
    const rig = queueOn(new FlushList())
    rig.queue.beginTurn()
    rig.queue.push(frameOf('a'))
    rig.queue.endTurn(false)
    rig.queue.push(frameOf('b'))
    rig.queue.push(replyFrame('c'))
    expect(rig.writes).toStrictEqual([])
    await tick()
    expect(rig.writes).toStrictEqual(['a,b,c'])
  })

  it('waits for others where the channel says so', async () => {
    const list = new FlushList(60_000)
    const rig = queueOn(list)
    answer(rig, 'a')
    await tick()
    expect(rig.writes).toStrictEqual([])
    list.close()
    expect(rig.writes).toStrictEqual(['a'])
  })

  it('waits where many are answered in one tick, and in the tick after it', async () => {
    const list = new FlushList()
    const rigs = Array.from({ length: 6 }, () => queueOn(list))
    const written = (): string[] => rigs.map(({ writes }) => writes.join(' '))
    for (const rig of rigs) answer(rig, '1')
    expect(written()).toStrictEqual(['1', '1', '1', '1', '', ''])
    await tick()
    expect(written()).toStrictEqual(['1', '1', '1', '1', '1', '1'])
    const [first] = rigs
    if (first === undefined) throw new TypeError('there are six')
    answer(first, '2')
    expect(first.writes).toStrictEqual(['1'])
    await tick()
    expect(first.writes).toStrictEqual(['1', '2'])
    answer(first, '3')
    expect(first.writes).toStrictEqual(['1', '2', '3'])
  })

  it('leaves with what promises answer in the same turn, once all of them have run', async () => {
    const rig = queueOn(new FlushList())
    rig.queue.beginTurn()
    void Promise.resolve()
      .then(() => {})
      .then(() => {})
      .then(() => rig.queue.push(replyFrame('a')))
    rig.queue.endTurn(true)
    expect(rig.writes).toStrictEqual([])
    const seen = new Promise<string[]>((resolve) => void setImmediate(() => resolve([...rig.writes])))
    expect(await seen).toStrictEqual(['a'])
  })

  it('may be sent from within a flush', async () => {
    const list = new FlushList()
    const rig = queueOn(list)
    const small = { ...limits, sendBufferBytes: 4 }
    const writes: string[] = []
    const queue: SendQueue = new SendQueue(
      {
        write: (frames: readonly Frame[]) => writes.push(frames.map(textOf).join()),
        bufferedBytes: 0,
      } as unknown as Wire,
      small,
      list,
      owner,
    )
    queue.beginTurn()
    queue.push(replyFrame('full'))
    queue.whenRoom(() => {
      queue.push(replyFrame('next'))
      answer(rig, 'other')
    })
    queue.endTurn(false)
    expect([writes, rig.writes]).toStrictEqual([['full'], ['other']])
    await tick()
    expect(writes).toStrictEqual(['full', 'next'])
  })

  it('is dropped, and nothing is written, once the connection has failed in its turn', async () => {
    const rig = queueOn(new FlushList())
    const settled: unknown[] = []
    rig.queue.beginTurn()
    rig.queue.push(frameOf('a', false, { isReply: true, settle: (error) => settled.push(error) }))
    rig.queue.fail()
    rig.queue.endTurn(true)
    await tick()
    expect(rig.writes).toStrictEqual([])
    expect(settled).toMatchObject([{ code: 'closed' }])
  })
})

/** Sends and waits until something came. */
async function ask(client: TestClient, message: string): Promise<string> {
  client.send(message)
  return client.next()
}

describe('a connection', () => {
  it.each([
    { how: 'at once', answerLater: () => undefined },
    { how: 'after promises', answerLater: () => Promise.resolve().then(() => {}) },
  ])('has written a lone reply before the tick ends, given $how', async ({ answerLater }) => {
    const buffered: number[] = []
    const { connect } = await startGateway((gateway) => {
      gateway.channel('/').default((request) => {
        const { connection, data } = request
        // Asked for before the flush list could: it runs before the end of the tick is used.
        setImmediate(() => buffered.push(connection.bufferedBytes))
        const later = answerLater()
        return later === undefined ? data : later.then(() => data)
      })
    })
    const client = await connect()
    expect(await ask(client, 'x')).toBe('x')
    await vi.waitFor(() => expect(buffered).toStrictEqual([0]))
  })

  it('answers after a timer, and in the order of the answers', async () => {
    const { connect } = await startGateway((gateway) => {
      gateway.channel('/').default(async ({ data }) => {
        if (data === 'slow') await new Promise((resolve) => setTimeout(resolve, 20))
        return data
      })
    })
    const client = await connect()
    client.send('slow')
    client.send('fast')
    expect([await client.next(), await client.next()]).toStrictEqual(['fast', 'slow'])
  })

  it('sends pushes and replies in their order, whichever way they leave', async () => {
    const { connect, gateway } = await startGateway((gateway) => {
      gateway.channel('/').default(({ connection, data }) => {
        const text = String(data)
        if (text.startsWith('before')) connection.send(`push ${text}`)
        if (text.startsWith('after')) queueMicrotask(() => connection.send(`push ${text}`))
        if (text.startsWith('later')) setImmediate(() => connection.send(`push ${text}`))
        return text
      })
    })
    const client = await connect()
    const heard: string[] = []
    for (const text of ['before 1', 'after 2', 'later 3', 'plain 4']) {
      heard.push(await ask(client, text))
      if (!text.startsWith('plain')) heard.push(await client.next())
    }
    expect(heard).toStrictEqual([
      'push before 1',
      'before 1',
      'after 2',
      'push after 2',
      'later 3',
      'push later 3',
      'plain 4',
    ])
    expect(gateway.registry.size).toBe(1)
  })

  it('sends the last reply before its close frame', async () => {
    const { connect } = await startGateway((gateway) => {
      gateway.channel('/').default(({ connection, data }) => {
        queueMicrotask(() => void connection.close(4321))
        return data
      })
    })
    const client = await connect()
    client.send('last')
    expect(await client.closed).toStrictEqual({ code: 4321, reason: '' })
    expect(client.messages).toStrictEqual(['last'])
  })

  it('survives a handler that cuts it and answers', async () => {
    const results: string[] = []
    const { connect, gateway } = await startGateway((gateway) => {
      gateway.channel('/').default(({ connection, data }) => {
        connection.terminate()
        void codeOf(connection.sent('never')).then((code) => results.push(code))
        return data
      })
    })
    const client = await connect()
    client.send('x')
    await client.closed
    await vi.waitFor(() => expect(gateway.registry.size).toBe(0))
    expect([client.messages, results]).toStrictEqual([[], ['closed']])
  })

  it('writes the replies to what came in one chunk at once', async () => {
    const { connect } = await startGateway((gateway) => {
      gateway.channel('/').default(async ({ data }) => data)
    })
    const client = await connect()
    const reads: number[] = []
    const socket = Reflect.get(client.ws, '_socket') as NodeJS.EventEmitter & { cork(): void; uncork(): void }
    socket.on('data', (chunk: Buffer) => reads.push(chunk.length))
    socket.cork()
    for (let number = 0; number < 10; number += 1) client.send(String(number))
    socket.uncork()
    await vi.waitFor(() => expect(client.messages).toHaveLength(10))
    expect([client.messages.join(''), reads]).toStrictEqual(['0123456789', [30]])
  })
})
