// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, vi } from 'vitest'
import type { WsRequest } from '../request.ts'
import { pendingDeadlines } from '../deadline.ts'
import { WsError } from '../ws-error.ts'
import {
  codeOf,
  itemsOf,
  manualHandler,
  pass,
  requestOf,
  run,
  TestStream,
  useVirtualClock,
} from './request.test-support.ts'
import { timeout } from './timeout.ts'

useVirtualClock()

describe('timeout', () => {
  it('hands on a reply that is there at once, and sets no deadline for it', () => {
    expect(run([timeout(10)], () => 'now')).toBe('now')
    expect(pendingDeadlines()).toBe(0)
  })

  it('hands on a reply in time, and forgets its deadline', async () => {
    const handler = manualHandler()
    const reply = run([timeout(100)], handler)
    await pass(60)
    handler.calls[0]?.resolve('late enough')
    expect(await reply).toBe('late enough')
    expect(pendingDeadlines()).toBe(0)
  })

  it('answers timeout, and aborts the signal with it', async () => {
    const handler = manualHandler()
    const code = codeOf(() => run([timeout(100)], handler))
    const signal = handler.calls[0]?.request.signal
    expect(signal?.aborted).toBe(false)
    await pass(130)
    expect(await code).toBe('timeout')
    expect(signal?.reason).toMatchObject({ code: 'timeout' })
  })

  it('gives an aborted signal to a handler that asks for it too late', async () => {
    const handler = manualHandler()
    const code = codeOf(() => run([timeout(100)], handler))
    await pass(130)
    expect(await code).toBe('timeout')
    expect(handler.calls[0]?.request.signal.aborted).toBe(true)
  })

  it('hands on a failure in time', async () => {
    const handler = manualHandler()
    const code = codeOf(() => run([timeout(100)], handler))
    handler.calls[0]?.reject(new WsError('no_responders'))
    expect(await code).toBe('no_responders')
    expect(pendingDeadlines()).toBe(0)
  })

  it('drops a reply beside that comes too late', async () => {
    const handler = manualHandler()
    const request = requestOf()
    const code = codeOf(() => run([timeout(100)], handler, request))
    const seen = handler.calls[0]?.request
    expect(seen?.reply('in time')).toBe(true)
    await pass(130)
    expect(await code).toBe('timeout')
    expect(seen?.reply('too late')).toBe(false)
    expect(seen?.with({ data: 1 }).reply('too late')).toBe(false)
    expect(request.replies.map(({ value }) => value)).toStrictEqual(['in time'])
  })

  it('returns a stream that comes too late', async () => {
    const handler = manualHandler()
    const code = codeOf(() => run([timeout(100)], handler))
    await pass(130)
    expect(await code).toBe('timeout')
    const stream = new TestStream()
    handler.calls[0]?.resolve(stream)
    await pass(0)
    expect(stream.wasReturned).toBe(true)
  })

  it('hears nothing of a failure that comes too late', async () => {
    const handler = manualHandler()
    const code = codeOf(() => run([timeout(100)], handler))
    await pass(130)
    handler.calls[0]?.reject(new Error('late'))
    expect(await code).toBe('timeout')
  })

  it('lets a stream live, and still ends it with the client', async () => {
    const handler = manualHandler()
    const request = requestOf()
    const reply = run([timeout(100)], handler, request)
    const signal = handler.calls[0]?.request.signal
    const stream = new TestStream()
    handler.calls[0]?.resolve(stream)
    const items = itemsOf(await reply)
    await pass(500)
    expect(signal?.aborted).toBe(false)
    stream.push(1)
    request.abort(new WsError('closed'))
    expect(signal?.reason).toMatchObject({ code: 'closed' })
    stream.end()
    expect(await items).toStrictEqual([1])
  })

  it('follows the signal of the request, and lets go of it at the end', async () => {
    const request = requestOf()
    const removed = vi.spyOn(request.signal, 'removeEventListener')
    const handler = manualHandler()
    const reply = run([timeout(100)], handler, request)
    const seen = handler.calls[0]?.request
    const signal = seen?.signal
    handler.calls[0]?.resolve('done')
    await reply
    expect(removed).toHaveBeenCalledOnce()
    request.abort(new WsError('closed'))
    expect(signal?.aborted).toBe(false)
  })

  it('is aborted at once where the request was', () => {
    const request = requestOf()
    request.abort(new WsError('cancelled'))
    let seen: WsRequest | undefined
    void run([timeout(100)], (inner) => void (seen = inner), request)
    expect(seen?.signal.reason).toMatchObject({ code: 'cancelled' })
  })

  it('changes nothing else of the request', () => {
    const request = requestOf({ id: 7, key: 'k', route: 'k.*', data: { a: 1 }, binary: true })
    void run(
      [timeout(100)],
      (inner) => {
        const { id, key, route, params, data, bytes, binary, connection } = request
        expect(inner).toMatchObject({ id, key, route, params, data, bytes, binary })
        expect(inner.connection).toBe(connection)
        const changed = inner.with({ data: 2, signal: AbortSignal.abort('mine') })
        expect(changed.data).toBe(2)
        expect(changed.signal.reason).toBe('mine')
        expect(inner.data).toStrictEqual({ a: 1 })
      },
      request,
    )
    expect.assertions(5)
  })

  it.each([0, -1, 1.5, Infinity, NaN])('refuses %d ms', (ms) => {
    expect(() => timeout(ms)).toThrow(`timeout: ms: ${ms}`)
  })
})
