// SPDX-License-Identifier: Apache-2.0
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { RequestRun } from './request-run.ts'
import { WsError } from './ws-error.ts'

// A stream that always has a next value must not keep everybody else waiting.
const turnLength = 64

/** Whether a handler answers with many values. */
export function isStream(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}

/**
 * Sends the values of a stream one by one; the next is asked for only while little waits for the client, and the first
 * only when it is the turn of this request. The stream is returned on every end but its own. Rejects with what it threw,
 * or with WsError where it was aborted.
 */
export async function sendStream<U>(run: RequestRun<U>, stream: AsyncIterable<unknown>): Promise<void> {
  const iterator = stream[Symbol.asyncIterator]()
  let isOver = false
  try {
    await run.connection.requests?.turnOf(run)
    for (let sent = 1; ; sent += 1) {
      await run.connection.drained()
      if (sent % turnLength === 0) await nextTurn()
      const result = await nextOf(run, iterator)
      if (result === undefined) throw run.signal.reason
      if (result.done === true) {
        isOver = true
        return
      }
      // Nobody gets it: the connection leaves, or a notification has no answers.
      if (!run.reply(result.value)) throw new WsError('closed')
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
