// SPDX-License-Identifier: Apache-2.0
import type { RequestId } from './codec/codec.ts'
import type { CallOptions } from './connection.ts'
import { cancel, schedule, type Deadline } from './deadline.ts'
import { WsError } from './ws-error.ts'

interface Call {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: WsError) => void
  readonly deadline: Deadline
  readonly unlisten: () => void
}

const maxPending = 100

/** What a connection has asked its client and was not told yet. */
export class ConnectionCalls {
  readonly #pending = new Map<RequestId, Call>()
  #lastId = 0

  /** Sends by `send`, which gets the id, and waits. */
  begin(send: (id: RequestId) => boolean, { timeoutMs = 10_000, signal }: CallOptions): Promise<unknown> {
    if (signal?.aborted === true) return Promise.reject(new WsError('cancelled', { cause: signal.reason }))
    if (this.#pending.size >= maxPending) return Promise.reject(new WsError('overloaded'))
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.settle(id, undefined, new WsError('cancelled', { cause: signal?.reason }))
      }
      const deadline = schedule(timeoutMs, () => this.settle(id, undefined, new WsError('timeout')))
      signal?.addEventListener('abort', abort, { once: true })
      this.#pending.set(id, { resolve, reject, deadline, unlisten: () => signal?.removeEventListener('abort', abort) })
      if (!send(id)) this.settle(id, undefined, new WsError('closed'))
    })
  }

  /** Takes an answer; false when nobody waits for it. */
  settle(id: RequestId, result: unknown, error?: WsError): boolean {
    const call = this.#pending.get(id)
    if (call === undefined) return false
    this.#pending.delete(id)
    cancel(call.deadline)
    call.unlisten()
    if (error === undefined) call.resolve(result)
    else call.reject(error)
    return true
  }

  fail(): void {
    for (const id of this.#pending.keys()) this.settle(id, undefined, new WsError('closed'))
  }
}
