// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { pendingDeadlines } from '../deadline.ts'
import {
  codeOf,
  itemsOf,
  pass,
  requestOf,
  run,
  TestStream,
  useVirtualClock,
} from '../middleware/request.test-support.ts'
import { retry } from '../middleware/retry.ts'
import { WsError } from '../ws-error.ts'
import { queueBackend, type QueueBackendOptions } from './queue-backend.ts'

useVirtualClock()

function recording(options: Partial<QueueBackendOptions> = {}): {
  backend: ReturnType<typeof queueBackend>
  ids: string[]
} {
  const ids: string[] = []
  return { ids, backend: queueBackend({ send: (_request, id) => void ids.push(id), ...options }) }
}

describe('queueBackend', () => {
  it('answers with what is settled, whatever the order', async () => {
    const { backend, ids } = recording()
    const replies = [backend(requestOf()), backend(requestOf())]
    expect(backend.settle(ids[1] ?? '', 'second')).toBe(true)
    expect(backend.settle(ids[0] ?? '', 'first')).toBe(true)
    expect(await Promise.all(replies)).toStrictEqual(['first', 'second'])
    expect(backend.stats()).toStrictEqual({ pending: 0, unmatched: 0 })
    expect(pendingDeadlines()).toBe(0)
  })

  it('gives ids that no other instance gives (D21)', () => {
    const all = Array.from({ length: 50 }, () => {
      const { backend, ids } = recording()
      void codeOf(() => backend(requestOf()))
      void codeOf(() => backend(requestOf()))
      expect(ids).toStrictEqual([`${backend.instance}.1`, `${backend.instance}.2`])
      backend.close()
      return ids
    })
    expect(new Set(all.flat()).size).toBe(100)
  })

  it('may be settled inside send (D21)', async () => {
    const backend: ReturnType<typeof queueBackend> = queueBackend({
      send: (_request, id) => {
        expect(backend.settle(id, 'at once')).toBe(true)
        expect(backend.settle(id, 'again')).toBe(false)
      },
    })
    expect(await backend(requestOf())).toBe('at once')
    expect(backend.stats()).toStrictEqual({ pending: 0, unmatched: 1 })
  })

  it('takes no answer in time for a timeout, and says that it comes late (D21)', async () => {
    const { backend, ids } = recording({ timeoutMs: 100 })
    const code = codeOf(() => backend(requestOf()))
    await pass(130)
    expect(await code).toBe('timeout')
    expect(backend.settle(ids[0] ?? '', 'late')).toBe(false)
    expect(backend.stats()).toStrictEqual({ pending: 0, unmatched: 1 })
  })

  it('takes no answer of another instance, or to nothing', () => {
    const { backend } = recording()
    for (const id of ['', 'x.1', `${backend.instance}.7`, `${backend.instance}.`, '__proto__']) {
      expect(backend.settle(id, 'x')).toBe(false)
    }
  })

  it('settles each request once, however often it is answered (D21)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(4), { maxLength: 20 }), async (order) => {
        const { backend, ids } = recording()
        const replies = [0, 1, 2, 3, 4].map(() => backend(requestOf()))
        const seen = new Set<number>()
        for (const index of order) {
          expect(backend.settle(ids[index] ?? '', `answer ${index}`)).toBe(!seen.has(index))
          seen.add(index)
        }
        for (const index of seen) expect(await replies[index]).toBe(`answer ${index}`)
        expect(backend.stats()).toStrictEqual({ pending: 5 - seen.size, unmatched: order.length - seen.size })
        for (const [index, reply] of replies.entries()) if (!seen.has(index)) void codeOf(() => reply)
        backend.close()
      }),
      { numRuns: Math.ceil(inject('propertyRuns') / 4) },
    )
  })

  it('fails with an error that is settled', async () => {
    const { backend, ids } = recording()
    const codes = [1, 2].map(() => codeOf(() => backend(requestOf())))
    backend.settle(ids[0] ?? '', new WsError('conflict'))
    backend.settle(ids[1] ?? '', new Error('plain'))
    expect(await Promise.all(codes)).toStrictEqual(['conflict', 'Error: plain'])
  })

  it('hands a stream on', async () => {
    const { backend, ids } = recording()
    const reply = backend(requestOf())
    const stream = new TestStream()
    for (const item of [1, 2]) stream.push(item)
    stream.end()
    backend.settle(ids[0] ?? '', stream)
    expect(await itemsOf(reply)).toStrictEqual([1, 2])
  })

  it.each([
    [
      'throws',
      () => {
        throw new WsError('disconnected')
      },
    ],
    ['rejects', () => Promise.reject(new WsError('disconnected'))],
  ])('fails when send %s', async (_how, send) => {
    const backend = queueBackend({ send })
    expect(await codeOf(() => backend(requestOf()))).toBe('disconnected')
    expect([backend.stats().pending, pendingDeadlines()]).toStrictEqual([0, 0])
  })

  it('keeps an answer that came before send has failed', async () => {
    const backend: ReturnType<typeof queueBackend> = queueBackend({
      send: (_request, id) => {
        backend.settle(id, 'answered')
        throw new Error('afterwards')
      },
    })
    expect(await backend(requestOf())).toBe('answered')
  })

  it('lets no more requests wait than maxPending', async () => {
    const { backend, ids } = recording({ maxPending: 2 })
    const replies = [backend(requestOf()), backend(requestOf())]
    expect(await codeOf(() => backend(requestOf()))).toBe('overloaded')
    backend.settle(ids[0] ?? '', 1)
    replies.push(backend(requestOf()))
    backend.settle(ids[1] ?? '', 2)
    backend.settle(ids[2] ?? '', 3)
    expect(await Promise.all(replies)).toStrictEqual([1, 2, 3])
  })

  it('forgets a request that ends', async () => {
    const { backend, ids } = recording()
    const request = requestOf()
    const code = codeOf(() => backend(request))
    request.abort(new WsError('closed'))
    expect(await code).toBe('closed')
    expect(backend.settle(ids[0] ?? '', 'x')).toBe(false)
    expect(await codeOf(() => backend(request))).toBe('closed')
    expect([ids.length, pendingDeadlines()]).toStrictEqual([1, 0])
  })

  it('sends again under another id when it is tried again', async () => {
    const { backend, ids } = recording({ timeoutMs: 100 })
    const reply = run([retry({ delay: () => 0 })], backend)
    await pass(160)
    expect(ids).toHaveLength(2)
    expect(backend.settle(ids[0] ?? '', 'late')).toBe(false)
    expect(backend.settle(ids[1] ?? '', 'second')).toBe(true)
    expect(await reply).toBe('second')
  })

  it('fails what waits when it is closed, and refuses what comes', async () => {
    const { backend } = recording()
    const code = codeOf(() => backend(requestOf()))
    backend.close()
    expect(await code).toBe('draining')
    expect(await codeOf(() => backend(requestOf()))).toBe('draining')
    expect(pendingDeadlines()).toBe(0)
  })

  it.each([
    [{} as never, 'queueBackend.send: is missing'],
    [{ send: 'x' as never }, 'queueBackend.send: "x" is not a function'],
    [{ send: () => {}, timeoutMs: 0 }, 'queueBackend.timeoutMs: 0'],
    [{ send: () => {}, maxPending: 0 }, 'queueBackend.maxPending: 0'],
    [{ send: () => {}, queue: 1 } as never, 'there is no option "queue"'],
  ])('refuses %j', (options, message) => {
    expect(() => queueBackend(options)).toThrow(message)
  })
})
