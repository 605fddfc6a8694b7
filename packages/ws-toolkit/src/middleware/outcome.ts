// SPDX-License-Identifier: Apache-2.0
import type { Reply } from '../chain.ts'
import { isPromise } from '../promise.ts'
import { isStream } from '../request-stream.ts'
import { WsError } from '../ws-error.ts'

/** Is told once how a request ended; undefined: well. */
export type Done = (failure: WsError | undefined) => void

/** Calls a handler and tells `done` when it has ended, a stream when it was read or left; the reply stays what it is. */
export function follow(call: () => Reply, done: Done): Reply {
  let reply: Reply
  try {
    reply = call()
  } catch (error) {
    return failed(error, done)
  }
  if (!isPromise(reply)) return followed(reply, done)
  return reply.then(
    (value) => followed(value, done),
    (error: unknown) => failed(error, done),
  )
}

function failed(error: unknown, done: Done): never {
  done(WsError.from(error))
  throw error
}

/** Lets go of a reply nobody will take. */
export function discard(reply: unknown): void {
  if (!isStream(reply)) return
  const leaving = reply[Symbol.asyncIterator]().return?.()
  leaving?.catch(() => {})
}

/** Tells `done` when a reply that is there has ended: at once, unless it is a stream. */
export function followed(reply: Reply, done: Done): Reply {
  if (isStream(reply)) return new FollowedStream(reply[Symbol.asyncIterator](), done)
  done(undefined)
  return reply
}

class FollowedStream implements AsyncIterableIterator<unknown> {
  readonly #source: AsyncIterator<unknown>
  #done: Done | undefined

  constructor(source: AsyncIterator<unknown>, done: Done) {
    this.#source = source
    this.#done = done
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<unknown>> {
    try {
      const item = await this.#source.next()
      if (item.done === true) this.#end(undefined)
      return item
    } catch (error) {
      this.#end(WsError.from(error))
      throw error
    }
  }

  async return(value?: unknown): Promise<IteratorResult<unknown>> {
    this.#end(undefined)
    return (await this.#source.return?.(value)) ?? { done: true, value }
  }

  #end(failure: WsError | undefined): void {
    const done = this.#done
    this.#done = undefined
    done?.(failure)
  }
}
