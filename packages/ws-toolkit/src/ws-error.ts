// SPDX-License-Identifier: Apache-2.0
import { closeCode } from './close-code.ts'

/** The closed set of what goes wrong with a request or a connection. */
export type WsErrorCode =
  | 'bad_request'
  | 'unauthorized'
  | 'forbidden'
  | 'reserved_subject'
  | 'not_found'
  | 'body_too_large'
  | 'rate_limited'
  | 'timeout'
  | 'cancelled'
  | 'no_responders'
  | 'disconnected'
  | 'overloaded'
  | 'too_many_connections'
  | 'draining'
  | 'bad_reply'
  | 'upstream_closed'
  | 'circuit_open'
  | 'conflict'
  | 'unsupported'
  | 'parse_error'
  | 'invalid_request'
  | 'invalid_params'
  | 'unsupported_data'
  | 'slow_consumer'
  | 'internal'
  | 'closed'

interface ErrorRow {
  /** What the client reads when nothing better is known. */
  readonly message: string
  /** The code in a JSON-RPC error object. */
  readonly rpc: number
  /** The HTTP status, where the error comes before the upgrade. */
  readonly status: number
  /** What a connection is closed with when its codec cannot answer; undefined: it stays open. */
  readonly close?: number
}

// Nothing else in the package maps a code to anything.
const table: Readonly<Record<WsErrorCode, ErrorRow>> = {
  bad_request: { message: 'bad request', rpc: -32600, status: 400, close: closeCode.policyViolation },
  unauthorized: { message: 'authentication required', rpc: -32005, status: 401, close: closeCode.refused },
  forbidden: { message: 'not permitted', rpc: -32005, status: 403, close: closeCode.refused },
  reserved_subject: { message: 'reserved subject', rpc: -32005, status: 403, close: closeCode.refused },
  not_found: { message: 'no such route', rpc: -32601, status: 404 },
  body_too_large: { message: 'message too large', rpc: -32600, status: 413, close: closeCode.messageTooBig },
  rate_limited: { message: 'too many requests', rpc: -32003, status: 429, close: closeCode.policyViolation },
  timeout: { message: 'no answer in time', rpc: -32001, status: 504 },
  cancelled: { message: 'cancelled', rpc: -32800, status: 499 },
  no_responders: { message: 'nobody answers this request', rpc: -32004, status: 503 },
  disconnected: { message: 'the broker is not connected', rpc: -32004, status: 503 },
  overloaded: { message: 'too much work is waiting', rpc: -32002, status: 503, close: closeCode.tryAgainLater },
  too_many_connections: { message: 'no connection is free', rpc: -32004, status: 503, close: closeCode.tryAgainLater },
  draining: { message: 'the server is going away', rpc: -32004, status: 503, close: closeCode.restart },
  bad_reply: { message: 'the service gave no usable answer', rpc: -32010, status: 502 },
  upstream_closed: { message: 'the service closed its connection', rpc: -32010, status: 502 },
  circuit_open: { message: 'the service is failing; not asked', rpc: -32004, status: 503 },
  conflict: { message: 'conflict', rpc: -32006, status: 409 },
  unsupported: { message: 'not supported', rpc: -32600, status: 501 },
  parse_error: { message: 'the message cannot be decoded', rpc: -32700, status: 400, close: closeCode.invalidPayload },
  invalid_request: { message: 'invalid request', rpc: -32600, status: 400, close: closeCode.policyViolation },
  invalid_params: { message: 'invalid params', rpc: -32602, status: 422 },
  unsupported_data: { message: 'wrong kind of message', rpc: -32600, status: 415, close: closeCode.unsupportedData },
  slow_consumer: { message: 'the client reads too slowly', rpc: -32002, status: 503, close: closeCode.slowConsumer },
  internal: { message: 'internal error', rpc: -32603, status: 500, close: closeCode.internalError },
  closed: { message: 'the connection is closed', rpc: -32603, status: 500 },
}

/** What an error may say beside its code. */
export interface WsErrorOptions {
  /** Read by the client: says what happened and what to do. Default: the words of the code. */
  readonly message?: string
  /** When to try again. */
  readonly retryAfterMs?: number
  /** Plain data for the client, such as the issues of a schema. */
  readonly details?: unknown
  /** Closes a connection with this instead of the code of the table. */
  readonly closeCode?: number
  /** Never leaves the process. */
  readonly cause?: unknown
}

/** What a handler throws to answer with an error: `message`, `retryAfterMs` and `details` reach the client, `cause` never. */
export class WsError extends Error {
  override readonly name = 'WsError'
  readonly code: WsErrorCode
  readonly retryAfterMs: number | undefined
  readonly details: unknown
  readonly #closeCode: number | undefined

  constructor(code: WsErrorCode, options: WsErrorOptions = {}) {
    super(options.message ?? table[code].message, options.cause === undefined ? {} : { cause: options.cause })
    this.code = code
    this.retryAfterMs = options.retryAfterMs
    this.details = options.details
    this.#closeCode = options.closeCode
  }

  /** The code of a JSON-RPC error object. */
  get rpcCode(): number {
    return table[this.code].rpc
  }

  /** The status of an HTTP answer. */
  get status(): number {
    return table[this.code].status
  }

  /** What a connection is closed with when its codec cannot answer; undefined: it stays open. */
  get closeCode(): number | undefined {
    return this.#closeCode ?? table[this.code].close
  }

  /** Makes a WsError of whatever was thrown: ours and the bus's keep their code, aborts become `cancelled` or `timeout`. */
  static from(thrown: unknown): WsError {
    if (thrown instanceof WsError) return thrown
    if (typeof thrown !== 'object' || thrown === null) return new WsError('internal', { cause: thrown })
    const name: unknown = Reflect.get(thrown, 'name')
    if (name === 'AbortError') return new WsError('cancelled', { cause: thrown })
    if (name === 'TimeoutError') return new WsError('timeout', { cause: thrown })
    const code: unknown = Reflect.get(thrown, 'code')
    if (typeof code !== 'string' || !isWsErrorCode(code)) return new WsError('internal', { cause: thrown })
    // By name, not instanceof: two copies may be installed.
    if (name === 'WsError') return copyOf(code, thrown)
    return new WsError(name === 'BusError' ? code : 'internal', { cause: thrown })
  }
}

/** Whether `text` is one of the codes. */
function isWsErrorCode(text: string): text is WsErrorCode {
  return Object.hasOwn(table, text)
}

/** Every code there is. */
export const wsErrorCodes: readonly WsErrorCode[] = Object.freeze(Object.keys(table).filter(isWsErrorCode))

function copyOf(code: WsErrorCode, thrown: object): WsError {
  const message: unknown = Reflect.get(thrown, 'message')
  const retryAfterMs: unknown = Reflect.get(thrown, 'retryAfterMs')
  const closeCode: unknown = Reflect.get(thrown, 'closeCode')
  return new WsError(code, {
    cause: thrown,
    details: Reflect.get(thrown, 'details'),
    ...(typeof message === 'string' && { message }),
    ...(typeof retryAfterMs === 'number' && { retryAfterMs }),
    ...(typeof closeCode === 'number' && { closeCode }),
  })
}
