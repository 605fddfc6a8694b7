// SPDX-License-Identifier: Apache-2.0
import type { Context } from 'hono'
import { hintHeader, hintText, refusing, requestIdFrom } from '../upgrade/refusal.ts'
import type { WsError } from '../ws-error.ts'

/** Answers a handshake with problem+json; the detail stands in the hint header too, because some hosts drop the body. */
export function problem(c: Context, error: WsError, headers: Readonly<Record<string, string>> = {}): Response {
  const { code, status, message, retryAfterMs } = error
  const requestId = requestIdFrom(c.get('requestId'), c.req.header('x-request-id'))
  const title = titles[code] ?? 'Refused'
  const type = `urn:nats-edge:websocket:${code}`
  const body = JSON.stringify({ type, title, status, code, detail: message, requestId })
  const response = new Response(body, {
    status,
    headers: {
      'Content-Type': 'application/problem+json',
      [hintHeader]: hintText(message),
      ...(retryAfterMs !== undefined && { 'Retry-After': String(Math.ceil(retryAfterMs / 1000)) }),
      ...headers,
    },
  })
  return refusing(response, code)
}

const titles: Readonly<Record<string, string>> = { unauthorized: 'Authentication required', forbidden: 'Not permitted' }
