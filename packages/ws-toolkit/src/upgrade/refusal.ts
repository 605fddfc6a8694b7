// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto'
import type { WsErrorCode } from '../ws-error.ts'

/** The closed set of reasons a handshake is refused for. */
export type UpgradeRefusalCode =
  | 'bad_request'
  | 'unsupported_subprotocol'
  | 'foreign_origin'
  | 'method_not_allowed'
  | 'unsupported_version'
  | 'rate_limited'
  | 'headers_too_large'
  | 'internal'
  | 'unsupported'
  | 'too_many_connections'
  | 'draining'
  | 'timeout'

// Code to status and title: nothing else in the package chooses a status.
const table: Readonly<Record<UpgradeRefusalCode, readonly [status: number, title: string]>> = {
  bad_request: [400, 'Bad request'],
  unsupported_subprotocol: [400, 'Unsupported subprotocol'],
  foreign_origin: [403, 'Foreign origin'],
  method_not_allowed: [405, 'Method not allowed'],
  unsupported_version: [426, 'Unsupported WebSocket version'],
  rate_limited: [429, 'Too many connections of one principal'],
  headers_too_large: [431, 'Too many headers'],
  internal: [500, 'Internal error'],
  unsupported: [501, 'WebSocket not available here'],
  too_many_connections: [503, 'Too many connections'],
  draining: [503, 'Draining'],
  timeout: [504, 'The handshake took too long'],
}

/** Why a handshake is refused, before it has become a Response. */
export interface UpgradeRefusal {
  readonly code: UpgradeRefusalCode
  /** What happened and what to do about it; sent to the client. */
  readonly detail: string
  readonly headers?: Readonly<Record<string, string>>
}

/** The header that carries `detail` where the host drops the body of a refused upgrade. */
export const hintHeader = 'Nats-Edge-Hint'

/** The refusal nobody reads. */
export const clientLeft: UpgradeRefusal = {
  code: 'bad_request',
  detail: 'the client closed the connection during its handshake',
}

const validRequestId = /^[\w.:-]{1,128}$/

/** What a host answers once it has been told to stop; spread, so that its clients do not come back together. */
export function draining(): UpgradeRefusal {
  const detail = 'the server is going away: connect again after Retry-After'
  return { code: 'draining', detail, headers: { 'Retry-After': String(1 + Math.floor(Math.random() * 5)) } }
}

/** Gives the HTTP status of a refusal. */
export function statusOf(code: UpgradeRefusalCode): number {
  return table[code][0]
}

/** What a handshake was refused for: by this package, by its HTTP middleware, or by `onConnect`. */
export type RefusalCode = UpgradeRefusalCode | WsErrorCode

// A response of ours knows why; what middleware has made of it does not.
const codes = new WeakMap<Response, RefusalCode>()

/** Remembers what a response refuses a handshake for. */
export function refusing(response: Response, code: RefusalCode): Response {
  codes.set(response, code)
  return response
}

/** Gives what a response of this package refuses a handshake for; undefined for one of somebody else. */
export function refusalCodeOf(response: Response): RefusalCode | undefined {
  return codes.get(response)
}

/** Writes a refusal as problem+json; the detail is in the hint header too, because @hono/node-server drops the body. */
export function problemResponse(refusal: UpgradeRefusal, requestId: string): Response {
  const [status, title] = table[refusal.code]
  const { code, detail } = refusal
  const problem = { type: `urn:nats-edge:websocket:${code}`, title, status, code, detail, requestId }
  const body = Buffer.from(JSON.stringify(problem))
  const headers = {
    'Content-Type': 'application/problem+json',
    'Content-Length': String(body.byteLength),
    [hintHeader]: hintText(detail),
    ...refusal.headers,
  }
  return refusing(new Response(body, { status, headers }), code)
}

/** Cuts text down to what fits into one header line: printable ASCII, at most 256 characters. */
export function hintText(text: string): string {
  return text
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .slice(0, 256)
    .trim()
}

/** Takes the id an earlier middleware set, else a well-formed inbound one, else makes one. */
export function requestIdFrom(known: unknown, inbound: string | null | undefined): string {
  if (typeof known === 'string' && known !== '') return known
  return typeof inbound === 'string' && validRequestId.test(inbound) ? inbound : randomUUID()
}
