// SPDX-License-Identifier: Apache-2.0
import type { BusMessage } from '@nats-edge/wire-parser'
import type { NatsSource } from '@nats-edge/wire-parser/bus'
import type { Handler, Reply } from '../chain.ts'
import { whole } from '../option-check.ts'
import type { WsRequest } from '../request.ts'
import { WsError } from '../ws-error.ts'
import { busFault } from './bus-fault.ts'
import { Outbound, type OutboundMessage, type OutboundOptions } from './outbound.ts'
import { PendingCalls } from './pending-calls.ts'
import type { SubjectSource } from './request-subject.ts'

/** What a backend takes that waits for one reply. */
export interface SingleReplyOptions<U = unknown> extends OutboundOptions<U> {
  /** Longest wait for the reply. Default 5,000. */
  readonly timeoutMs?: number
  /** Requests that wait for replies; beyond, the answer is `overloaded`. Default 10,000. */
  readonly maxPending?: number
}

/** A backend that sends over NATS. */
export interface NatsHandler<U = unknown> extends Handler<U> {
  stats(): { readonly pending: number }
  /** Fails what waits with `draining`, and refuses what comes. Never closes the connection to NATS. */
  close(): void
}

/** Sends messages and waits for the one reply of each. */
export class SingleReply<U> {
  readonly outbound: Outbound<U>
  readonly #pending: PendingCalls
  readonly #timeoutMs: number

  constructor(where: string, nats: NatsSource, subject: SubjectSource<U>, options: SingleReplyOptions<U>) {
    this.#timeoutMs = whole(`${where}.timeoutMs`, options.timeoutMs ?? 5000)
    this.#pending = new PendingCalls(whole(`${where}.maxPending`, options.maxPending ?? 10_000))
    this.outbound = new Outbound(where, nats, subject, options)
  }

  /** Answers with what `valueOf` makes of the reply. */
  ask({ signal }: WsRequest<U>, message: OutboundMessage, valueOf: (reply: BusMessage) => Reply): Reply {
    const { subject, payload, headers } = message
    return this.#pending.wait(signal, (call) => {
      const waiting = this.outbound.bus.request(
        subject,
        payload,
        (reply) => {
          try {
            if (reply.kind === 'error') call.reject(busFault(reply))
            else call.resolve(valueOf(reply))
          } catch (error) {
            call.reject(WsError.from(error))
          }
        },
        { timeoutMs: this.#timeoutMs, headers },
      )
      return () => waiting.cancel()
    })
  }

  /** Makes a backend of what is done with a request. */
  handler(handle: (request: WsRequest<U>) => Reply): NatsHandler<U> {
    const { outbound } = this
    const pending = this.#pending
    return Object.assign(handle, {
      mount: outbound.mount.bind(outbound),
      stats: () => ({ pending: pending.size }),
      close: () => {
        outbound.close()
        pending.fail(new WsError('draining'))
      },
    })
  }
}
