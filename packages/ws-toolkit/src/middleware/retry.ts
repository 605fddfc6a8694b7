// SPDX-License-Identifier: Apache-2.0
import type { Middleware, Next, Reply } from '../chain.ts'
import type { SendOptions } from '../connection.ts'
import { checkKeys, hook, whole } from '../option-check.ts'
import type { RequestChange, WsRequest } from '../request.ts'
import { WsError } from '../ws-error.ts'
import { exponential, type Delay } from './delay.ts'
import { isPromise } from '../promise.ts'
import { abortError, pause } from './pause.ts'
import { RequestView } from './request-view.ts'
import { isServiceFault } from './service-fault.ts'
import { timeout } from './timeout.ts'

export interface RetryOptions<U = unknown> {
  /** Tries altogether. Default 3. */
  readonly attempts?: number
  /** Pause after a failure, longer where the error says so in `retryAfterMs`: above 30 s the client is told instead. Default `exponential()`. */
  readonly delay?: Delay
  /** Default: what the service did wrong (no answer, no connection, a 5xx), never what the client did. */
  readonly retryIf?: (error: WsError, failures: number, request: WsRequest<U>) => boolean
  /** Deadline of each try. Default none: give the whole one by `timeout()` around it. */
  readonly perTryMs?: number
}

// A request that waits takes a place of its connection: whoever is asked to come back later than this does so.
const longestPauseMs = 30_000

/** Tries again after a failure, unless a reply has gone out. Do not use it where doing a thing twice is wrong. */
export function retry<U>(options: RetryOptions<U> = {}): Middleware<U> {
  checkKeys('retry', options, ['attempts', 'delay', 'retryIf', 'perTryMs'])
  const attempts = whole('retry.attempts', options.attempts ?? 3)
  const delay = hook('retry.delay', options.delay) ?? exponential()
  const retryIf = hook('retry.retryIf', options.retryIf) ?? isServiceFault
  const deadline = options.perTryMs === undefined ? undefined : timeout(whole('retry.perTryMs', options.perTryMs))

  async function again(request: RepliedRequest<U>, next: Next<U>, thrown: unknown): Promise<Reply> {
    let error = thrown
    for (let failures = 1; failures < attempts; failures++) {
      const failure = WsError.from(error)
      if (request.hasReplied || !retryIf(failure, failures, request)) break
      if (request.signal.aborted) throw abortError(request.signal)
      const { retryAfterMs = 0 } = failure
      if (retryAfterMs > longestPauseMs) break
      await pause(Math.max(delay(failures), retryAfterMs), request.signal)
      try {
        return await attempt(request, next)
      } catch (failed) {
        error = failed
      }
    }
    throw error
  }

  function attempt(request: RepliedRequest<U>, next: Next<U>): Reply {
    return deadline === undefined ? next(request) : deadline(request, next)
  }

  return (request, next) => {
    const replied = new RepliedRequest(request)
    try {
      const reply = attempt(replied, next)
      return isPromise(reply) ? reply.then(undefined, (error: unknown) => again(replied, next, error)) : reply
    } catch (error) {
      return again(replied, next, error)
    }
  }
}

/** Remembers whether the client has seen anything of the answer. */
class RepliedRequest<U> extends RequestView<U> {
  readonly #root: { hasReplied: boolean }

  constructor(inner: WsRequest<U>, root: { hasReplied: boolean } = { hasReplied: false }) {
    super(inner)
    this.#root = root
  }

  get hasReplied(): boolean {
    return this.#root.hasReplied
  }

  override reply(value: unknown, options?: SendOptions): boolean {
    this.#root.hasReplied = true
    return this.inner.reply(value, options)
  }

  override with(change: RequestChange): WsRequest<U> {
    // A reply of one's own is not the client's.
    return change.reply === undefined
      ? new RepliedRequest(this.inner.with(change), this.#root)
      : this.inner.with(change)
  }
}
