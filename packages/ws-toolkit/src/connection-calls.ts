// SPDX-License-Identifier: Apache-2.0
import type { Codec, RequestId } from './codec/codec.ts'
import type { CallOptions, SendOptions } from './connection.ts'
import { cancel, schedule, type Deadline } from './deadline.ts'
import { frameOf, type Frame, type Outgoing } from './frame.ts'
import { WsError } from './ws-error.ts'

/** Who is asked: a client, in the words of its channel. */
export interface Asked {
  readonly runtime: { readonly codec: Codec | undefined }
  send(message: Outgoing, options?: SendOptions): boolean
  push(frame: Frame): boolean
}

/** What a client is asked or told. */
export interface Said {
  readonly method: string
  readonly params: unknown
}

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

  /** Asks a client; rejects where its codec has no words for that. */
  ask(asked: Asked, { method, params }: Said, options: CallOptions): Promise<unknown> {
    const { codec } = asked.runtime
    if (codec?.call === undefined) return Promise.reject(unspoken('requests to clients'))
    const call = codec.call
    const push = (id: RequestId): boolean => {
      // Dropped for a slow client: it will never answer.
      const settle = (error?: Error | null): void => {
        if (error instanceof WsError) this.settle(id, undefined, error)
      }
      return asked.push(frameOf(call(id, method, params), undefined, { settle }))
    }
    return this.#begin(push, options)
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

  /** Whether a call of this id was made, whatever became of it. */
  hasAsked(id: RequestId): boolean {
    return typeof id === 'number' && Number.isInteger(id) && id >= 1 && id <= this.#lastId
  }

  fail(): void {
    for (const id of this.#pending.keys()) this.settle(id, undefined, new WsError('closed'))
  }

  #begin(send: (id: RequestId) => boolean, { timeoutMs = 10_000, signal }: CallOptions): Promise<unknown> {
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
}

/** Tells a client; throws where its codec has no words for that. */
export function tell(asked: Asked, { method, params }: Said, options: SendOptions | undefined): boolean {
  const { codec } = asked.runtime
  if (codec?.notice === undefined) throw unspoken('events')
  return asked.send(codec.notice(method, params), options)
}

function unspoken(what: string): WsError {
  return new WsError('unsupported', { message: `the codec of this channel has no ${what}` })
}
