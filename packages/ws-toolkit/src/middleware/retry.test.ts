// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, vi } from 'vitest'
import { pendingDeadlines } from '../deadline.ts'
import { WsError, type WsErrorCode } from '../ws-error.ts'
import { exponential, linear } from './delay.ts'
import {
  codeOf,
  failureOf,
  itemsOf,
  manualHandler,
  pass,
  requestOf,
  run,
  TestStream,
  useVirtualClock,
} from './request.test-support.ts'
import { retry } from './retry.ts'
import { timeout } from './timeout.ts'

useVirtualClock()

/** Fails with each of the codes, then answers. */
function failing(...codes: readonly WsErrorCode[]): { (): string; calls: number } {
  const handler = (): string => {
    const code = codes[handler.calls]
    handler.calls += 1
    if (code !== undefined) throw new WsError(code)
    return `answer ${handler.calls}`
  }
  handler.calls = 0
  return handler
}

describe('retry', () => {
  it('hands on what is well at once', () => {
    expect(run([retry()], () => 'now')).toBe('now')
  })

  it('tries until it is well', async () => {
    const handler = failing('timeout', 'no_responders')
    const reply = run([retry({ delay: linear(50) })], handler)
    await pass(60)
    expect(handler.calls).toBe(2)
    await pass(80)
    expect(await reply).toBe('answer 3')
  })

  it('tries as often as it says, and gives the last error', async () => {
    const handler = failing('timeout', 'timeout', 'bad_reply', 'timeout')
    const code = codeOf(() => run([retry({ attempts: 3, delay: linear(10) })], handler))
    await pass(200)
    expect(await code).toBe('bad_reply')
    expect(handler.calls).toBe(3)
  })

  it('calls the handler once with one attempt, and refuses none (D15)', async () => {
    const handler = failing('timeout')
    expect(await codeOf(() => run([retry({ attempts: 1 })], handler))).toBe('timeout')
    expect(handler.calls).toBe(1)
    expect(() => retry({ attempts: 0 })).toThrow('retry.attempts: 0 is not a whole number from 1')
  })

  it('does not wait after the last failure (D15)', async () => {
    const handler = failing('timeout', 'timeout')
    const startedAt = performance.now()
    let endedAt = Infinity
    const code = codeOf(() => run([retry({ attempts: 2, delay: linear(50) })], handler)).finally(() => {
      endedAt = performance.now()
    })
    await pass(500)
    expect(await code).toBe('timeout')
    expect(endedAt - startedAt).toBeLessThan(80)
    expect(pendingDeadlines()).toBe(0)
  })

  it.each([
    'bad_request',
    'forbidden',
    'not_found',
    'invalid_params',
    'cancelled',
    'rate_limited',
    'circuit_open',
  ] as const)('does not try again after %s', async (code) => {
    const handler = failing(code)
    expect(await codeOf(() => run([retry()], handler))).toBe(code)
    expect(handler.calls).toBe(1)
  })

  it.each([
    [500, 2],
    [503, 2],
    [408, 2],
    [425, 2],
    [400, 1],
    [404, 1],
    [429, 1],
  ])('after status %i calls %i times', async (status, calls) => {
    let called = 0
    const code = codeOf(() =>
      run([retry({ attempts: 2 })], () => {
        called += 1
        throw new WsError('bad_reply', { details: { status } })
      }),
    )
    await pass(500)
    expect(await code).toBe('bad_reply')
    expect(called).toBe(calls)
  })

  it('asks retryIf, which hears of the failures so far', async () => {
    const seen: [string, number][] = []
    const retryIf = (error: WsError, failures: number): boolean => {
      seen.push([error.code, failures])
      return failures < 2
    }
    const handler = failing('forbidden', 'not_found', 'timeout')
    const code = codeOf(() => run([retry({ attempts: 5, delay: linear(0), retryIf })], handler))
    await pass(100)
    expect(await code).toBe('not_found')
    expect(seen).toStrictEqual([
      ['forbidden', 1],
      ['not_found', 2],
    ])
  })

  it('does not try again once a reply has gone out', async () => {
    let calls = 0
    const code = codeOf(() =>
      run([retry({ delay: linear(0) })], (request) => {
        calls += 1
        request.with({ data: 1 }).reply('half')
        throw new WsError('timeout')
      }),
    )
    await pass(100)
    expect(await code).toBe('timeout')
    expect(calls).toBe(1)
  })

  it('does not try again once a stream has begun', async () => {
    const streams: TestStream[] = []
    const reply = run([retry({ delay: linear(0) })], () => {
      const stream = new TestStream()
      stream.push(1)
      stream.break(new WsError('timeout'))
      streams.push(stream)
      return stream
    })
    expect(await codeOf(() => itemsOf(reply))).toBe('timeout')
    expect(streams).toHaveLength(1)
  })

  it('counts replies a link inside has kept for itself as none', async () => {
    let calls = 0
    const reply = run(
      [retry({ delay: linear(0) }), (request, next) => next(request.with({ reply: () => true }))],
      (request) => {
        calls += 1
        request.reply('kept')
        if (calls === 1) throw new WsError('timeout')
        return 'second'
      },
    )
    await pass(50)
    expect(await reply).toBe('second')
  })

  it('waits at least as long as the error says', async () => {
    let calls = 0
    const reply = run([retry({ delay: linear(10) })], () => {
      calls += 1
      if (calls === 1) throw new WsError('overloaded', { retryAfterMs: 300 })
      return 'then'
    })
    await pass(280)
    expect(calls).toBe(1)
    await pass(60)
    expect(await reply).toBe('then')
  })

  it.each([30_001, Infinity])('hands on an error that asks for %i ms', async (retryAfterMs) => {
    const handler = vi.fn(() => {
      throw new WsError('overloaded', { retryAfterMs })
    })
    const failure = await failureOf(() => run([retry({ delay: linear(10) })], handler))
    expect(failure).toMatchObject({ code: 'overloaded', retryAfterMs })
    expect(handler).toHaveBeenCalledTimes(1)
  })

  it('stops waiting when the request ends', async () => {
    const request = requestOf()
    const handler = failing('timeout', 'timeout')
    const code = codeOf(() => run([retry({ delay: linear(5000) })], handler, request))
    await pass(50)
    request.abort(new WsError('closed'))
    expect(await code).toBe('closed')
    expect(handler.calls).toBe(1)
    expect(pendingDeadlines()).toBe(0)
  })

  it('does not try for a request that has ended', async () => {
    const request = requestOf()
    const code = codeOf(() =>
      run(
        [retry({ delay: linear(0) })],
        () => {
          request.abort(new WsError('cancelled'))
          throw new WsError('timeout')
        },
        request,
      ),
    )
    expect(await code).toBe('cancelled')
  })

  it('gives each try a deadline of its own', async () => {
    const handler = manualHandler()
    const reply = run([retry({ perTryMs: 100, delay: linear(0) })], handler)
    await pass(130)
    expect(handler.calls).toHaveLength(1)
    expect(handler.calls[0]?.request.signal.reason).toMatchObject({ code: 'timeout' })
    await pass(30)
    expect(handler.calls).toHaveLength(2)
    expect(handler.calls[1]?.request.signal.aborted).toBe(false)
    handler.calls[1]?.resolve('second')
    expect(await reply).toBe('second')
  })

  it('tries again outside a timeout, which begins anew (D12)', async () => {
    const handler = manualHandler()
    const reply = run([retry({ attempts: 3, delay: linear(0) }), timeout(100)], handler)
    await pass(300)
    expect(handler.calls).toHaveLength(3)
    expect(handler.calls[2]?.request.signal.aborted).toBe(false)
    handler.calls[2]?.resolve('third')
    expect(await reply).toBe('third')
  })

  it('is ended by a timeout around it', async () => {
    const handler = failing('no_responders', 'no_responders', 'no_responders')
    const code = codeOf(() => run([timeout(100), retry({ attempts: 10, delay: linear(70) })], handler))
    await pass(1000)
    expect(await code).toBe('timeout')
    expect(handler.calls).toBe(2)
  })

  it.each([
    [{ attempts: 1.5 }, 'retry.attempts: 1.5'],
    [{ perTryMs: 0 }, 'retry.perTryMs: 0'],
    [{ delay: 5 as never }, 'retry.delay: 5 is not a function'],
    [{ tries: 3 } as object, 'there is no option "tries"'],
  ])('refuses %j', (options, message) => {
    expect(() => retry(options)).toThrow(message)
  })
})

describe('exponential', () => {
  it('grows up to its bound (D15)', () => {
    const delay = exponential({ baseMs: 100, factor: 3, maxMs: 1000, jitter: 'none' })
    expect([1, 2, 3, 4, 400].map(delay)).toStrictEqual([100, 300, 900, 1000, 1000])
  })

  it('spreads over the whole pause (D15)', () => {
    const delay = exponential({ baseMs: 100, factor: 1 })
    const drawn = Array.from({ length: 400 }, () => delay(1))
    expect(Math.min(...drawn)).toBeLessThan(20)
    expect(Math.max(...drawn)).toBeGreaterThan(80)
    expect(Math.max(...drawn)).toBeLessThanOrEqual(100)
    const random = vi.spyOn(Math, 'random').mockReturnValue(0.25)
    expect(delay(1)).toBe(25)
    random.mockRestore()
  })

  it.each([
    [{ baseMs: 0 }, 'baseMs: 0'],
    [{ baseMs: -5 }, 'baseMs: -5'],
    [{ maxMs: Infinity }, 'maxMs: Infinity'],
    [{ factor: 0.5 }, 'factor: 0.5'],
    [{ jitter: 'some' as never }, 'jitter: "some" is not one of full, none'],
  ])('refuses %j (D15)', (options, message) => {
    expect(() => exponential(options)).toThrow(message)
  })
})

describe('linear', () => {
  it('is the same each time, 0 included (D15)', () => {
    expect([1, 2, 9].map(linear(40))).toStrictEqual([40, 40, 40])
    expect(linear(0)(3)).toBe(0)
    expect(() => linear(-1)).toThrow('linear: ms: -1')
  })
})
