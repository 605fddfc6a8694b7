// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'
import type { Handler, Reply } from '../chain.ts'
import { cancel, schedule, type Deadline } from '../deadline.ts'
import { isPromise } from '../promise.ts'
import { abortError } from '../middleware/pause.ts'
import { checkKeys, hook, whole } from '../option-check.ts'
import type { WsRequest } from '../request.ts'
import { WsError } from '../ws-error.ts'

export interface QueueBackendOptions<U = unknown> {
  /**
   * Puts a request into a queue together with `id`, by which its answer is told from others. A throw or rejection fails
   * the request. Copy `request.bytes` where they stay in memory: they are a view of what was read from the socket.
   */
  readonly send: (request: WsRequest<U>, id: string) => void | Promise<void>
  /** Longest wait for an answer. Default 30,000. */
  readonly timeoutMs?: number
  /** Requests that wait; beyond, the answer is `overloaded`. Default 10,000. */
  readonly maxPending?: number
}

export interface QueueBackend<U = unknown> extends Handler<U> {
  /** Unique among all processes: ids are `<instance>.<number>`, so that answers can be sent to the right one. */
  readonly instance: string
  /**
   * Answers a request; an Error fails it. Legal at any time, inside `send` too. False when nobody waits for the answer:
   * it came late or twice, or belongs to another instance.
   */
  settle(id: string, answer: Reply): boolean
  /** Waiting requests, and answers nobody waited for. */
  stats(): { readonly pending: number; readonly unmatched: number }
  /** Fails what waits with `draining`, and refuses what comes. */
  close(): void
}

interface Waiting {
  settle(answer: Reply): void
}

/** Answers requests with what comes back from a queue at any time, by any way. */
export function queueBackend<U = unknown>(options: QueueBackendOptions<U>): QueueBackend<U> {
  checkKeys('queueBackend', options, ['send', 'timeoutMs', 'maxPending'])
  const { send } = options
  if (hook('queueBackend.send', send) === undefined) throw new TypeError('queueBackend.send: is missing')
  const timeoutMs = whole('queueBackend.timeoutMs', options.timeoutMs ?? 30_000)
  const maxPending = whole('queueBackend.maxPending', options.maxPending ?? 10_000)
  const instance = randomBytes(16).toString('hex')
  const pending = new Map<string, Waiting>()
  let unmatched = 0
  let count = 0
  let isClosed = false

  function settle(id: string, answer: Reply): boolean {
    const waiting = pending.get(id)
    if (waiting === undefined) unmatched += 1
    else waiting.settle(answer)
    return waiting !== undefined
  }

  function wait(id: string, signal: AbortSignal): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const leave = (): void => waiting.settle(abortError(signal))
      const timer: Deadline = schedule(timeoutMs, () => waiting.settle(new WsError('timeout')))
      const waiting: Waiting = {
        settle: (answer) => {
          pending.delete(id)
          cancel(timer)
          signal.removeEventListener('abort', leave)
          if (answer instanceof Error) reject(answer)
          else resolve(answer)
        },
      }
      pending.set(id, waiting)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  const handler = (request: WsRequest<U>): Promise<Reply> => {
    const { signal } = request
    if (isClosed) throw new WsError('draining')
    if (signal.aborted) throw abortError(signal)
    if (pending.size >= maxPending) throw new WsError('overloaded')
    count += 1
    const id = `${instance}.${count}`
    // Before it is sent: the answer may come while it is.
    const answer = wait(id, signal)
    const failed = (error: unknown): void => pending.get(id)?.settle(WsError.from(error))
    try {
      const sending = send(request, id)
      if (isPromise(sending)) sending.then(undefined, failed)
    } catch (error) {
      failed(error)
    }
    return answer
  }
  return Object.assign(handler, {
    instance,
    settle,
    stats: () => ({ pending: pending.size, unmatched }),
    close: () => {
      isClosed = true
      for (const waiting of pending.values()) waiting.settle(new WsError('draining'))
    },
  })
}
