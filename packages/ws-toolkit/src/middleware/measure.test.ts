// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import type { WsEvent } from '../event.ts'
import { WsError } from '../ws-error.ts'
import { measure, type Measurement } from './measure.ts'
import {
  codeOf,
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

function recording(): { middleware: ReturnType<typeof measure>; seen: [string, Measurement][] } {
  const seen: [string, Measurement][] = []
  return { seen, middleware: measure(({ key }, measurement) => seen.push([key, measurement])) }
}

describe('measure', () => {
  it('tells how long an answer took, and how it ended', async () => {
    const { middleware, seen } = recording()
    const handler = manualHandler()
    const replies = ['a', 'b'].map((key) => codeOf(() => run([middleware], handler, requestOf({ key }))))
    await pass(30)
    handler.calls[0]?.resolve()
    await pass(40)
    handler.calls[1]?.reject(new WsError('timeout'))
    expect(await Promise.all(replies)).toStrictEqual(['ok', 'timeout'])
    expect(seen).toStrictEqual([
      ['a', { code: 'ok', ms: 30 }],
      ['b', { code: 'timeout', ms: 70 }],
    ])
  })

  it('tells of answers and errors that are there at once', () => {
    const { middleware, seen } = recording()
    expect(run([middleware], () => 'now')).toBe('now')
    expect(() =>
      run([middleware], () => {
        throw new Error('x')
      }),
    ).toThrow('x')
    expect(seen.map(([, { code }]) => code)).toStrictEqual(['ok', 'internal'])
  })

  it.each(['end', 'fail', 'return'] as const)('measures a stream up to its %s', async (finish) => {
    const { middleware, seen } = recording()
    const stream = new TestStream()
    const reply = run([middleware], () => stream) as AsyncIterableIterator<unknown>
    await pass(100)
    expect(seen).toStrictEqual([])
    if (finish === 'end') stream.end()
    if (finish === 'fail') stream.break(new WsError('bad_reply'))
    if (finish === 'return') await reply.return?.()
    else await codeOf(() => itemsOf(reply))
    expect(seen).toStrictEqual([['key', { code: finish === 'fail' ? 'bad_reply' : 'ok', ms: 100 }]])
    expect(stream.wasReturned).toBe(finish === 'return')
  })

  it('keeps a fault of save away from the answer, and tells observe', async () => {
    const events: WsEvent[] = []
    const error = new Error('full disk')
    const middleware = measure(() => {
      throw error
    })
    middleware.mount?.(siteOf(events))
    expect(run([middleware], () => 'well')).toBe('well')
    expect(await run([middleware], () => Promise.resolve('well'))).toBe('well')
    const event = { type: 'handler.failed', channel: '/test', handler: 'handler', error }
    expect(events).toStrictEqual([event, event])
  })

  it('refuses what is no function', () => {
    expect(() => measure(undefined as never)).toThrow('measure: give a function')
    expect(() => measure(1 as never)).toThrow('measure: save: 1 is not a function')
  })
})
