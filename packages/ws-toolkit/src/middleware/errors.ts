// SPDX-License-Identifier: Apache-2.0
import type { Middleware, Reply } from '../chain.ts'
import { hook } from '../option-check.ts'
import type { WsRequest } from '../request.ts'
import { isStream } from '../request-stream.ts'
import { WsError } from '../ws-error.ts'
import { isPromise } from '../promise.ts'

/** Answers in the place of an error, or throws the same or another. The reason is `error.cause` where it was no WsError. */
export type OnError<U = unknown> = (error: WsError, request: WsRequest<U>) => Reply

/** Hands every error to one function; of a stream that breaks the function's answer is the last item. */
export function errors<U>(onError: OnError<U>): Middleware<U> {
  if (hook('errors: onError', onError) === undefined) throw new TypeError('errors: give a function')
  return (request, next) => {
    let reply: Reply
    try {
      reply = next()
    } catch (error) {
      return onError(WsError.from(error), request)
    }
    // Most replies are there: nothing is made for them.
    if (!isPromise(reply) && !isStream(reply)) return reply
    const recover = (error: unknown): Reply => onError(WsError.from(error), request)
    const guard = (value: Reply): Reply => (isStream(value) ? guarded(value, recover) : value)
    return isPromise(reply) ? reply.then(guard, recover) : guard(reply)
  }
}

async function* guarded(stream: AsyncIterable<unknown>, recover: (error: unknown) => Reply): AsyncGenerator {
  try {
    yield* stream
  } catch (error) {
    const last = await recover(error)
    if (last !== undefined) yield last
  }
}
