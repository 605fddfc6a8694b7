// SPDX-License-Identifier: Apache-2.0
import { type Bus, parseSubject, type Subject } from '@nats-edge/wire-parser'
import { requestOnce } from '@nats-edge/wire-parser/bus'
import { decodeResponse, encodeRequest } from '../envelope/nats-proxy.ts'
import { textToBytes } from './byte-text.ts'
import { pathSegments } from './request-path.ts'
import { parseMethod } from './route-pattern.ts'
import { type HeadersInput, ServiceHeaders } from './service-headers.ts'

const defaultTimeoutMs = 1000
const empty: Uint8Array = new Uint8Array(0)
const unsafe = /[\0-\x20\x7f]/

/** What a request to another service carries besides its method and URL. */
export interface EnvelopeRequest {
  /** Text is sent as UTF-8. */
  readonly body: Uint8Array | string
  readonly headers: HeadersInput
  readonly remoteAddr: string
  /** A form already parsed; the other side reads it without `parseForm()`. */
  readonly form: Readonly<Record<string, string | readonly string[]>>
  readonly webSocketId: string
}

/** What another service answered. */
export interface EnvelopeResponse {
  readonly statusCode: number
  readonly headers: ServiceHeaders
  readonly body: Uint8Array
  readonly doUpgrade: boolean
}

export interface SendOptions {
  /** Default 1000. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** Asks a service directly, without HTTP. */
export async function sendRequest(
  bus: Bus,
  method: string,
  url: string,
  request: Partial<EnvelopeRequest> = {},
  options: SendOptions = {},
): Promise<EnvelopeResponse> {
  const { timeoutMs = defaultTimeoutMs, signal } = options
  if (!(timeoutMs > 0 && timeoutMs < Infinity)) throw new RangeError(`timeoutMs: ${timeoutMs} is no time to wait`)
  const subject = literalSubject(method, url)
  const payload = encode(parseMethod(method), url, request)
  const reply = await requestOnce(bus, subject, payload, signal === undefined ? { timeoutMs } : { timeoutMs, signal })
  const { headers, ...rest } = decodeResponse(reply.payload)
  return { ...rest, headers: new ServiceHeaders(headers) }
}

function encode(method: string, url: string, request: Partial<EnvelopeRequest>): Uint8Array {
  const { body = empty, headers = {}, remoteAddr = '', form = {}, webSocketId = '' } = request
  return encodeRequest({
    url: textToBytes(url),
    method,
    remoteAddr: textToBytes(remoteAddr),
    body: typeof body === 'string' ? Buffer.from(body, 'utf8') : body,
    headers: ServiceHeaders.from(headers).toLatin1(),
    form: flatForm(form),
    webSocketId: textToBytes(webSocketId),
  })
}

function flatForm(form: Readonly<Record<string, string | readonly string[]>>): string[] {
  return Object.entries(form).flatMap(([name, value]) =>
    (typeof value === 'string' ? [value] : value).flatMap((each) => [textToBytes(name), textToBytes(each)]),
  )
}

/** The subject a path is served on, its segments taken literally. Throws TypeError if no service could listen there. */
function literalSubject(method: string, url: string): Subject {
  if (!url.startsWith('/') || unsafe.test(url)) {
    throw new TypeError(`url ${JSON.stringify(url)}: must be a path without blanks or control characters`)
  }
  const segments = pathSegments(textToBytes(url))
  const text = segments === undefined ? '' : [`${parseMethod(method)}:`, ...segments].join('.')
  const subject = parseSubject(text, { embeddedWildcards: true })
  if (subject === undefined) {
    throw new TypeError(
      `url ${JSON.stringify(url)}: no subject: a segment is empty, a wildcard, too long or undecodable`,
    )
  }
  return subject
}
