// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { pendingDeadlines } from '../deadline.ts'
import { sharedFrame } from '../frame.ts'
import { WsError } from '../ws-error.ts'
import { cache } from './cache.ts'
import {
  codeOf,
  itemsOf,
  manualHandler,
  pass,
  principalOf,
  requestOf,
  run,
  TestStream,
  useVirtualClock,
} from './request.test-support.ts'

useVirtualClock()

const options = { key: () => 'k', ttlMs: 1000 }

/** Answers with the number of its calls. */
function counting(): { (): string; calls: number } {
  const handler = (): string => {
    handler.calls += 1
    return `answer ${handler.calls}`
  }
  handler.calls = 0
  return handler
}

describe('cache', () => {
  it('gives what it has for as long as ttlMs says (F24)', async () => {
    const middleware = cache(options)
    const handler = counting()
    expect(run([middleware], handler)).toBe('answer 1')
    await pass(999)
    expect(run([middleware], handler)).toBe('answer 1')
    await pass(1)
    expect(run([middleware], handler)).toBe('answer 2')
    expect(middleware.stats()).toMatchObject({ hits: 1, misses: 2, entries: 1 })
  })

  it('does not keep an answer for longer because it is asked for (D14)', async () => {
    const middleware = cache({ ...options, ttlMs: 100 })
    const handler = counting()
    for (let ms = 0; ms <= 600; ms += 40) {
      run([middleware], handler)
      await pass(40)
    }
    expect(handler.calls).toBeGreaterThanOrEqual(5)
  })

  it('makes one call of ten that come together, whatever their connections (D13)', async () => {
    const middleware = cache(options)
    const handler = manualHandler()
    const replies = Array.from({ length: 10 }, () => run([middleware], handler, requestOf()))
    expect(handler.calls).toHaveLength(1)
    handler.calls[0]?.resolve('one answer')
    expect(await Promise.all(replies)).toStrictEqual(Array.from({ length: 10 }, () => 'one answer'))
    expect(middleware.stats()).toMatchObject({ merged: 9, misses: 1 })
  })

  it('only merges at a ttl of 0 or less', async () => {
    const middleware = cache({ ...options, ttlMs: 0 })
    const handler = manualHandler()
    const replies = [run([middleware], handler), run([middleware], handler)]
    handler.calls[0]?.resolve('first')
    expect(await Promise.all(replies)).toStrictEqual(['first', 'first'])
    void run([middleware], handler)
    expect(handler.calls).toHaveLength(2)
    expect(middleware.stats().entries).toBe(0)
  })

  it.each(['', undefined])('passes by with the key %j', async (key) => {
    const middleware = cache({ ...options, key: () => key })
    const handler = manualHandler()
    void run([middleware], handler)
    void run([middleware], handler)
    expect(handler.calls).toHaveLength(2)
  })

  it('takes the time from the request', async () => {
    const middleware = cache({ key: ({ key }) => key, ttlMs: ({ key }) => (key === 'long' ? 500 : 100) })
    const handler = counting()
    for (const key of ['long', 'short']) run([middleware], handler, requestOf({ key }))
    await pass(200)
    for (const key of ['long', 'short']) run([middleware], handler, requestOf({ key }))
    expect(handler.calls).toBe(3)
  })

  it('never gives one principal, route or channel what another was told (F24)', () => {
    const middleware = cache(options)
    const handler = counting()
    const askers = [
      { connection: { principal: principalOf('jo') } },
      { connection: { principal: principalOf('al') } },
      { connection: { principal: principalOf('') } },
      { connection: {} },
      { route: 'other' },
      { connection: { path: '/other' } },
    ]
    const answers = askers.map((facts) => run([middleware], handler, requestOf(facts)))
    expect(new Set(answers).size).toBe(askers.length)
    expect(askers.map((facts) => run([middleware], handler, requestOf(facts)))).toStrictEqual(answers)
  })

  it('cannot be talked into the entries of another principal', () => {
    const middleware = cache({ key: ({ key }) => key, ttlMs: 1000 })
    const handler = counting()
    run([middleware], handler, requestOf({ key: 'b\nc', connection: { principal: principalOf('a') } }))
    run([middleware], handler, requestOf({ key: 'c', connection: { principal: principalOf('a\nb') } }))
    expect(handler.calls).toBe(2)
  })

  it('gives all principals the same where it is shared (F24)', () => {
    const middleware = cache({ ...options, shared: true })
    const handler = counting()
    for (const id of ['jo', 'al']) run([middleware], handler, requestOf({ connection: { principal: principalOf(id) } }))
    expect(handler.calls).toBe(1)
  })

  it('keeps no error, and gives it to all who waited (F24)', async () => {
    const middleware = cache(options)
    const handler = manualHandler()
    const codes = [1, 2, 3].map(() => codeOf(() => run([middleware], handler)))
    handler.calls[0]?.reject(new WsError('no_responders'))
    expect(await Promise.all(codes)).toStrictEqual(['no_responders', 'no_responders', 'no_responders'])
    void run([middleware], handler)
    expect(handler.calls).toHaveLength(2)
  })

  it('keeps nothing of a handler that throws at once', async () => {
    const middleware = cache(options)
    const failing = (): never => {
      throw new WsError('timeout')
    }
    expect(await codeOf(() => run([middleware], failing))).toBe('timeout')
    expect(run([middleware], counting())).toBe('answer 1')
  })

  it('keeps every reply, each with its options, and plays them in order (D14, F24)', async () => {
    const middleware = cache(options)
    const requests = [requestOf(), requestOf(), requestOf()]
    const handler = manualHandler()
    const [first, second] = requests.slice(0, 2).map((request) => run([middleware], handler, request))
    const seen = handler.calls[0]?.request
    expect(seen?.reply('one', { binary: true })).toBe(true)
    expect(seen?.reply('two')).toBe(true)
    handler.calls[0]?.resolve('three')
    expect(await Promise.all([first, second])).toStrictEqual(['three', 'three'])
    expect(run([middleware], handler, requests[2])).toBe('three')
    const replies = [
      { value: 'one', options: { binary: true } },
      { value: 'two', options: undefined },
    ]
    expect(requests.map((request) => request.replies)).toStrictEqual([replies, replies, replies])
  })

  it('tells a follower what was replied before it came', () => {
    const middleware = cache(options)
    const handler = manualHandler()
    void run([middleware], handler)
    handler.calls[0]?.request.reply('early')
    const follower = requestOf()
    void run([middleware], handler, follower)
    handler.calls[0]?.request.reply('late')
    expect(follower.replies.map(({ value }) => value)).toStrictEqual(['early', 'late'])
  })

  it('passes replies of a handler that answers at once on, and keeps them', () => {
    const middleware = cache(options)
    const [one, two] = [requestOf(), requestOf()]
    const handler = (request: { reply(value: unknown): boolean }): string => {
      request.reply('beside')
      return 'value'
    }
    expect([run([middleware], handler, one), run([middleware], handler, two)]).toStrictEqual(['value', 'value'])
    expect([one.replies, two.replies]).toMatchObject([[{ value: 'beside' }], [{ value: 'beside' }]])
  })

  it('serves followers when the one who asked first has left (D14)', async () => {
    const middleware = cache(options)
    const handler = manualHandler()
    const leader = requestOf()
    const left = codeOf(() => run([middleware], handler, leader))
    const follower = run([middleware], handler)
    leader.abort(new WsError('closed'))
    expect(await left).toBe('closed')
    expect(handler.calls[0]?.request.signal.aborted).toBe(false)
    handler.calls[0]?.resolve('for the other')
    expect(await follower).toBe('for the other')
    expect(handler.calls).toHaveLength(1)
  })

  it('aborts the call when nobody waits any more, and begins anew (F24)', async () => {
    const middleware = cache(options)
    const handler = manualHandler()
    const requests = [requestOf(), requestOf()]
    const codes = requests.map((request) => codeOf(() => run([middleware], handler, request)))
    const signal = handler.calls[0]?.request.signal
    requests[0]?.abort(new WsError('closed'))
    expect(signal?.aborted).toBe(false)
    requests[1]?.abort(new WsError('cancelled'))
    expect(await Promise.all(codes)).toStrictEqual(['closed', 'cancelled'])
    expect(signal?.aborted).toBe(true)
    const next = run([middleware], handler)
    expect(handler.calls).toHaveLength(2)
    handler.calls[0]?.resolve('too late')
    await pass(0)
    expect(middleware.stats().entries).toBe(0)
    handler.calls[1]?.resolve('new')
    expect(await next).toBe('new')
    expect(run([middleware], handler)).toBe('new')
  })

  it('gives a handler its signal even when it is over', async () => {
    const middleware = cache(options)
    const handler = manualHandler()
    const request = requestOf()
    const code = codeOf(() => run([middleware], handler, request))
    request.abort(new WsError('closed'))
    await code
    expect(handler.calls[0]?.request.signal.aborted).toBe(true)
    expect(handler.calls[0]?.request.reply('nobody')).toBe(false)
  })

  it('gives what is stale while one call fetches what is new (F24)', async () => {
    const middleware = cache({ ...options, staleMs: 5000 })
    const first = manualHandler()
    const reply = run([middleware], first)
    first.calls[0]?.resolve('old')
    expect(await reply).toBe('old')
    await pass(1500)
    const second = manualHandler()
    expect([run([middleware], second), run([middleware], second)]).toStrictEqual(['old', 'old'])
    expect(second.calls).toHaveLength(1)
    second.calls[0]?.resolve('new')
    await pass(0)
    expect(run([middleware], second)).toBe('new')
    expect(second.calls).toHaveLength(1)
    expect(pendingDeadlines()).toBe(0)
    expect(middleware.stats()).toMatchObject({ staleHits: 2, hits: 3 })
  })

  it('keeps what is stale when the new call fails, and asks again', async () => {
    const middleware = cache({ ...options, staleMs: 5000 })
    expect(run([middleware], () => 'old')).toBe('old')
    await pass(1500)
    const failing = manualHandler()
    expect(run([middleware], failing)).toBe('old')
    failing.calls[0]?.reject(new WsError('timeout'))
    await pass(0)
    const throwing = (): never => {
      throw new WsError('timeout')
    }
    expect(run([middleware], throwing)).toBe('old')
    expect(run([middleware], () => 'new')).toBe('old')
    expect(run([middleware], throwing)).toBe('new')
    expect(pendingDeadlines()).toBe(0)
  })

  it('gives a call for what is stale up when that is over', async () => {
    const middleware = cache({ ...options, staleMs: 500 })
    run([middleware], () => 'old')
    await pass(1200)
    const handler = manualHandler()
    expect(run([middleware], handler)).toBe('old')
    const signal = handler.calls[0]?.request.signal
    await pass(290)
    expect(signal?.aborted).toBe(false)
    await pass(50)
    expect(signal?.aborted).toBe(true)
    expect(run([middleware], () => 'new')).toBe('new')
  })

  it('does not give such a call up while a client waits for it too', async () => {
    const middleware = cache({ ...options, staleMs: 500 })
    run([middleware], () => 'old')
    await pass(1400)
    const handler = manualHandler()
    expect(run([middleware], handler)).toBe('old')
    await pass(105)
    const waiting = run([middleware], handler)
    await pass(200)
    expect(handler.calls).toHaveLength(1)
    handler.calls[0]?.resolve('new')
    expect(await waiting).toBe('new')
  })

  it('keeps so many answers, the last used ones (D14, F24)', () => {
    const middleware = cache({ key: ({ key }) => key, ttlMs: 1000, maxEntries: 2 })
    const handler = counting()
    for (const key of ['a', 'b', 'a', 'c']) run([middleware], handler, requestOf({ key }))
    expect(handler.calls).toBe(3)
    run([middleware], handler, requestOf({ key: 'a' }))
    expect(handler.calls).toBe(3)
    run([middleware], handler, requestOf({ key: 'b' }))
    expect(handler.calls).toBe(4)
    expect(middleware.stats().entries).toBe(2)
  })

  it('keeps so many bytes (D14)', () => {
    const middleware = cache({ key: ({ key }) => key, ttlMs: 60_000, maxBytes: 100_000 })
    for (let key = 0; key < 1000; key++) run([middleware], () => 'x'.repeat(1000), requestOf({ key: String(key) }))
    const { entries, bytes } = middleware.stats()
    expect(bytes).toBeLessThanOrEqual(100_000)
    expect(entries).toBeGreaterThan(30)
    for (let key = 0; key < 1000; key++) run([middleware], () => new Uint8Array(1000), requestOf({ key: String(key) }))
    expect(middleware.stats().bytes).toBeLessThanOrEqual(100_000)
  })

  it.each([
    ['text', 'x'.repeat(600)],
    ['bytes', new Uint8Array(1200)],
    ['an object', { list: Array.from({ length: 600 }, () => 1) }],
    ['a frame', sharedFrame('x'.repeat(1200))],
    ['what has no size', { big: 1n }],
  ])('does not keep %s that is too large', async (_kind, value) => {
    const middleware = cache({ ...options, maxEntryBytes: 1000 })
    const handler = manualHandler()
    const replies = [run([middleware], handler), run([middleware], handler)]
    handler.calls[0]?.resolve(value)
    expect(await Promise.all(replies)).toStrictEqual([value, value])
    expect(middleware.stats().entries).toBe(0)
  })

  it.each([undefined, null, 0, false, '', 'text', 12, { a: 1 }])('keeps the answer %j', (value) => {
    const middleware = cache(options)
    expect(run([middleware], () => value)).toStrictEqual(value)
    expect(run([middleware], () => 'another')).toStrictEqual(value)
  })

  it('does not let a handler gather replies beside without bound', () => {
    const middleware = cache({ ...options, maxEntryBytes: 1000 })
    const handler = manualHandler()
    const first = requestOf()
    void run([middleware], handler, first)
    for (let reply = 0; reply < 10; reply++) handler.calls[0]?.request.reply('x'.repeat(100))
    expect(first.replies).toHaveLength(10)
    // What went before cannot be told any more.
    void run([middleware], handler)
    expect(handler.calls).toHaveLength(2)
  })

  it('keeps a copy of bytes that are part of something larger (D2, D37)', () => {
    const middleware = cache(options)
    const chunk = Buffer.alloc(65_536, 'a')
    expect(run([middleware], () => chunk.subarray(10, 20))).toStrictEqual(chunk.subarray(10, 20))
    const kept = run([middleware], () => 'none') as Uint8Array
    chunk.fill('b')
    expect(Buffer.from(kept).toString()).toBe('aaaaaaaaaa')
    expect(kept.buffer.byteLength).toBe(10)
  })

  it('forgets all at close, gives its calls up, and then passes by', async () => {
    const middleware = cache({ ...options, staleMs: 60_000 })
    run([middleware], () => 'old')
    await pass(1500)
    const handler = manualHandler()
    run([middleware], handler)
    middleware.close()
    expect(handler.calls[0]?.request.signal.aborted).toBe(true)
    expect(middleware.stats()).toMatchObject({ entries: 0, bytes: 0 })
    const after = counting()
    expect([run([middleware], after), run([middleware], after)]).toStrictEqual(['answer 1', 'answer 2'])
    expect(pendingDeadlines()).toBe(0)
  })

  it.each([
    [{ ...options, key: 'k' as never }, 'cache.key: "k" is not a function'],
    [{ ttlMs: 1 } as never, 'cache.key: is missing'],
    [{ key: () => 'k' } as never, 'cache.ttlMs: undefined is neither'],
    [{ ...options, ttlMs: Infinity }, 'cache.ttlMs: Infinity'],
    [{ ...options, staleMs: -1 }, 'cache.staleMs: -1'],
    [{ ...options, maxEntries: 0 }, 'cache.maxEntries: 0'],
    [{ ...options, maxBytes: 0 }, 'cache.maxBytes: 0'],
    [{ ...options, maxEntryBytes: 0 }, 'cache.maxEntryBytes: 0'],
    [{ ...options, shared: 1 as never }, 'cache.shared: 1'],
    [{ ...options, size: 1 } as never, 'there is no option "size"'],
  ])('refuses %j', (wrong, message) => {
    expect(() => cache(wrong)).toThrow(message)
  })
})

describe('cache of streams', () => {
  it('reads a stream once for all, from its start, and keeps it (D14)', async () => {
    const middleware = cache(options)
    const stream = new TestStream()
    const first = itemsOf(run([middleware], () => stream))
    stream.push(1)
    stream.push(2)
    await pass(0)
    const second = itemsOf(run([middleware], counting()))
    stream.push(3)
    stream.end()
    expect(await Promise.all([first, second])).toStrictEqual([
      [1, 2, 3],
      [1, 2, 3],
    ])
    expect(await itemsOf(run([middleware], counting()))).toStrictEqual([1, 2, 3])
    expect(stream.pulls).toBe(4)
    expect(stream.wasReturned).toBe(false)
  })

  it('joins a stream whose handler is asynchronous, with what was replied beside', async () => {
    const middleware = cache(options)
    const handler = manualHandler()
    const requests = [requestOf(), requestOf()]
    const replies = requests.map((request) => run([middleware], handler, request))
    handler.calls[0]?.request.reply('beside')
    const stream = new TestStream()
    handler.calls[0]?.resolve(stream)
    stream.push('a')
    stream.end()
    expect(await Promise.all(replies.map(async (reply) => itemsOf(await reply)))).toStrictEqual([['a'], ['a']])
    const late = requestOf()
    expect(await itemsOf(run([middleware], handler, late))).toStrictEqual(['a'])
    expect([...requests, late].map((request) => request.replies.length)).toStrictEqual([1, 1, 1])
  })

  it('asks for an item when the first reader wants it, and not before', async () => {
    const middleware = cache(options)
    const stream = new TestStream()
    const reader = run([middleware], () => stream) as AsyncIterator<unknown>
    for (const item of [1, 2, 3]) stream.push(item)
    await pass(0)
    expect(stream.pulls).toBe(0)
    expect(await reader.next()).toStrictEqual({ done: false, value: 1 })
    await pass(0)
    expect(stream.pulls).toBe(1)
  })

  it('keeps nothing of a stream that breaks, and tells all its readers', async () => {
    const middleware = cache(options)
    const stream = new TestStream()
    const codes = [() => stream, counting()].map((handler) => codeOf(() => itemsOf(run([middleware], handler))))
    stream.push(1)
    stream.break(new WsError('bad_reply'))
    expect(await Promise.all(codes)).toStrictEqual(['bad_reply', 'bad_reply'])
    expect(run([middleware], () => 'anew')).toBe('anew')
  })

  it('returns a stream when its last reader leaves', async () => {
    const middleware = cache(options)
    const stream = new TestStream()
    const requests = [requestOf(), requestOf()]
    const readers = requests.map(
      (request) => run([middleware], () => stream, request) as AsyncIterableIterator<unknown>,
    )
    const waiting = readers.map((reader) => reader.next())
    requests[0]?.abort(new WsError('closed'))
    await pass(0)
    expect(stream.wasReturned).toBe(false)
    await readers[1]?.return?.()
    expect(stream.wasReturned).toBe(true)
    expect(await Promise.all(waiting)).toStrictEqual([
      { done: true, value: undefined },
      { done: true, value: undefined },
    ])
    expect(run([middleware], () => 'anew')).toBe('anew')
  })

  it('lets nobody join a stream that has become too large, and keeps nothing of it', async () => {
    const middleware = cache({ ...options, maxEntryBytes: 1000 })
    const stream = new TestStream()
    const reader = run([middleware], () => stream) as AsyncIterableIterator<unknown>
    for (let item = 0; item < 20; item++) {
      stream.push('x'.repeat(100))
      await reader.next()
    }
    expect(run([middleware], () => 'own')).toBe('own')
    stream.end()
    expect(await reader.next()).toMatchObject({ done: true })
  })

  it('lets a reader lag so far behind another, and then ends it alone', async () => {
    const middleware = cache({ ...options, maxEntryBytes: 1000 })
    const stream = new TestStream()
    const [fast, slow] = [1, 2].map(() => run([middleware], () => stream) as AsyncIterableIterator<unknown>)
    for (let item = 0; item < 50; item++) {
      stream.push('x'.repeat(100))
      expect(await fast?.next()).toMatchObject({ done: false })
    }
    expect(await codeOf(() => slow?.next())).toBe('slow_consumer')
    stream.push('last')
    expect(await fast?.next()).toMatchObject({ value: 'last' })
    await fast?.return?.()
    expect(stream.wasReturned).toBe(true)
  })

  it('passes single items on that are larger than what it keeps', async () => {
    const middleware = cache({ ...options, maxEntryBytes: 10 })
    const stream = new TestStream()
    const items = itemsOf(run([middleware], () => stream))
    for (const item of ['x'.repeat(100), 'y'.repeat(200)]) stream.push(item)
    stream.end()
    expect(await items).toStrictEqual(['x'.repeat(100), 'y'.repeat(200)])
  })

  it('fetches a newer stream on nobody’s account, as far as it may be kept', async () => {
    const middleware = cache({ ...options, staleMs: 60_000, maxEntryBytes: 1000 })
    run([middleware], () => 'old')
    await pass(1500)
    const stream = new TestStream()
    expect(run([middleware], () => stream)).toBe('old')
    stream.push('a')
    stream.end()
    await pass(0)
    expect(await itemsOf(run([middleware], counting()))).toStrictEqual(['a'])
    await pass(1500)
    const endless = new TestStream()
    await itemsOf(run([middleware], () => endless))
    for (let item = 0; item < 20; item++) endless.push('x'.repeat(100))
    await pass(0)
    expect(endless.wasReturned).toBe(true)
    expect(endless.pulls).toBeLessThan(10)
  })

  it('lets go of a newer stream that does not end in time', async () => {
    const middleware = cache({ ...options, staleMs: 1000 })
    run([middleware], () => 'old')
    await pass(1500)
    const stream = new TestStream()
    expect(run([middleware], () => stream)).toBe('old')
    await pass(600)
    expect(stream.wasReturned).toBe(true)
    expect(pendingDeadlines()).toBe(0)
  })

  it('gives two who ask one reader for items at once one each', async () => {
    const middleware = cache(options)
    const stream = new TestStream()
    const reader = run([middleware], () => stream) as AsyncIterableIterator<unknown>
    const both = Promise.all([reader.next(), reader.next()])
    stream.push(1)
    stream.push(2)
    expect((await both).map(({ value }) => value)).toStrictEqual([1, 2])
  })
})
