// SPDX-License-Identifier: Apache-2.0
import type { BusMessage } from '@nats-edge/wire-parser'
import type { NatsSource } from '@nats-edge/wire-parser/bus'
import type { Handler, Reply } from '../chain.ts'
import { cancel, schedule } from '../deadline.ts'
import { checkKeys, flag, whole } from '../option-check.ts'
import type { WsRequest } from '../request.ts'
import { WsError } from '../ws-error.ts'
import { busFault } from './bus-fault.ts'
import { Outbound, outboundKeys, type OutboundMessage, type OutboundOptions } from './outbound.ts'
import { PendingCalls, type Call } from './pending-calls.ts'
import { Pushes } from './pushes.ts'
import { ReplyDesk } from './reply-desk.ts'
import { replyValue } from './reply-form.ts'
import { ReplyStream } from './reply-stream.ts'
import type { SubjectSource } from './request-subject.ts'

export interface NatsQueueOptions<U = unknown> extends OutboundOptions<U> {
  /** Longest wait for the answer, or for the next one of a stream. Default 30,000. */
  readonly timeoutMs?: number
  /** Requests that wait for answers; beyond, the answer is `overloaded`. Default 10,000. */
  readonly maxPending?: number
  /** Whether there are many answers, of which the last one has the header `Ws-End`. Default false: there is one. */
  readonly stream?: boolean
  /** Bytes of a stream that may wait for a client; beyond, it ends with `overloaded`. Default 1,048,576. */
  readonly maxBufferedBytes?: number
  /** The event a message that nobody asked for becomes, unless its header `Ws-Event` says. Default `message`. */
  readonly event?: string
}

export interface NatsQueue<U = unknown> extends Handler<U> {
  /** Waiting requests, clients that can be pushed to, pushes that were no message, and answers for nobody here. */
  stats(): {
    readonly pending: number
    readonly connections: number
    readonly undeliverable: number
    readonly unmatched: number
  }
  /** Fails what waits with `draining`, and refuses what comes. Never closes the connection to NATS. */
  close(): void
}

/**
 * Hands requests to workers, who answer at any time, from anywhere, to the reply subject of the message. The same
 * subject without its last token reaches the client unasked, for as long as it is connected.
 */
export function natsQueue<U = unknown>(
  nats: NatsSource,
  subject: SubjectSource<U>,
  options: NatsQueueOptions<U> = {},
): NatsQueue<U> {
  checkKeys('natsQueue', options, [...outboundKeys, 'timeoutMs', 'maxPending', 'stream', 'maxBufferedBytes', 'event'])
  const timeoutMs = whole('natsQueue.timeoutMs', options.timeoutMs ?? 30_000)
  const isStream = flag('natsQueue.stream', options.stream ?? false)
  const maxBufferedBytes = whole('natsQueue.maxBufferedBytes', options.maxBufferedBytes ?? 1_048_576)
  const pending = new PendingCalls(whole('natsQueue.maxPending', options.maxPending ?? 10_000))
  const outbound = new Outbound('natsQueue', nats, subject, options)
  const desk = ReplyDesk.of(outbound.bus)
  const release = desk.use()
  const pushes = new Pushes(desk, { as: options.as, event: options.event ?? 'message' })

  function enqueue(request: WsRequest<U>, message: OutboundMessage): Reply {
    const { connection, signal } = request
    return pending.wait(signal, (call) => {
      pushes.join(connection)
      const answers = isStream ? new StreamedAnswers(call, maxBufferedBytes) : new SingleAnswer(call)
      return begin(connection.id, message, answers)
    })
  }

  function begin(connectionId: string, message: OutboundMessage, answers: Answers): () => void {
    const late = (): void => answers.fail(new WsError('timeout'))
    let deadline = schedule(timeoutMs, late)
    const ticket = desk.open(connectionId, {
      failed: (error) => answers.fail(error),
      message: (answer) => {
        cancel(deadline)
        deadline = schedule(timeoutMs, late)
        take(answer, message, answers)
      },
    })
    const end = (): void => {
      cancel(deadline)
      ticket.close()
    }
    answers.onEnd = end
    try {
      outbound.bus.publish(message.subject, message.payload, { headers: message.headers, reply: ticket.reply })
    } catch (error) {
      end()
      throw busFault(error)
    }
    return () => answers.fail(new WsError('cancelled'))
  }

  const handler = (request: WsRequest<U>): Reply =>
    outbound.send(request, 'request', (message) => enqueue(request, message))
  return Object.assign(handler, {
    mount: outbound.mount.bind(outbound),
    stats: () => ({
      pending: pending.size,
      connections: pushes.size,
      undeliverable: pushes.undeliverable,
      unmatched: desk.unmatched,
    }),
    close: () => {
      outbound.close()
      pending.fail(new WsError('draining'))
      pushes.close()
      release()
    },
  })
}

interface Answers {
  readonly isStream: boolean
  /** Told once, when no more answers are taken. */
  onEnd: (() => void) | undefined
  take(value: unknown, size: number, isLast: boolean): void
  fail(error: WsError): void
}

function take(answer: BusMessage, { form, codec }: OutboundMessage, answers: Answers): void {
  const { headers, payload } = answer
  const isLast = headers?.has('Ws-End') === true
  // The server itself says so, at once.
  if (payload.length === 0 && headers?.status === 503) return answers.fail(new WsError('no_responders'))
  try {
    // A last message without anything in it only ends the stream.
    const value = answers.isStream && isLast && payload.length === 0 ? undefined : replyValue(answer, form, codec)
    answers.take(value, payload.length, isLast)
  } catch (error) {
    answers.fail(WsError.from(error))
  }
}

class SingleAnswer implements Answers {
  readonly isStream = false
  onEnd: (() => void) | undefined
  readonly #call: Call

  constructor(call: Call) {
    this.#call = call
  }

  take(value: unknown): void {
    this.#end()
    this.#call.resolve(value)
  }

  fail(error: WsError): void {
    this.#end()
    this.#call.reject(error)
  }

  #end(): void {
    const { onEnd } = this
    this.onEnd = undefined
    onEnd?.()
  }
}

/** Becomes a stream with its first answer; until then an error is an error of the request. */
class StreamedAnswers implements Answers {
  readonly isStream = true
  onEnd: (() => void) | undefined
  readonly #call: Call
  readonly #maxBytes: number
  #stream: ReplyStream | undefined

  constructor(call: Call, maxBytes: number) {
    this.#call = call
    this.#maxBytes = maxBytes
  }

  take(value: unknown, size: number, isLast: boolean): void {
    const stream = (this.#stream ??= new ReplyStream(this.#maxBytes, () => this.#end()))
    if (value !== undefined) stream.push(value, size)
    if (isLast) {
      stream.end()
      this.#end()
    }
    this.#call.resolve(stream)
  }

  fail(error: WsError): void {
    this.#end()
    if (this.#stream === undefined) this.#call.reject(error)
    else this.#stream.end(error)
  }

  #end(): void {
    const { onEnd } = this
    this.onEnd = undefined
    onEnd?.()
  }
}
