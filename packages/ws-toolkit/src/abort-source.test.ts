// SPDX-License-Identifier: Apache-2.0
import { afterEach, describe, expect, it, vi } from 'vitest'
import { abortSourceOf, AbortListeners, type AbortListener } from './abort-source.ts'
import type { Reply } from './chain.ts'
import { codeOf, requestOf, run } from './middleware/request.test-support.ts'
import { retry } from './middleware/retry.ts'
import { timeout } from './middleware/timeout.ts'
import type { WsRequest } from './request.ts'
import { WsError } from './ws-error.ts'

/** Listens until it is told, and rejects with what it was told. */
function ended(request: WsRequest): Promise<never> {
  const source = abortSourceOf(request)
  return new Promise((_resolve, reject) => {
    const listener: AbortListener = {
      aborted: (reason) => {
        source.removeAbortListener(listener)
        reject(reason instanceof Error ? reason : new Error(String(reason)))
      },
    }
    source.addAbortListener(listener)
  })
}

afterEach(() => {
  vi.unstubAllGlobals()
})

describe('the abort source of a request', () => {
  it.each([
    { what: 'itself', chain: [] },
    { what: 'a deadline', chain: [timeout(60_000)] },
    { what: 'two deadlines', chain: [timeout(60_000), timeout(60_000)] },
    { what: 'a deadline around tries', chain: [timeout(60_000), retry({ attempts: 2 })] },
  ])('is ended with it, seen through $what', async ({ chain }) => {
    const request = requestOf()
    const code = codeOf(() => run(chain, ended, request))
    request.abort(new WsError('closed'))
    expect(await code).toBe('closed')
  })

  it('makes no AbortController of its own', async () => {
    let made = 0
    class Counted extends AbortController {
      constructor() {
        super()
        made += 1
      }
    }
    vi.stubGlobal('AbortController', Counted)
    const request = requestOf()
    const code = codeOf(() => run([timeout(60_000), timeout(60_000)], ended, request))
    request.abort(new WsError('cancelled'))
    expect([await code, made]).toStrictEqual(['cancelled', 0])
    expect([request.signal.aborted, made]).toStrictEqual([true, 1])
  })

  it('is ended by a deadline, as the signal is, and not told again by the client that leaves', async () => {
    const told: unknown[] = []
    const reasons: unknown[] = []
    const request = requestOf()
    const handler = (timed: WsRequest): Reply => {
      abortSourceOf(timed).addAbortListener({ aborted: (reason) => told.push(reason) })
      timed.signal.addEventListener('abort', () => reasons.push(timed.signal.reason))
      return new Promise(() => {})
    }
    expect(await codeOf(() => run([timeout(30)], handler, request))).toBe('timeout')
    request.abort(new WsError('closed'))
    expect(told).toMatchObject([{ code: 'timeout' }])
    expect(reasons).toStrictEqual(told)
  })

  it('says so to who comes late', async () => {
    const seen: unknown[] = []
    const request = requestOf()
    request.abort(new WsError('closed'))
    run(
      [timeout(60_000)],
      (timed) => {
        const { isAborted, abortReason } = abortSourceOf(timed)
        seen.push(isAborted, abortReason)
      },
      request,
    )
    expect(seen).toMatchObject([true, { code: 'closed' }])
  })

  it('tells nobody who has left, nor once the request was answered', async () => {
    const told: string[] = []
    const request = requestOf()
    const handler = async (timed: WsRequest): Promise<string> => {
      const source = abortSourceOf(timed)
      const left = { aborted: () => told.push('left') }
      source.addAbortListener(left)
      source.addAbortListener({ aborted: () => told.push('stayed') })
      source.removeAbortListener(left)
      return 'answer'
    }
    expect(await run([timeout(60_000)], handler, request)).toBe('answer')
    request.abort(new WsError('closed'))
    expect(told).toStrictEqual([])
  })

  it.each([
    { what: 'of the request', change: (request: WsRequest, signal: AbortSignal) => request.with({ signal }) },
    {
      what: 'behind a deadline',
      change: (request: WsRequest, signal: AbortSignal) => {
        let timed = request
        run([timeout(60_000)], (inner) => void (timed = inner), request as ReturnType<typeof requestOf>)
        return timed.with({ signal })
      },
    },
    {
      what: 'of a stranger',
      change: (request: WsRequest, signal: AbortSignal): WsRequest => ({ ...request, signal }) as WsRequest,
    },
  ])('is the signal that was put in its place, $what', async ({ change }) => {
    const controller = new AbortController()
    const code = codeOf(() => ended(change(requestOf(), controller.signal)))
    controller.abort(new WsError('overloaded'))
    expect(await code).toBe('overloaded')
    const { isAborted, abortReason } = abortSourceOf(change(requestOf(), controller.signal))
    expect([isAborted, abortReason]).toMatchObject([true, { code: 'overloaded' }])
  })

  it('is that of what was changed in anything else', async () => {
    const request = requestOf()
    const code = codeOf(() => ended(request.with({ data: 1 })))
    request.abort(new WsError('closed'))
    expect(await code).toBe('closed')
  })
})

describe('AbortListeners', () => {
  it('tells those who were there, whoever comes or goes meanwhile', () => {
    const told: string[] = []
    const listeners = new AbortListeners()
    const second = { aborted: () => void told.push('second') }
    listeners.add({
      aborted: () => {
        told.push('first')
        listeners.delete(second)
        listeners.add({ aborted: () => void told.push('third') })
      },
    })
    listeners.add(second)
    listeners.tell(undefined)
    expect([told, listeners.isEmpty]).toStrictEqual([['first', 'second'], false])
  })
})
