// SPDX-License-Identifier: Apache-2.0
import type { NatsSource } from '@nats-edge/wire-parser/bus'
import { checkKeys } from '../option-check.ts'
import { outboundKeys } from './outbound.ts'
import { replyValue } from './reply-form.ts'
import type { SubjectSource } from './request-subject.ts'
import { SingleReply, type NatsHandler, type SingleReplyOptions } from './single-reply.ts'

export type NatsRequestOptions<U = unknown> = SingleReplyOptions<U>
export type NatsRequest<U = unknown> = NatsHandler<U>

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
  const single = new SingleReply('natsRequest', nats, subject, options)
  return single.handler((request) =>
    single.outbound.send(request, 'request', (message) =>
      single.ask(request, message, (reply) => replyValue(reply, message.form, message.codec)),
    ),
  )
}
