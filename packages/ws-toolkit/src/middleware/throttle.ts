// SPDX-License-Identifier: Apache-2.0
import type { Middleware, Next, Reply } from '../chain.ts'
import { cancel, schedule } from '../deadline.ts'
import { checkKeys, whole } from '../option-check.ts'
import type { WsRequest } from '../request.ts'
import { WsError } from '../ws-error.ts'
import { follow } from './outcome.ts'
import { abortError } from './pause.ts'
import { scopeKey, type Scope } from './scope.ts'

export interface ThrottleOptions<U = unknown> {
  /** Requests under way at once, within one scope. */
  readonly limit: number
  /** Default `global`. */
  readonly scope?: Scope<U>
  /** Requests that may wait, altogether; beyond, the answer is `overloaded`. Default 1,000. */
  readonly queue?: number
  /** Longest a request waits before the answer is `overloaded`. Default 1,000. */
  readonly maxWaitMs?: number
}

interface Waiting {
  start(): void
  refuse(error: WsError): void
}

interface Lane {
  running: number
  /** In the order they came; a Set, so that whoever leaves is gone at once. */
  readonly waiting: Set<Waiting>
}

/** Lets so many requests run at once, in the order they came; a stream runs until it ends. */
export function throttle<U>(options: ThrottleOptions<U>): Middleware<U> {
  checkKeys('throttle', options, ['limit', 'scope', 'queue', 'maxWaitMs'])
  const limit = whole('throttle.limit', options.limit)
  const queue = whole('throttle.queue', options.queue ?? 1000, 0)
  const maxWaitMs = whole('throttle.maxWaitMs', options.maxWaitMs ?? 1000)
  const keyOf = scopeKey('throttle.scope', options.scope ?? 'global')
  const lanes = new Map<string, Lane>()
  let waiting = 0

  function leave(key: string, lane: Lane): void {
    const [first] = lane.waiting
    if (first !== undefined) first.start()
    else if (--lane.running === 0) lanes.delete(key)
  }

  function run(key: string, lane: Lane, next: Next<U>): Reply {
    return follow(next, () => leave(key, lane))
  }

  function wait(lane: Lane, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        cancel(timer)
        signal.removeEventListener('abort', abort)
        lane.waiting.delete(place)
        waiting -= 1
      }
      const place: Waiting = {
        start: () => {
          end()
          resolve()
        },
        refuse: (error) => {
          end()
          reject(error)
        },
      }
      const abort = (): void => place.refuse(abortError(signal))
      const tooLong = 'too many requests are under way; try again later'
      const timer = schedule(maxWaitMs, () => place.refuse(new WsError('overloaded', { message: tooLong })))
      signal.addEventListener('abort', abort, { once: true })
      lane.waiting.add(place)
      waiting += 1
    })
  }

  function enter(key: string, lane: Lane, request: WsRequest<U>, next: Next<U>): Promise<Reply> {
    const { signal } = request
    if (signal.aborted) throw abortError(signal)
    if (waiting >= queue) throw new WsError('overloaded', { message: 'too many requests are waiting; try again later' })
    // The place of whoever has left is taken over: `running` stays.
    return wait(lane, signal).then(() => run(key, lane, next))
  }

  const middleware: Middleware<U> = (request, next) => {
    const key = keyOf(request)
    let lane = lanes.get(key)
    if (lane === undefined) {
      lane = { running: 0, waiting: new Set() }
      lanes.set(key, lane)
    }
    if (lane.running >= limit) return enter(key, lane, request, next)
    lane.running += 1
    return run(key, lane, next)
  }

  function close(): void {
    for (const lane of lanes.values()) for (const place of lane.waiting) place.refuse(new WsError('draining'))
  }

  return Object.assign(middleware, { close })
}
