// SPDX-License-Identifier: Apache-2.0
import { type BusMessage, HeaderBlock, HeaderWriter } from '@nats-edge/wire-parser'
import { textToBytes } from './byte-text.ts'
import { decodeEscapes } from './escape.ts'
import { ServiceHeaders } from './service-headers.ts'
import type { EncodedReply, ServiceMessage } from './service-message.ts'
import type { IncomingRequest } from './service-request.ts'
import type { ErrorAnswer, ServiceResponse } from './service-response.ts'

const prefix = 'Nats-Edge-'

/** The envelope of NATS headers: the payload is the body, everything else stands in headers. */
export const headersMessage: ServiceMessage = {
  decode(message: BusMessage): IncomingRequest {
    const headers = message.headers === undefined ? undefined : HeaderBlock.fromBytes(message.headers.bytes.slice())
    return new HeadersRequestView(Buffer.from(message.payload), headers)
  },

  encode(response: ServiceResponse): EncodedReply {
    const { statusCode, errorAnswer } = response
    if (!Number.isInteger(statusCode) || statusCode < 200 || statusCode > 599) {
      throw new RangeError(`response.statusCode: ${statusCode} is no status from 200 to 599`)
    }
    const payload = response.bodyToSend()
    const flat = response.headersToSend()
    if (flat.length === 0 && statusCode === 200 && errorAnswer === undefined) return { payload }
    const writer = new HeaderWriter()
    if (errorAnswer !== undefined) addError(writer, errorAnswer)
    else if (statusCode !== 200) writer.add(`${prefix}Status`, String(statusCode))
    for (let at = 0; at < flat.length; at += 2) writer.addLatin1(flat[at] ?? '', flat[at + 1] ?? '')
    return { payload, headers: writer.block() }
  },
}

function addError(writer: HeaderWriter, { status, text }: ErrorAnswer): void {
  writer.add('Nats-Service-Error-Code', String(status))
  writer.add('Nats-Service-Error', text.replace(/[\r\n\0]+/g, ' '))
}

class HeadersRequestView implements IncomingRequest {
  readonly body: Uint8Array
  readonly url: string
  readonly webSocketId = ''
  readonly form: readonly string[] = []
  readonly #block: HeaderBlock | undefined
  #headers: ServiceHeaders | undefined

  constructor(body: Uint8Array, block: HeaderBlock | undefined) {
    this.body = body
    this.#block = block
    const query = this.#own('Query') ?? ''
    const path = this.#own('Path') ?? ''
    this.url = textToBytes(query === '' ? path : `${path}?${query}`)
  }

  get method(): string {
    return this.#own('Method') ?? ''
  }

  get remoteAddr(): string {
    return this.#own('Client-Ip') ?? ''
  }

  get requestId(): string | undefined {
    return this.#own('Request-Id')
  }

  get headers(): ServiceHeaders {
    this.#headers ??= new ServiceHeaders(flatOf(this.#block))
    return this.#headers
  }

  parameter(name: string): string | undefined {
    const raw = this.#own(`Param-${name}`)
    return raw === undefined ? undefined : decodeEscapes(textToBytes(raw), false)
  }

  #own(name: string): string | undefined {
    return this.#block?.get(`${prefix}${name}`)
  }
}

function flatOf(block: HeaderBlock | undefined): string[] {
  const flat: string[] = []
  for (const [name, value] of block?.entries() ?? []) flat.push(name, textToBytes(value))
  return flat
}
