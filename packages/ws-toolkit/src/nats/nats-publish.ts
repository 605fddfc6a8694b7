// SPDX-License-Identifier: Apache-2.0
import type { BusMessage } from '@nats-edge/wire-parser'
import type { NatsSource } from '@nats-edge/wire-parser/bus'
import type { Handler, Reply } from '../chain.ts'
import type { Codec } from '../codec/codec.ts'
import { checkKeys, whole } from '../option-check.ts'
import type { WsRequest } from '../request.ts'
import { WsError } from '../ws-error.ts'
import { busFault } from './bus-fault.ts'
import { jetstreamReply } from './jetstream-reply.ts'
import { Outbound, outboundKeys, type OutboundMessage, type OutboundOptions } from './outbound.ts'
import { PendingCalls } from './pending-calls.ts'
import type { HeaderEntries } from './request-headers.ts'
import type { SubjectSource } from './request-subject.ts'

export interface NatsPublishOptions<U = unknown> extends OutboundOptions<U> {
  /**
   * `jetstream`: the request is answered once a stream has stored the message, which is stored once however often the
   * same request of a connection is retried. Default false: it has no answer.
   */
  readonly ack?: false | 'jetstream'
  /** Longest wait for the stream. Default 5,000. */
  readonly timeoutMs?: number
  /** Requests that wait for the stream; beyond, the answer is `overloaded`. Default 10,000. */
  readonly maxPending?: number
}

/** Where a stream has put a message. */
export interface PublishAck {
  readonly stream: string
  readonly seq: number
  /** It was there already. */
  readonly duplicate: boolean
}

export interface NatsPublish<U = unknown> extends Handler<U> {
  stats(): { readonly pending: number }
  /** Fails what waits with `draining`, and refuses what comes. Never closes the connection to NATS. */
  close(): void
}

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
  const timeoutMs = whole('natsPublish.timeoutMs', options.timeoutMs ?? 5000)
  const pending = new PendingCalls(whole('natsPublish.maxPending', options.maxPending ?? 10_000))
  const outbound = new Outbound('natsPublish', nats, subject, options)
  const { bus } = outbound

  function store(request: WsRequest<U>, { subject: target, payload, headers, codec }: OutboundMessage): Reply {
    return pending.wait(request.signal, (call) => {
      const waiting = bus.request(
        target,
        payload,
        (reply) => {
          try {
            if (reply.kind === 'error') call.reject(busFault(reply))
            else call.resolve(ackValue(reply, codec))
          } catch (error) {
            call.reject(WsError.from(error))
          }
        },
        { timeoutMs, headers },
      )
      return () => waiting.cancel()
    })
  }

  function publish({ subject: target, payload, headers }: OutboundMessage): undefined {
    try {
      bus.publish(target, payload, { headers })
    } catch (error) {
      throw busFault(error)
    }
  }

  const handler = (request: WsRequest<U>): Reply => {
    if (ack === false) return outbound.send(request, 'publish', publish)
    return outbound.send(request, 'publish', (message) => store(request, message), messageId(request))
  }
  return Object.assign(handler, {
    mount: outbound.mount.bind(outbound),
    stats: () => ({ pending: pending.size }),
    close: () => {
      outbound.close()
      pending.fail(new WsError('draining'))
    },
  })
}

/** What a stream knows a message by: as JSON no id of a client can leave its line, and 1 is not "1". */
function messageId({ id, connection }: WsRequest): HeaderEntries {
  if (id === undefined) return []
  const text = JSON.stringify(id)
  if (text.length > maxIdLength) throw new WsError('bad_request', { message: 'the id of the request is too long' })
  return [['Nats-Msg-Id', `${connection.id}.${text}`]]
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
