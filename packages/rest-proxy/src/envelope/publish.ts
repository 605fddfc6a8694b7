// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import type { HeaderWriter, Principal } from '@nats-edge/wire-parser'
import { withoutControls } from '../header-value.ts'
import { ProxyError, type ProxyErrorCode } from '../proxy-error.ts'
import type { ProxyRequest } from '../proxy-request.ts'
import type { Route } from '../route.ts'

/** What a stream says about a message it has stored. */
export interface PubAck {
  readonly stream: string
  readonly seq: number
  readonly duplicate: boolean
}

const keyForm = /^[\x21-\x7e]{1,255}$/

/** Writes the proxy's own headers of a published message: who sent it, its id for deduplication, what the route expects. */
export function writePublishFacts(
  writer: HeaderWriter,
  request: ProxyRequest,
  route: Route,
  principal: Principal | undefined,
): void {
  writer.add('Nats-Edge-Request-Id', withoutControls(request.id))
  if (principal !== undefined) writer.add('Nats-Edge-User', withoutControls(principal.id))
  const messageId = messageIdOf(request.header('idempotency-key'), route, principal)
  if (messageId !== undefined) writer.add('Nats-Msg-Id', messageId)
  if (route.publish.lines !== undefined) writer.addEncoded(route.publish.lines)
}

/**
 * A client's key as message id, behind a hash of caller and route: two callers that choose the same key, or one that
 * uses it on two routes, never suppress each other's messages. Throws `bad_request` for a key that is none.
 */
function messageIdOf(key: string | undefined, route: Route, principal: Principal | undefined): string | undefined {
  if (key === undefined) return undefined
  if (!keyForm.test(key)) {
    throw new ProxyError('bad_request', { detail: 'Idempotency-Key must be 1 to 255 visible ASCII characters.' })
  }
  // JSON keeps them apart whatever is in them, and null apart from every id. Routes on one path differ in their methods.
  const scope = JSON.stringify([principal?.id ?? null, route.methods, route.label])
  return `${createHash('sha256').update(scope).digest('base64url').slice(0, 22)}:${key}`
}

// https://docs.nats.io, "JetStream errors": err_code by number.
const ackErrors: ReadonlyMap<number, ProxyErrorCode> = new Map<number, ProxyErrorCode>([
  [10023, 'insufficient_resources'],
  [10028, 'insufficient_resources'],
  [10047, 'insufficient_resources'],
  [10054, 'body_too_large'],
  [10060, 'conflict'],
  [10070, 'precondition_failed'],
  [10071, 'precondition_failed'],
  [10164, 'precondition_failed'],
])

/** Reads what a stream answered; throws ProxyError for its errors and for what is no PubAck. */
export function decodePubAck(payload: Uint8Array): PubAck {
  const ack = parseJson(payload)
  if (!isRecord(ack)) throw notAnAck()
  const { error, stream, seq, duplicate } = ack
  if (isRecord(error)) throw ackError(error['err_code'])
  if (typeof stream !== 'string' || typeof seq !== 'number') throw notAnAck()
  return { stream, seq, duplicate: duplicate === true }
}

function ackError(errCode: unknown): ProxyError {
  if (typeof errCode !== 'number') return notAnAck()
  const members = { errCode }
  const code = ackErrors.get(errCode)
  if (code !== undefined) return new ProxyError(code, { members })
  return new ProxyError('bad_reply', { detail: `The stream refused the message (err_code ${errCode}).`, members })
}

function notAnAck(): ProxyError {
  return new ProxyError('bad_reply', { detail: 'Something other than a stream answered on this subject.' })
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseJson(payload: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(payload).toString('utf8'))
  } catch {
    return undefined
  }
}
