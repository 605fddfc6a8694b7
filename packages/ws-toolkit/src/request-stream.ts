// SPDX-License-Identifier: Apache-2.0
import type { RequestRun } from './request-run.ts'
import { WsError } from './ws-error.ts'

/** Whether a handler answers with many values. */
export function isStream(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}

/**
 * Sends the values of a stream one by one; the next is asked for only while little waits for the client. The stream is
 * returned on every end but its own. Rejects with what it threw, or with WsError where it was aborted.
 */
export async function sendStream<U>(run: RequestRun<U>, stream: AsyncIterable<unknown>): Promise<void> {
  const iterator = stream[Symbol.asyncIterator]()
  let isOver = false
  try {
    for (;;) {
      await run.connection.drained()
      const result = await nextOf(run, iterator)
      if (result === undefined) throw run.signal.reason
      if (result.done === true) {
        isOver = true
        return
      }
      if (!run.reply(result.value) && run.connection.state === 'closed') throw new WsError('closed')
    }
  } catch (error) {
    // What the stream itself has thrown has ended it; returning once more is harmless.
    if (!isOver) void Promise.resolve(iterator.return?.()).catch(ignore)
    throw error
  }
}

/** The next result; undefined when the request is aborted first. */
function nextOf<U>(
  run: RequestRun<U>,
  iterator: AsyncIterator<unknown>,
): Promise<IteratorResult<unknown, unknown> | undefined> | undefined {
  if (run.isAborted) return undefined
  // Not Promise.race(): a promise that outlives the stream would keep every value of it.
  return new Promise((resolve, reject) => {
    run.interrupt = () => resolve(undefined)
    iterator.next().then(resolve, reject)
  })
}

function ignore(): void {}
