// SPDX-License-Identifier: Apache-2.0
import type { BusMessage, HeaderBlock } from '@nats-edge/wire-parser'
import type { IncomingRequest } from './service-request.ts'
import type { ServiceResponse } from './service-response.ts'

export interface EncodedReply {
  readonly payload: Uint8Array
  readonly headers?: HeaderBlock
}

/** How requests and answers look on NATS. */
export interface ServiceMessage {
  /** Reads a message into a request that owns its bytes. Throws EnvelopeError. */
  decode(message: BusMessage): IncomingRequest
  /** Throws RangeError for a status that cannot be sent. */
  encode(response: ServiceResponse, request: IncomingRequest | undefined): EncodedReply
}
