// SPDX-License-Identifier: Apache-2.0
import type { NatsSource } from '@nats-edge/wire-parser/bus'
import type { Handler, Reply } from '../chain.ts'
import { checkKeys, whole } from '../option-check.ts'
import type { WsRequest } from '../request.ts'
import { WsError } from '../ws-error.ts'
import { busFault } from './bus-fault.ts'
import { Outbound, outboundKeys, type OutboundMessage, type OutboundOptions } from './outbound.ts'
import { PendingCalls } from './pending-calls.ts'
import { replyValue } from './reply-form.ts'
import type { SubjectSource } from './request-subject.ts'

export interface NatsRequestOptions<U = unknown> extends OutboundOptions<U> {
  /** Longest wait for the reply. Default 5,000. */
  readonly timeoutMs?: number
  /** Requests that wait for replies; beyond, the answer is `overloaded`. Default 10,000. */
  readonly maxPending?: number
}

export interface NatsRequest<U = unknown> extends Handler<U> {
  stats(): { readonly pending: number }
  /** Fails what waits with `draining`, and refuses what comes. Never closes the connection to NATS. */
  close(): void
}

/**
 * Asks a service over NATS and answers with its reply. Nobody listening is `no_responders` at once, a lost connection
 * `disconnected` at once, an error of a NATS service `bad_reply` with its words.
 */
export function natsRequest<U = unknown>(
  nats: NatsSource,
  subject: SubjectSource<U>,
  options: NatsRequestOptions<U> = {},
): NatsRequest<U> {
  checkKeys('natsRequest', options, [...outboundKeys, 'timeoutMs', 'maxPending'])
  const timeoutMs = whole('natsRequest.timeoutMs', options.timeoutMs ?? 5000)
  const pending = new PendingCalls(whole('natsRequest.maxPending', options.maxPending ?? 10_000))
  const outbound = new Outbound('natsRequest', nats, subject, options)
  const { bus } = outbound

  function ask(request: WsRequest<U>, { subject: target, payload, headers, form, codec }: OutboundMessage): Reply {
    return pending.wait(request.signal, (call) => {
      const waiting = bus.request(
        target,
        payload,
        (reply) => {
          try {
            if (reply.kind === 'error') call.reject(busFault(reply))
            else call.resolve(replyValue(reply, form, codec))
          } catch (error) {
            call.reject(WsError.from(error))
          }
        },
        { timeoutMs, headers },
      )
      return () => waiting.cancel()
    })
  }

  const handler = (request: WsRequest<U>): Reply =>
    outbound.send(request, 'request', (message) => ask(request, message))
  return Object.assign(handler, {
    mount: outbound.mount.bind(outbound),
    stats: () => ({ pending: pending.size }),
    close: () => {
      outbound.close()
      pending.fail(new WsError('draining'))
    },
  })
}
