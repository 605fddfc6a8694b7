// SPDX-License-Identifier: Apache-2.0
import type { BusMessage } from '@nats-edge/wire-parser'
import type { NatsSource } from '@nats-edge/wire-parser/bus'
import type { Reply } from '../chain.ts'
import type { Codec } from '../codec/codec.ts'
import { checkKeys } from '../option-check.ts'
import { originOf, type WsRequest } from '../request.ts'
import { WsError } from '../ws-error.ts'
import { busFault } from './bus-fault.ts'
import { jetstreamReply } from './jetstream-reply.ts'
import { outboundKeys, type OutboundMessage } from './outbound.ts'
import type { HeaderEntries } from './request-headers.ts'
import type { SubjectSource } from './request-subject.ts'
import { SingleReply, type NatsHandler, type SingleReplyOptions } from './single-reply.ts'

export interface NatsPublishOptions<U = unknown> extends SingleReplyOptions<U> {
  /**
   * `jetstream`: the request is answered once a stream has stored the message, which is stored once however often the
   * same request of a connection is retried. Default false: it has no answer.
   */
  readonly ack?: false | 'jetstream'
}

/** Where a stream has put a message. */
export interface PublishAck {
  readonly stream: string
  readonly seq: number
  /** It was there already. */
  readonly duplicate: boolean
}

export type NatsPublish<U = unknown> = NatsHandler<U>

const maxIdLength = 256

/** Publishes the message of a request; with `ack` the answer is a `PublishAck`, over `rawCodec()` as JSON text. */
export function natsPublish<U = unknown>(
  nats: NatsSource,
  subject: SubjectSource<U>,
  options: NatsPublishOptions<U> = {},
): NatsPublish<U> {
  checkKeys('natsPublish', options, [...outboundKeys, 'ack', 'timeoutMs', 'maxPending'])
  const { ack = false } = options
  if (ack !== false && ack !== 'jetstream') {
    throw new TypeError(`natsPublish.ack: ${JSON.stringify(ack)} is neither false nor 'jetstream'`)
  }
  const single = new SingleReply('natsPublish', nats, subject, options)
  const { outbound } = single

  function publish({ subject: target, payload, headers }: OutboundMessage): undefined {
    try {
      outbound.bus.publish(target, payload, { headers })
    } catch (error) {
      throw busFault(error)
    }
  }

  return single.handler((request) => {
    if (ack === false) return outbound.send(request, 'publish', publish)
    const store = (message: OutboundMessage): Reply =>
      single.ask(request, message, (reply) => ackValue(reply, message.codec))
    return outbound.send(request, 'publish', store, messageId(request))
  })
}

/** What a stream knows a message by: as JSON no id of a client can leave its line, and 1 is not "1". */
function messageId(request: WsRequest): HeaderEntries {
  const { id, connection } = request
  const text = id === undefined ? ownId(request) : JSON.stringify(id)
  if (text.length > maxIdLength) throw new WsError('bad_request', { message: 'the id of the request is too long' })
  return [['Nats-Msg-Id', `${connection.id}.${text}`]]
}

const ownIds = new WeakMap<WsRequest, string>()
let lastOwnId = 0

/** The same for each try of a request that has no id, and no JSON. */
function ownId(request: WsRequest): string {
  const origin = originOf(request)
  const id = ownIds.get(origin) ?? `#${++lastOwnId}`
  ownIds.set(origin, id)
  return id
}

function ackValue(reply: BusMessage, codec: Codec | undefined): PublishAck | string {
  const ack = parseAck(reply.payload)
  return codec?.name === 'raw' ? JSON.stringify(ack) : ack
}

function parseAck(payload: Uint8Array): PublishAck {
  const { stream, seq, duplicate } = jetstreamReply(payload)
  if (typeof stream !== 'string' || typeof seq !== 'number') throw new WsError('bad_reply')
  return { stream, seq, duplicate: duplicate === true }
}
