// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { pendingDeadlines } from '../deadline.ts'
import { WsError } from '../ws-error.ts'
import {
  codeOf,
  failureOf,
  itemsOf,
  manualHandler,
  pass,
  principalOf,
  requestOf,
  run,
  TestStream,
  useVirtualClock,
} from './request.test-support.ts'
import { throttle } from './throttle.ts'

useVirtualClock()

describe('throttle', () => {
  it('runs so many at once, and the others in the order they came', async () => {
    const middleware = throttle({ limit: 2 })
    const handler = manualHandler()
    const replies = [1, 2, 3, 4].map((data) => run([middleware], handler, requestOf({ data })))
    expect(handler.calls.map(({ request }) => request.data)).toStrictEqual([1, 2])
    handler.calls[1]?.resolve('b')
    await pass(0)
    expect(handler.calls.map(({ request }) => request.data)).toStrictEqual([1, 2, 3])
    handler.calls[0]?.reject(new WsError('no_responders'))
    expect(await codeOf(() => replies[0])).toBe('no_responders')
    await pass(0)
    handler.calls[2]?.resolve('c')
    handler.calls[3]?.resolve('d')
    expect(await Promise.all(replies.slice(1))).toStrictEqual(['b', 'c', 'd'])
    expect(pendingDeadlines()).toBe(0)
  })

  it('gives the place of a handler that answers or throws at once back', () => {
    const middleware = throttle({ limit: 1 })
    expect(run([middleware], () => 'one')).toBe('one')
    expect(() =>
      run([middleware], () => {
        throw new WsError('not_found')
      }),
    ).toThrow('no such route')
    expect(run([middleware], () => 'two')).toBe('two')
  })

  it('counts a stream until it ends, is left, or breaks', async () => {
    const middleware = throttle({ limit: 1, queue: 0 })
    for (const finish of ['end', 'fail', 'return'] as const) {
      const stream = new TestStream()
      const reply = run([middleware], () => stream) as AsyncIterableIterator<unknown>
      expect(await codeOf(() => run([middleware], () => 'none'))).toBe('overloaded')
      if (finish === 'end') stream.end()
      if (finish === 'fail') stream.break(new WsError('bad_reply'))
      if (finish === 'return') await reply.return?.()
      else await codeOf(() => itemsOf(reply))
      expect(run([middleware], () => 'free')).toBe('free')
    }
  })

  it('lets nobody wait longer than maxWaitMs (D18)', async () => {
    const middleware = throttle({ limit: 1, maxWaitMs: 200 })
    const handler = manualHandler()
    const first = run([middleware], handler)
    const failure = failureOf(() => run([middleware], handler))
    await pass(230)
    expect(await failure).toMatchObject({ code: 'overloaded' })
    handler.calls[0]?.resolve('done')
    expect(await first).toBe('done')
    expect(handler.calls).toHaveLength(1)
    expect(run([middleware], () => 'free')).toBe('free')
  })

  it('lets no more wait than the queue holds (D18)', async () => {
    const middleware = throttle({ limit: 1, queue: 2 })
    const handler = manualHandler()
    const replies = [1, 2, 3].map(() => run([middleware], handler))
    expect(await codeOf(() => run([middleware], handler))).toBe('overloaded')
    for (const index of [0, 1, 2]) {
      handler.calls[index]?.resolve(index)
      await pass(0)
    }
    expect(await Promise.all(replies)).toStrictEqual([0, 1, 2])
  })

  it.each([
    ['connection', { id: 'a' }, { id: 'b' }],
    ['principal', { principal: principalOf('jo') }, { principal: principalOf('al') }],
    ['principal', { ip: '192.0.2.1' }, { ip: '192.0.2.2' }],
    ['principal', { ip: '192.0.2.1' }, { principal: principalOf('192.0.2.1') }],
    ['principal', { ip: '', id: 'a' }, { ip: '', id: 'b' }],
  ] as const)('keeps a limit for each %s (D18)', async (scope, one, other) => {
    const middleware = throttle({ limit: 1, queue: 0, scope })
    const handler = manualHandler()
    void run([middleware], handler, requestOf({ connection: one }))
    expect(await codeOf(() => run([middleware], handler, requestOf({ connection: one })))).toBe('overloaded')
    void run([middleware], handler, requestOf({ connection: other }))
    expect(handler.calls).toHaveLength(2)
  })

  it('keeps a limit for each key of a function', async () => {
    const middleware = throttle({ limit: 1, queue: 0, scope: (request) => request.key })
    const handler = manualHandler()
    void run([middleware], handler, requestOf({ key: 'a' }))
    void run([middleware], handler, requestOf({ key: 'b' }))
    expect(handler.calls).toHaveLength(2)
    expect(await codeOf(() => run([middleware], handler, requestOf({ key: 'a' })))).toBe('overloaded')
  })

  it('lets go of whoever leaves the queue', async () => {
    const middleware = throttle({ limit: 1, queue: 1 })
    const handler = manualHandler()
    void run([middleware], handler, requestOf({ data: 1 }))
    const leaving = requestOf({ data: 2 })
    const left = codeOf(() => run([middleware], handler, leaving))
    leaving.abort(new WsError('closed'))
    expect(await left).toBe('closed')
    const third = run([middleware], handler, requestOf({ data: 3 }))
    handler.calls[0]?.resolve()
    await pass(0)
    expect(handler.calls.map(({ request }) => request.data)).toStrictEqual([1, 3])
    handler.calls[1]?.resolve('third')
    expect(await third).toBe('third')
  })

  it('does not queue who has left already', async () => {
    const middleware = throttle({ limit: 1 })
    void run([middleware], manualHandler())
    const gone = requestOf()
    gone.abort(new WsError('cancelled'))
    expect(await codeOf(() => run([middleware], () => 1, gone))).toBe('cancelled')
    expect(pendingDeadlines()).toBe(0)
  })

  it('lets nobody wait once it is closed', async () => {
    const middleware = throttle({ limit: 1 })
    void run([middleware], manualHandler())
    const code = codeOf(() => run([middleware], () => 1))
    await middleware.close?.()
    expect(await code).toBe('draining')
    expect(pendingDeadlines()).toBe(0)
  })

  it('never runs more than the limit, and leaves nobody out', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.constantFrom('resolve', 'reject', 'leave'), { maxLength: 12 }),
        async (limit, ends) => {
          const middleware = throttle({ limit })
          let running = 0
          let most = 0
          const settled = ends.map((end) => {
            const request = requestOf()
            if (end === 'leave') queueMicrotask(() => request.abort(new WsError('cancelled')))
            const handler = async (): Promise<string> => {
              running += 1
              most = Math.max(most, running)
              await Promise.resolve()
              running -= 1
              if (end === 'reject') throw new WsError('bad_reply')
              return 'ok'
            }
            return codeOf(() => run([middleware], handler, request))
          })
          for (const [index, code] of (await Promise.all(settled)).entries()) {
            const end = ends[index]
            if (end === 'resolve') expect(code).toBe('ok')
            if (end === 'reject') expect(code).toBe('bad_reply')
          }
          expect(most).toBeLessThanOrEqual(limit)
          expect(run([middleware], () => 'free')).toBe('free')
        },
      ),
      { numRuns: inject('propertyRuns') },
    )
  })

  it.each([
    [{ limit: 0 }, 'throttle.limit: 0'],
    [{ limit: 1, queue: -1 }, 'throttle.queue: -1'],
    [{ limit: 1, maxWaitMs: 0 }, 'throttle.maxWaitMs: 0'],
    [{ limit: 1, scope: 'room' as never }, 'throttle.scope: "room" is not global, connection, principal'],
    [{ limit: 1, max: 1 } as never, 'there is no option "max"'],
  ])('refuses %j', (options, message) => {
    expect(() => throttle(options)).toThrow(message)
  })
})
