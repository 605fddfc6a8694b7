// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import type { Middleware } from '../chain.ts'
import { WsError } from '../ws-error.ts'
import { breaker } from './breaker.ts'
import { cache } from './cache.ts'
import { linear } from './delay.ts'
import { measure } from './measure.ts'
import { rateLimit } from './rate-limit.ts'
import { codeOf, manualHandler, pass, requestOf, run, useVirtualClock } from './request.test-support.ts'
import { retry } from './retry.ts'
import { throttle } from './throttle.ts'
import { timeout } from './timeout.ts'

useVirtualClock()

/** A service that fails so many times, and takes its time for everything. */
function service(failures: number, ms = 0): { (): Promise<string>; calls: number } {
  const handler = async (): Promise<string> => {
    handler.calls += 1
    const call = handler.calls
    if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms))
    if (call <= failures) throw new WsError('no_responders')
    return `answer ${call}`
  }
  handler.calls = 0
  return handler
}

async function outcome(
  middleware: readonly Middleware[],
  handler: ReturnType<typeof service>,
  ms = 5000,
): Promise<unknown> {
  const reply = codeOf(() => run(middleware, handler))
  await pass(ms)
  return { code: await reply, calls: handler.calls }
}

const again = (): Middleware => retry({ attempts: 3, delay: linear(10) })

describe('pairs of middleware, in both nestings', () => {
  it.each([
    // Each try has its deadline / all together have one.
    ['retry outside timeout', () => [again(), timeout(100)], 250, 'timeout', 3],
    ['timeout outside retry', () => [timeout(100), again()], 250, 'timeout', 1],
    ['timeout outside retry, quick failures', () => [timeout(200), again()], 20, 'ok', 3],
  ] as const)('%s', async (_pair, middleware, ms, code, calls) => {
    expect(await outcome(middleware(), service(2, ms))).toStrictEqual({ code, calls })
  })

  it('retry outside breaker stops at an open circuit, and inside it counts once', async () => {
    const rules = { minCalls: 2, threshold: 1 }
    expect(await outcome([again(), breaker(rules)], service(9))).toStrictEqual({ code: 'circuit_open', calls: 2 })
    const outside = breaker(rules)
    expect(await outcome([outside, again()], service(9))).toStrictEqual({ code: 'no_responders', calls: 3 })
    expect([...outside.states().values()]).toStrictEqual(['closed'])
  })

  it('timeout inside breaker counts as its failure, and outside it too', async () => {
    const inside = breaker({ minCalls: 1 })
    expect(await outcome([inside, timeout(50)], service(0, 1000))).toMatchObject({ code: 'timeout' })
    expect([...inside.states().values()]).toStrictEqual(['open'])
    const outside = breaker({ minCalls: 1 })
    // The handler does end well, only too late for this client.
    expect(await outcome([timeout(50), outside], service(0, 1000))).toMatchObject({ code: 'timeout' })
    expect([...outside.states().values()]).toStrictEqual(['closed'])
  })

  it('retry outside the rate limit takes a token for each try, and inside it one', async () => {
    const limit = { limit: 2, windowMs: 60_000, key: 'global' } as const
    expect(await outcome([again(), rateLimit(limit)], service(9))).toStrictEqual({ code: 'rate_limited', calls: 2 })
    const outside = rateLimit(limit)
    expect(await outcome([outside, again()], service(2))).toStrictEqual({ code: 'ok', calls: 3 })
    expect(await outcome([outside, again()], service(0))).toStrictEqual({ code: 'ok', calls: 1 })
  })

  it('the rate limit outside the cache counts hits, and inside it only misses', async () => {
    const limit = { limit: 1, windowMs: 60_000, key: 'global' } as const
    const kept = { key: () => 'k', ttlMs: 60_000 }
    const outside = [rateLimit(limit), cache(kept)]
    const inside = [cache(kept), rateLimit(limit)]
    const codes = async (middleware: readonly Middleware[]): Promise<string[]> => {
      const handler = service(0)
      return [await codeOf(() => run(middleware, handler)), await codeOf(() => run(middleware, handler))]
    }
    expect(await codes(outside)).toStrictEqual(['ok', 'rate_limited'])
    expect(await codes(inside)).toStrictEqual(['ok', 'ok'])
  })

  it('a timeout outside the cache ends one who waits, and inside it the call', async () => {
    const kept = { key: () => 'k', ttlMs: 60_000 }
    const handler = manualHandler()
    const store = cache(kept)
    const impatient = codeOf(() => run([timeout(50), store], handler))
    const patient = run([store], handler)
    await pass(100)
    expect(await impatient).toBe('timeout')
    handler.calls[0]?.resolve('late')
    expect(await patient).toBe('late')
    const inside = [cache(kept), timeout(50)]
    const codes = [1, 2].map(() => codeOf(() => run(inside, handler)))
    await pass(100)
    expect(await Promise.all(codes)).toStrictEqual(['timeout', 'timeout'])
    expect(handler.calls).toHaveLength(2)
  })

  it('retry outside the cache shares its calls, and inside it is shared', async () => {
    for (const order of ['outside', 'inside'] as const) {
      const handler = service(1)
      const store = cache({ key: () => 'k', ttlMs: 60_000 })
      const middleware = order === 'outside' ? [again(), store] : [store, again()]
      const replies = [1, 2, 3].map(() => run(middleware, handler))
      await pass(200)
      expect(await Promise.all(replies)).toStrictEqual(['answer 2', 'answer 2', 'answer 2'])
      expect(handler.calls).toBe(2)
    }
  })

  it('breaker outside the cache sees what it answers, and inside it only its calls', async () => {
    const rules = { minCalls: 1 }
    const kept = { key: ({ key }: { key: string }) => key, ttlMs: 60_000 }
    const failing = service(9)
    const inside = [cache(kept), breaker(rules)]
    expect(run(inside, () => 'kept', requestOf({ key: 'a' }))).toBe('kept')
    expect(await codeOf(() => run(inside, failing, requestOf({ key: 'b' })))).toBe('no_responders')
    expect(run(inside, failing, requestOf({ key: 'a' }))).toBe('kept')
    expect(await codeOf(() => run(inside, failing, requestOf({ key: 'b' })))).toBe('circuit_open')
    const outside = [breaker(rules), cache(kept)]
    expect(run(outside, () => 'kept', requestOf({ key: 'a' }))).toBe('kept')
    expect(await codeOf(() => run(outside, failing, requestOf({ key: 'b' })))).toBe('no_responders')
    expect(await codeOf(() => run(outside, failing, requestOf({ key: 'a' })))).toBe('circuit_open')
  })

  it('a timeout outside and inside the rate limit costs one token, and is none of its refusals', async () => {
    const limit = (): Middleware => rateLimit({ limit: 1, windowMs: 60_000, key: 'global' })
    for (const middleware of [
      [timeout(100), limit()],
      [limit(), timeout(100)],
    ]) {
      const slow = service(0, 500)
      expect(await outcome(middleware, slow)).toStrictEqual({ code: 'timeout', calls: 1 })
      expect(await outcome(middleware, slow)).toStrictEqual({ code: 'rate_limited', calls: 1 })
    }
  })

  it('breaker outside the rate limit does not open for clients that ask too often, and inside it is asked with their tokens', async () => {
    const limit = (): Middleware => rateLimit({ limit: 2, windowMs: 60_000, key: 'global' })
    const outside = breaker({ minCalls: 2, threshold: 0.5 })
    const shared = limit()
    const well = service(0)
    for (const code of ['ok', 'ok', 'rate_limited', 'rate_limited', 'rate_limited']) {
      expect(await outcome([outside, shared], well)).toMatchObject({ code })
    }
    expect([...outside.states().values()]).toStrictEqual(['closed'])
    const chain = [limit(), breaker({ minCalls: 1, threshold: 1, resetMs: 60_000 })]
    const ill = service(9)
    expect(await outcome(chain, ill)).toStrictEqual({ code: 'no_responders', calls: 1 })
    expect(await outcome(chain, ill)).toStrictEqual({ code: 'circuit_open', calls: 1 })
    expect(await outcome(chain, ill)).toStrictEqual({ code: 'rate_limited', calls: 1 })
  })

  it('throttle inside retry frees its place between tries, and outside it holds one', async () => {
    const places: number[] = []
    const tap: Middleware = (_request, next) => {
      places.push(performance.now())
      return next()
    }
    const narrow = throttle({ limit: 1 })
    const first = service(1, 50)
    const pause = retry({ delay: linear(200) })
    const replies = [run([pause, narrow, tap], first), run([narrow, tap], service(0, 50))]
    await pass(1000)
    expect(await Promise.all(replies)).toStrictEqual(['answer 2', 'answer 1'])
    expect(places).toHaveLength(3)
    // The other ran while the first was pausing.
    expect((places[1] ?? 0) - (places[0] ?? 0)).toBeLessThan(150)
  })

  it('measures the whole from outside, and each try from inside', async () => {
    const seen: string[] = []
    const outer = measure((_request, { code }) => seen.push(`whole ${code}`))
    const inner = measure((_request, { code }) => seen.push(`try ${code}`))
    expect(await outcome([outer, again(), inner], service(2))).toMatchObject({ code: 'ok' })
    expect(seen).toStrictEqual(['try no_responders', 'try no_responders', 'try ok', 'whole ok'])
  })

  it('stays synchronous through all of them', () => {
    const all = [
      measure(() => {}),
      breaker(),
      retry(),
      timeout(100),
      throttle({ limit: 5 }),
      rateLimit({ limit: 5 }),
      cache({ key: () => 'k', ttlMs: 100 }),
    ]
    expect(run(all, () => 'now')).toBe('now')
    expect(run(all, () => 'other')).toBe('now')
  })
})
