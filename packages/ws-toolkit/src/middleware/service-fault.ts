// SPDX-License-Identifier: Apache-2.0
import type { WsError, WsErrorCode } from '../ws-error.ts'

// These speak of the request, the client or this server: asking again, or not asking at all, changes nothing.
const notOfTheService: ReadonlySet<WsErrorCode> = new Set<WsErrorCode>([
  'bad_request',
  'unauthorized',
  'forbidden',
  'reserved_subject',
  'not_found',
  'body_too_large',
  'rate_limited',
  'cancelled',
  'too_many_connections',
  'draining',
  'circuit_open',
  'conflict',
  'unsupported',
  'parse_error',
  'invalid_request',
  'invalid_params',
  'unsupported_data',
  'slow_consumer',
  'closed',
])

/** Whether an error is the service's own: it was not there, was too slow, or answered with nonsense or a 5xx. */
export function isServiceFault(error: WsError): boolean {
  if (notOfTheService.has(error.code)) return false
  const status = statusOf(error)
  // A service that refuses a request works; 408 and 425 are asked for again (RFC 9110, 15.5.9).
  return status === undefined || status < 400 || status >= 500 || status === 408 || status === 425
}

function statusOf({ details }: WsError): number | undefined {
  if (typeof details !== 'object' || details === null || !('status' in details)) return undefined
  return typeof details.status === 'number' ? details.status : undefined
}
