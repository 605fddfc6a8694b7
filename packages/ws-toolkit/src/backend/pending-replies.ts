// SPDX-License-Identifier: Apache-2.0
import type { Reply } from '../chain.ts'
import { cancel, schedule } from '../deadline.ts'
import { abortError } from '../middleware/pause.ts'
import type { WsRequest } from '../request.ts'
import { WsError } from '../ws-error.ts'
import type { MatchedReply } from './reply-match.ts'

interface Waiting {
  item(value: unknown): void
  settle(reply: Reply): void
  fail(error: WsError): void
}

/** Requests that wait for the answers of one connection. */
export class PendingReplies {
  readonly #timeoutMs: number
  readonly #waiting = new Map<string, Waiting>()
  #count = 0

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  get size(): number {
    return this.#waiting.size
  }

  /** An id for the next request, never used before on this connection. */
  nextId(): string {
    this.#count += 1
    return String(this.#count)
  }

  /** Waits for the answer to `id`; `onLeave` is told when it waits no more without one. */
  wait(id: string, request: WsRequest, onLeave: () => void): Promise<Reply> {
    const { signal } = request
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#waiting.delete(id)
        cancel(timer)
        signal.removeEventListener('abort', leave)
      }
      const waiting: Waiting = {
        item: (value) => void request.reply(value),
        settle: (reply) => {
          end()
          resolve(reply)
        },
        fail: (error) => {
          end()
          reject(error)
        },
      }
      const giveUp = (error: WsError): void => {
        waiting.fail(error)
        onLeave()
      }
      const leave = (): void => giveUp(abortError(signal))
      const timer = schedule(this.#timeoutMs, () => giveUp(new WsError('timeout')))
      this.#waiting.set(id, waiting)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  /** Gives an answer to whom it belongs; false when nobody waits for it. */
  take(reply: MatchedReply): boolean {
    const waiting = this.#waiting.get(reply.id)
    if (waiting === undefined) return false
    if (reply.type === 'item') waiting.item(reply.value)
    else if (reply.type === 'result') waiting.settle(reply.value)
    else waiting.fail(reply.error)
    return true
  }

  fail(id: string, error: WsError): void {
    this.#waiting.get(id)?.fail(error)
  }

  failAll(error: WsError): void {
    for (const waiting of this.#waiting.values()) waiting.fail(error)
  }
}
