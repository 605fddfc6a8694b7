// SPDX-License-Identifier: Apache-2.0
import type { BusMessage } from '@nats-edge/wire-parser'
import { type DecodedRequest, decodeRequest, encodeResponse } from '../envelope/nats-proxy.ts'
import { problemJson } from '../problem.ts'
import { ServiceHeaders } from './service-headers.ts'
import type { EncodedReply, ServiceMessage } from './service-message.ts'
import type { IncomingRequest } from './service-request.ts'
import type { ErrorAnswer, ServiceResponse } from './service-response.ts'

/** The protobuf envelope of nats-proxy. */
export const natsProxyMessage: ServiceMessage = {
  decode(message: BusMessage): IncomingRequest {
    // The message is a view; what handlers keep must be theirs.
    return new EnvelopeRequestView(decodeRequest(Buffer.from(message.payload)))
  },

  encode(response: ServiceResponse, request: IncomingRequest | undefined): EncodedReply {
    const { statusCode, errorAnswer } = response
    if (!Number.isInteger(statusCode) || statusCode < 200 || statusCode > 999) {
      throw new RangeError(`response.statusCode: ${statusCode} is no status from 200 to 999`)
    }
    if (errorAnswer !== undefined && response.body.length === 0) fillProblem(response, errorAnswer, request)
    const headers = response.headersToSend()
    return { payload: encodeResponse({ statusCode, headers, body: response.bodyToSend(), doUpgrade: false }) }
  },
}

function fillProblem(
  response: ServiceResponse,
  { code, text }: ErrorAnswer,
  request: IncomingRequest | undefined,
): void {
  const { statusCode: status } = response
  response.body = problemJson({ status, code, detail: text, requestId: request?.requestId })
  response.headers.set('Content-Type', 'application/problem+json')
}

/** Turns header text into headers only when a handler asks. */
class EnvelopeRequestView implements IncomingRequest {
  readonly url: string
  readonly method: string
  readonly remoteAddr: string
  readonly body: Uint8Array
  readonly webSocketId: string
  readonly #decoded: DecodedRequest
  #headers: ServiceHeaders | undefined

  constructor(decoded: DecodedRequest) {
    this.url = decoded.url
    this.method = decoded.method
    this.remoteAddr = decoded.remoteAddr
    this.body = decoded.body
    this.webSocketId = decoded.webSocketId
    this.#decoded = decoded
  }

  get headers(): ServiceHeaders {
    this.#headers ??= new ServiceHeaders(this.#decoded.headers)
    return this.#headers
  }

  get form(): readonly string[] {
    return this.#decoded.form
  }

  get requestId(): string | undefined {
    return this.headers.get('X-Request-Id')
  }

  parameter(): undefined {
    return undefined
  }
}
