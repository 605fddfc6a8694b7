// SPDX-License-Identifier: Apache-2.0
import type { Bus, Subject } from '@nats-edge/wire-parser'
import type { ResolvedOptions } from './options.ts'
import { ServiceError } from './service-error.ts'
import type { EncodedReply, ServiceMessage } from './service-message.ts'
import type { IncomingRequest } from './service-request.ts'
import type { ServiceResponse } from './service-response.ts'
import type { ServiceStats } from './service-stats.ts'

/** Sends answers. What cannot be encoded or is too large is answered 500; what cannot be sent is reported. */
export class Replier {
  readonly #bus: Bus
  readonly #message: ServiceMessage
  readonly #observe: ResolvedOptions['observe']
  readonly #stats: ServiceStats

  constructor(bus: Bus, message: ServiceMessage, observe: ResolvedOptions['observe'], stats: ServiceStats) {
    this.#bus = bus
    this.#message = message
    this.#observe = observe
    this.#stats = stats
  }

  send(route: string, reply: Subject | undefined, response: ServiceResponse, incoming?: IncomingRequest): void {
    let failure: unknown
    try {
      this.#publish(reply, this.#message.encode(response, incoming))
    } catch (error) {
      failure = this.#sendFailure(error, route, reply, response, incoming)
    }
    this.#stats.answer(response.statusCode)
    if (failure === undefined) return
    this.#stats.replyFailures++
    this.#observe?.({ type: 'reply.failed', route, error: failure })
  }

  /** Answers 500 in place of what could not be sent; returns why that cannot be sent either. */
  #sendFailure(
    error: unknown,
    route: string,
    reply: Subject | undefined,
    response: ServiceResponse,
    incoming: IncomingRequest | undefined,
  ): unknown {
    const code = busErrorCode(error)
    if (code !== undefined && code !== 'body_too_large') return error
    this.#observe?.({ type: 'request.failed', route, error })
    response.fail(
      code === undefined
        ? new ServiceError('internal', 'the service failed')
        : new ServiceError('reply_too_large', 'the answer is larger than the broker accepts'),
    )
    try {
      this.#publish(reply, this.#message.encode(response, incoming))
      return undefined
    } catch (again) {
      return again
    }
  }

  #publish(reply: Subject | undefined, { payload, headers }: EncodedReply): void {
    // A message without a reply subject is handled all the same; there is just nobody to answer.
    if (reply !== undefined) this.#bus.publish(reply, payload, headers === undefined ? undefined : { headers })
  }
}

// By name and code, not by class: two copies of wire-parser may be installed.
function busErrorCode(error: unknown): unknown {
  return error instanceof Error && error.name === 'BusError' && 'code' in error ? error.code : undefined
}
