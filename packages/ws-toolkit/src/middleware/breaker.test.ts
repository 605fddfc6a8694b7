// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import type { WsEvent } from '../event.ts'
import { WsError, type WsErrorCode } from '../ws-error.ts'
import { breaker } from './breaker.ts'
import { Circuit, type CircuitState } from './circuit.ts'
import {
  codeOf,
  failureOf,
  itemsOf,
  manualHandler,
  pass,
  requestOf,
  run,
  siteOf,
  TestStream,
  useVirtualClock,
} from './request.test-support.ts'

useVirtualClock()

const rules = { threshold: 0.5, windowMs: 10_000, minCalls: 4, resetMs: 1000, halfOpen: 1 }
const ok = (): string => 'ok'

function fail(code: WsErrorCode = 'bad_reply'): () => never {
  return () => {
    throw new WsError(code)
  }
}

async function trip(middleware: ReturnType<typeof breaker>, times = rules.minCalls): Promise<void> {
  for (let call = 0; call < times; call++) await codeOf(() => run([middleware], fail()))
}

describe('breaker', () => {
  it('walks from closed to open, half open, open again, half open and closed', async () => {
    const events: WsEvent[] = []
    const middleware = breaker(rules)
    middleware.mount?.(siteOf(events))
    await trip(middleware)
    expect(await failureOf(() => run([middleware], ok))).toMatchObject({ code: 'circuit_open', retryAfterMs: 1000 })
    await pass(400)
    expect(await failureOf(() => run([middleware], ok))).toMatchObject({ code: 'circuit_open', retryAfterMs: 600 })
    await pass(600)
    expect(await codeOf(() => run([middleware], fail()))).toBe('bad_reply')
    expect(await failureOf(() => run([middleware], ok))).toMatchObject({ code: 'circuit_open', retryAfterMs: 1000 })
    await pass(1000)
    expect(run([middleware], ok)).toBe('ok')
    expect([...middleware.states()]).toStrictEqual([['/test route', 'closed']])
    expect(events).toStrictEqual(
      ['open', 'half-open', 'open', 'half-open', 'closed'].map((state) => ({
        type: 'breaker.changed',
        channel: '/test',
        route: 'route',
        state,
      })),
    )
  })

  it('does not ask the service while it is open', async () => {
    const middleware = breaker(rules)
    await trip(middleware)
    let calls = 0
    for (let call = 0; call < 100; call++) await codeOf(() => run([middleware], () => void (calls += 1)))
    expect(calls).toBe(0)
  })

  it('counts failures within the window only (D16)', async () => {
    const middleware = breaker(rules)
    for (let call = 0; call < 12; call++) {
      expect(await codeOf(() => run([middleware], fail()))).toBe('bad_reply')
      // It would be asked again by now had it opened.
      expect([...middleware.states().values()]).toStrictEqual(['closed'])
      await pass(5000)
    }
    await trip(middleware, 3)
    expect(await codeOf(() => run([middleware], ok))).toBe('circuit_open')
  })

  it('goes by the share of failures, whatever their order', async () => {
    const middleware = breaker({ ...rules, threshold: 0.6, minCalls: 10 })
    for (const end of [ok, ok, ok, ok, fail(), fail(), fail(), fail(), fail()])
      await codeOf(() => run([middleware], end))
    expect(await codeOf(() => run([middleware], ok))).toBe('ok')
    await codeOf(() => run([middleware], fail()))
    expect(await codeOf(() => run([middleware], ok))).toBe('ok')
    for (const end of [fail(), fail(), fail()]) await codeOf(() => run([middleware], end))
    expect(await codeOf(() => run([middleware], ok))).toBe('circuit_open')
  })

  it('refuses calls beside the one that tries, with the same error (D16)', async () => {
    const middleware = breaker(rules)
    await trip(middleware)
    await pass(1000)
    const handler = manualHandler()
    const probe = run([middleware], handler)
    await pass(300)
    expect(await failureOf(() => run([middleware], ok))).toMatchObject({ code: 'circuit_open', retryAfterMs: 700 })
    handler.calls[0]?.resolve('well')
    expect(await probe).toBe('well')
    expect(run([middleware], ok)).toBe('ok')
  })

  it('closes only after as many good calls as halfOpen says', async () => {
    const middleware = breaker({ ...rules, halfOpen: 2 })
    await trip(middleware)
    await pass(1000)
    expect(run([middleware], ok)).toBe('ok')
    expect([...middleware.states().values()]).toStrictEqual(['half-open'])
    expect(run([middleware], ok)).toBe('ok')
    expect([...middleware.states().values()]).toStrictEqual(['closed'])
  })

  it('lets another call try when the first does not end', async () => {
    const middleware = breaker(rules)
    await trip(middleware)
    await pass(1000)
    void run([middleware], manualHandler())
    await pass(999)
    expect(await codeOf(() => run([middleware], ok))).toBe('circuit_open')
    await pass(1)
    expect(run([middleware], ok)).toBe('ok')
  })

  it('takes a call that was cancelled for no answer at all', async () => {
    const middleware = breaker(rules)
    for (let call = 0; call < 10; call++) await codeOf(() => run([middleware], fail('cancelled')))
    await trip(middleware)
    await pass(1000)
    await codeOf(() => run([middleware], fail('closed')))
    expect([...middleware.states().values()]).toStrictEqual(['half-open'])
    expect(run([middleware], ok)).toBe('ok')
    expect([...middleware.states().values()]).toStrictEqual(['closed'])
  })

  it('does not count what the client did wrong', async () => {
    const middleware = breaker(rules)
    for (let call = 0; call < 20; call++) await codeOf(() => run([middleware], fail('invalid_params')))
    expect(run([middleware], ok)).toBe('ok')
  })

  it('asks failureIf', async () => {
    const middleware = breaker({ ...rules, failureIf: (error) => error.code === 'not_found' })
    await trip(middleware)
    expect(run([middleware], ok)).toBe('ok')
    for (let call = 0; call < 8; call++) await codeOf(() => run([middleware], fail('not_found')))
    expect(await codeOf(() => run([middleware], ok))).toBe('circuit_open')
  })

  it('is not closed by a call from before it opened', async () => {
    const middleware = breaker(rules)
    const handler = manualHandler()
    const old = [run([middleware], handler), run([middleware], handler)]
    await trip(middleware)
    await pass(1000)
    const probe = run([middleware], handler)
    handler.calls[0]?.resolve('old')
    handler.calls[1]?.reject(new WsError('bad_reply'))
    await codeOf(() => old[0])
    await codeOf(() => old[1])
    expect([...middleware.states().values()]).toStrictEqual(['half-open'])
    handler.calls[2]?.resolve('new')
    await probe
    expect([...middleware.states().values()]).toStrictEqual(['closed'])
  })

  it('begins to count anew once it has closed', async () => {
    const middleware = breaker(rules)
    await trip(middleware)
    await pass(rules.resetMs)
    expect(run([middleware], ok)).toBe('ok')
    await trip(middleware, rules.minCalls - 1)
    expect([...middleware.states().values()]).toStrictEqual(['closed'])
    await trip(middleware, 1)
    expect([...middleware.states().values()]).toStrictEqual(['open'])
  })

  it('counts a stream by its end', async () => {
    const middleware = breaker({ ...rules, minCalls: 1 })
    const stream = new TestStream()
    const reply = run([middleware], () => stream)
    expect(run([middleware], ok)).toBe('ok')
    stream.break(new WsError('bad_reply'))
    await codeOf(() => itemsOf(reply))
    expect(await codeOf(() => run([middleware], ok))).toBe('circuit_open')
  })

  it('has a circuit for each route, or each key', async () => {
    const middleware = breaker({ ...rules, minCalls: 1 })
    await codeOf(() => run([middleware], fail(), requestOf({ route: 'a' })))
    expect(await codeOf(() => run([middleware], ok, requestOf({ route: 'a' })))).toBe('circuit_open')
    expect(run([middleware], ok, requestOf({ route: 'b' }))).toBe('ok')
    const keyed = breaker({ ...rules, minCalls: 1, key: ({ data }) => String(data) })
    await codeOf(() => run([keyed], fail(), requestOf({ data: 1 })))
    expect(await codeOf(() => run([keyed], ok, requestOf({ data: 1 })))).toBe('circuit_open')
    expect(run([keyed], ok, requestOf({ data: 2 }))).toBe('ok')
  })

  it('keeps so many circuits, the last used ones', async () => {
    const middleware = breaker({ ...rules, maxKeys: 2, key: ({ key }) => key })
    for (const key of ['a', 'b', 'a', 'c']) void run([middleware], ok, requestOf({ key }))
    expect([...middleware.states().keys()].toSorted()).toStrictEqual(['a', 'c'])
    middleware.close()
    expect(middleware.states().size).toBe(0)
  })

  it.each([
    [{ threshold: 0 }, 'breaker.threshold: 0'],
    [{ threshold: 1.1 }, 'breaker.threshold: 1.1'],
    [{ threshold: NaN }, 'breaker.threshold: NaN'],
    [{ windowMs: 9 }, 'breaker.windowMs: 9'],
    [{ minCalls: 0 }, 'breaker.minCalls: 0'],
    [{ resetMs: 0 }, 'breaker.resetMs: 0'],
    [{ halfOpen: 0 }, 'breaker.halfOpen: 0'],
    [{ maxKeys: 0 }, 'breaker.maxKeys: 0'],
    [{ period: 1 } as object, 'there is no option "period"'],
  ])('refuses %j', (options, message) => {
    expect(() => breaker(options)).toThrow(message)
  })
})

describe('Circuit', () => {
  const steps = fc.array(
    fc.record({
      laterMs: fc.integer({ min: 0, max: 1500 }),
      end: fc.constantFrom('succeeded', 'failed', 'abandoned', 'never'),
    }),
    { maxLength: 80 },
  )

  it('lets calls through again at the latest after resetMs, and changes only along its ways', () => {
    const ways: Readonly<Record<CircuitState, readonly CircuitState[]>> = {
      closed: ['open'],
      open: ['half-open'],
      'half-open': ['open', 'closed'],
    }
    fc.assert(
      fc.property(steps, (walk) => {
        let state: CircuitState = 'closed'
        const circuit = new Circuit({ ...rules, minCalls: 2 }, (next) => {
          expect(ways[state]).toContain(next)
          state = next
        })
        let now = 0
        for (const { laterMs, end } of walk) {
          now += laterMs
          const waitMs = circuit.admit(now)
          expect(waitMs).toBeLessThanOrEqual(rules.resetMs)
          if (waitMs > 0) {
            expect(circuit.state).not.toBe('closed')
            now += waitMs
            expect(circuit.admit(now)).toBe(0)
          }
          if (end === 'succeeded') circuit.succeeded(circuit.ticket, now)
          if (end === 'failed') circuit.failed(circuit.ticket, now)
          if (end === 'abandoned') circuit.abandoned(circuit.ticket)
          expect(circuit.state).toBe(state)
        }
      }),
      { numRuns: inject('propertyRuns') },
    )
  })
})
