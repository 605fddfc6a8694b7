// SPDX-License-Identifier: Apache-2.0
import { WsError } from '../ws-error.ts'
import type { DispatchedRequest } from './http-dispatcher.ts'

/** What a message is sent on as. */
export interface HttpRequest {
  /** Default POST with a body, GET without. */
  readonly method?: string
  /** Path and query, beginning with `/`; `encodeURIComponent()` what comes from the client. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

// Framing is the dispatcher's.
const framing = /^(?:host|connection|content-length|transfer-encoding|upgrade|keep-alive|te|trailer|expect|proxy-.*)$/i
const token = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/i
// Dot segments, however they are written: a value put into the path must not climb out of it.
const dotSegment = /(?:^|\/)(?:\.|%2e){1,2}(?:[/?]|$)/i

/** Makes the request for the dispatcher; throws WsError for what a client could have put into it, else TypeError. */
export function dispatchedRequest(
  request: HttpRequest,
  origin: string | undefined,
  traceHeaders: Readonly<Record<string, string>>,
): DispatchedRequest {
  const { path, headers = {}, body } = request
  const method = request.method ?? (body === undefined ? 'GET' : 'POST')
  if (!token.test(method)) throw new TypeError(`httpBackend.request: ${JSON.stringify(method)} is not a method`)
  checkPath(path)
  return {
    ...(origin !== undefined && { origin }),
    method,
    path,
    headers: { ...checkedHeaders(headers), ...traceHeaders },
    body: bodyOf(body),
    headersTimeout: 0,
    bodyTimeout: 0,
  }
}

function checkPath(path: string): void {
  if (typeof path !== 'string' || !path.startsWith('/')) {
    throw new TypeError(`httpBackend.request: the path ${JSON.stringify(path)} does not begin with "/"`)
  }
  const [segments = ''] = path.split('?', 1)
  if (!/^[\x21\x22\x24-\x7e]+$/.test(path) || dotSegment.test(segments)) {
    throw new WsError('bad_request', { message: 'a value of the message does not fit into a path' })
  }
}

function checkedHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  for (const [name, value] of Object.entries(headers)) {
    if (!token.test(name) || framing.test(name)) {
      throw new TypeError(`httpBackend.request: the header ${JSON.stringify(name)} cannot be set`)
    }
    // RFC 9110, 5.5: what else there is would end the header, or is not ASCII.
    if (!/^[\t\x20-\x7e]*$/.test(value)) {
      throw new WsError('bad_request', { message: 'a value of the message does not fit into a header' })
    }
  }
  return { ...headers }
}

function bodyOf(body: string | Uint8Array | undefined): string | Buffer | null {
  if (body === undefined || typeof body === 'string') return body ?? null
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength)
}
