// SPDX-License-Identifier: Apache-2.0
import { problemJson } from './problem.ts'

interface ErrorEntry {
  readonly status: number
  /** What the client is told when nothing more exact is known. */
  readonly detail: string
}

/** Everything that can go wrong with a request, as a word that clients may rely on. */
export type ProxyErrorCode =
  | 'bad_request'
  | 'unauthorized'
  | 'credential_expired'
  | 'forbidden'
  | 'reserved_subject'
  | 'not_found'
  | 'method_not_allowed'
  | 'conflict'
  | 'precondition_failed'
  | 'body_too_large'
  | 'uri_too_long'
  | 'subject_too_long'
  | 'rate_limited'
  | 'headers_too_large'
  | 'internal'
  | 'unsupported'
  | 'websocket_unavailable'
  | 'bad_reply'
  | 'no_responders'
  | 'no_stream'
  | 'disconnected'
  | 'overloaded'
  | 'draining'
  | 'timeout'
  | 'insufficient_resources'

// The only place that chooses a status.
const errorTable: Readonly<Record<ProxyErrorCode, ErrorEntry>> = {
  bad_request: { status: 400, detail: 'The request target or a header is malformed.' },
  unauthorized: { status: 401, detail: 'This route needs an authenticated caller.' },
  credential_expired: { status: 401, detail: 'The credential has expired; sign in again.' },
  forbidden: { status: 403, detail: 'The caller may not use this route.' },
  reserved_subject: { status: 403, detail: 'Subjects that begin with "$" or "_" cannot be reached from outside.' },
  not_found: { status: 404, detail: 'Nothing is served under this path.' },
  method_not_allowed: { status: 405, detail: 'This path does not take this method; see Allow.' },
  conflict: { status: 409, detail: 'The message belongs to another stream than the route expects.' },
  precondition_failed: { status: 412, detail: 'The stream has moved on: its last message is not the expected one.' },
  body_too_large: { status: 413, detail: 'The body is larger than this route accepts.' },
  uri_too_long: { status: 414, detail: 'The request target is too long.' },
  subject_too_long: { status: 414, detail: 'The path gives a subject that is too long or has too many tokens.' },
  rate_limited: { status: 429, detail: 'Too many requests; wait for Retry-After.' },
  headers_too_large: { status: 431, detail: 'The request has too many or too large headers.' },
  internal: { status: 500, detail: 'The proxy failed on this request.' },
  unsupported: { status: 501, detail: 'The server cannot do what this request needs.' },
  websocket_unavailable: { status: 501, detail: 'This route does not accept WebSocket handshakes.' },
  bad_reply: { status: 502, detail: 'The service answered something that is no valid reply.' },
  no_responders: { status: 503, detail: 'No service listens for this request.' },
  no_stream: { status: 503, detail: 'No stream stores this subject.' },
  disconnected: { status: 503, detail: 'The message broker cannot be reached.' },
  overloaded: { status: 503, detail: 'Too much is under way; try again later.' },
  draining: { status: 503, detail: 'The server is shutting down; try again, it may be on another one.' },
  timeout: { status: 504, detail: 'No reply came in time.' },
  insufficient_resources: { status: 507, detail: 'The stream has no room for another message.' },
}

export interface ProxyErrorDetails {
  /** For the client; defaults to the sentence of the table. */
  readonly detail?: string
  readonly cause?: unknown
  /** Name, value, name, value: Allow, Retry-After and the like. */
  readonly headers?: readonly string[]
  /** Members added to the problem document. */
  readonly members?: Readonly<Record<string, string | number>>
  /** The connection cannot be used for another request. */
  readonly closes?: boolean
}

/** Why a request was not answered by its service. `message` reaches the client, `cause` never does. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError'
  readonly code: ProxyErrorCode
  readonly status: number
  readonly headers: readonly string[]
  readonly members: Readonly<Record<string, string | number>> | undefined
  readonly closes: boolean

  constructor(code: ProxyErrorCode, details: ProxyErrorDetails = {}) {
    const entry = errorTable[code]
    super(details.detail ?? entry.detail, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.status = entry.status
    this.headers = details.headers ?? []
    this.members = details.members
    this.closes = details.closes ?? false
  }

  /** The only catch-all: a ProxyError as it is, a BusError by its code, anything else as `internal`. */
  static from(error: unknown): ProxyError {
    if (error instanceof ProxyError) return error
    const code = busErrorCode(error)
    return code === undefined ? new ProxyError('internal', { cause: error }) : new ProxyError(code, { cause: error })
  }

  /** The body of the answer, RFC 9457. */
  toProblem(requestId: string): Uint8Array {
    const { status, code, message: detail, members } = this
    return Buffer.from(problemJson({ status, code, detail, requestId, members }))
  }
}

const busCodes: ReadonlyMap<string, ProxyErrorCode> = new Map<string, ProxyErrorCode>([
  ['timeout', 'timeout'],
  ['no_responders', 'no_responders'],
  ['disconnected', 'disconnected'],
  ['closed', 'disconnected'],
  ['overloaded', 'overloaded'],
  ['body_too_large', 'body_too_large'],
  ['forbidden', 'forbidden'],
  ['unsupported', 'unsupported'],
])

// By name and code, not by class: two copies of wire-parser may be installed.
function busErrorCode(error: unknown): ProxyErrorCode | undefined {
  if (!(error instanceof Error) || error.name !== 'BusError' || !('code' in error)) return undefined
  return typeof error.code === 'string' ? busCodes.get(error.code) : undefined
}
