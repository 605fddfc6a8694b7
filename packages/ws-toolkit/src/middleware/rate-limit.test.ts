// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { WsError } from '../ws-error.ts'
import { rateLimit, type RateLimitStore } from './rate-limit.ts'
import { codeOf, failureOf, pass, principalOf, requestOf, run, useVirtualClock } from './request.test-support.ts'

useVirtualClock()

const ok = (): string => 'ok'

describe('rateLimit', () => {
  it('lets so many through in a window, and says when the next may come', async () => {
    const middleware = rateLimit({ limit: 2, windowMs: 1000, key: 'global' })
    expect([run([middleware], ok), run([middleware], ok)]).toStrictEqual(['ok', 'ok'])
    const failure = await failureOf(() => run([middleware], ok))
    expect(failure).toMatchObject({ code: 'rate_limited', retryAfterMs: 500 })
    await pass(499)
    expect(await codeOf(() => run([middleware], ok))).toBe('rate_limited')
    await pass(1)
    expect(run([middleware], ok)).toBe('ok')
  })

  it('has no edge between two windows at which twice as many get through', async () => {
    const middleware = rateLimit({ limit: 10, windowMs: 1000, key: 'global' })
    let through = 0
    for (let ms = 0; ms < 1000; ms += 10) {
      await pass(10)
      if ((await codeOf(() => run([middleware], ok))) === 'ok') through += 1
    }
    expect(through).toBeLessThanOrEqual(20)
    expect(through).toBeGreaterThanOrEqual(18)
  })

  it('lets as many at once as burst says', async () => {
    const middleware = rateLimit({ limit: 1, windowMs: 1000, burst: 3, key: 'global' })
    const codes = [1, 2, 3, 4].map(() => codeOf(() => run([middleware], ok)))
    expect(await Promise.all(codes)).toStrictEqual(['ok', 'ok', 'ok', 'rate_limited'])
  })

  it('lets nothing through at 0 (D17)', async () => {
    const middleware = rateLimit({ limit: 0 })
    const failure = await failureOf(() => run([middleware], ok))
    expect(failure.code).toBe('rate_limited')
    expect(failure.retryAfterMs).toBeUndefined()
    await pass(60_000)
    expect(await codeOf(() => run([middleware], ok))).toBe('rate_limited')
  })

  it('counts each principal, else each address', async () => {
    const middleware = rateLimit({ limit: 1, windowMs: 60_000 })
    const who = [{ principal: principalOf('jo') }, { principal: principalOf('al') }, { ip: '192.0.2.7' }]
    for (const connection of who) {
      expect(run([middleware], ok, requestOf({ connection }))).toBe('ok')
      expect(await codeOf(() => run([middleware], ok, requestOf({ connection })))).toBe('rate_limited')
    }
  })

  it('shows the connection to its key function (D17)', async () => {
    const middleware = rateLimit({ limit: 1, windowMs: 60_000, key: ({ connection, key }) => connection.id + key })
    const of = (id: string, key: string): ReturnType<typeof requestOf> => requestOf({ key, connection: { id } })
    expect([of('a', 'x'), of('a', 'y'), of('b', 'x')].map((request) => run([middleware], ok, request))).toStrictEqual([
      'ok',
      'ok',
      'ok',
    ])
    expect(await codeOf(() => run([middleware], ok, of('a', 'x')))).toBe('rate_limited')
  })

  it('remembers so many keys', async () => {
    const middleware = rateLimit({ limit: 1, windowMs: 60_000, maxKeys: 2, key: ({ key }) => key })
    for (const key of ['a', 'b', 'c']) expect(run([middleware], ok, requestOf({ key }))).toBe('ok')
    expect(await codeOf(() => run([middleware], ok, requestOf({ key: 'c' })))).toBe('rate_limited')
    expect(run([middleware], ok, requestOf({ key: 'a' }))).toBe('ok')
  })

  it.each([
    ['at once', (ms: number) => ms],
    ['later', (ms: number) => Promise.resolve(ms)],
  ])('asks a store that answers %s', async (_when, answer) => {
    const asked: unknown[] = []
    const waits = [0, 250.4]
    const store: RateLimitStore = {
      take: (key, rate) => {
        asked.push(key, rate)
        return answer(waits.shift() ?? 0)
      },
    }
    const middleware = rateLimit({ limit: 5, windowMs: 2000, burst: 7, store, key: () => 'k' })
    expect(await run([middleware], ok)).toBe('ok')
    expect(await failureOf(() => run([middleware], ok))).toMatchObject({ code: 'rate_limited', retryAfterMs: 251 })
    expect(asked).toStrictEqual([
      'k',
      { limit: 5, windowMs: 2000, burst: 7 },
      'k',
      { limit: 5, windowMs: 2000, burst: 7 },
    ])
  })

  it('refuses when the store fails', async () => {
    const store: RateLimitStore = { take: () => Promise.reject(new WsError('disconnected')) }
    let called = false
    const code = await codeOf(() => run([rateLimit({ limit: 1, store })], () => void (called = true)))
    expect([code, called]).toStrictEqual(['disconnected', false])
  })

  it('closes its store, and forgets its own buckets (D17)', async () => {
    let isClosed = false
    await rateLimit({ limit: 1, store: { take: () => 0, close: () => void (isClosed = true) } }).close?.()
    expect(isClosed).toBe(true)
    const own = rateLimit({ limit: 1, windowMs: 60_000, key: 'global' })
    expect(run([own], ok)).toBe('ok')
    await own.close?.()
    expect(run([own], ok)).toBe('ok')
  })

  it.each([
    [{ limit: -1 }, 'rateLimit.limit: -1'],
    [{ limit: 1, windowMs: 0 }, 'rateLimit.windowMs: 0'],
    [{ limit: 1, burst: 0 }, 'rateLimit.burst: 0'],
    [{ limit: 1, maxKeys: 0 }, 'rateLimit.maxKeys: 0'],
    [{ limit: 1, store: {} as never }, 'rateLimit.store: has no take()'],
    [{ limit: 1, key: 'room' as never }, 'rateLimit.key: "room"'],
    [{ limit: 1, rate: 1 } as never, 'there is no option "rate"'],
  ])('refuses %j', (options, message) => {
    expect(() => rateLimit(options)).toThrow(message)
  })
})
