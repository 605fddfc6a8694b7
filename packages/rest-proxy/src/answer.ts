// SPDX-License-Identifier: Apache-2.0
import { isUtf8 } from 'node:buffer'
import { isFraming } from './header-rules.ts'
import { headerValue, isHeaderName } from './header-value.ts'
import { ProxyError } from './proxy-error.ts'
import type { Reply } from './reply.ts'

/** An HTTP answer ready to be written: every name and value is checked. */
export interface Answer {
  readonly status: number
  /** Name, value, name, value. */
  readonly headers: readonly string[]
  /** Undefined where the answer has no body at all: HEAD, 204, 304. */
  readonly body: Uint8Array | undefined
  /** What Content-Length says; undefined where none is sent. */
  readonly length: number | undefined
}

const BRACE = 0x7b
const BRACKET = 0x5b
const nosniff = ['X-Content-Type-Options', 'nosniff'] as const

/** Turns a reply into what the client gets; throws `bad_reply` for a status that is none. */
export function replyToAnswer(reply: Reply, method: string, maxStatus: number): Answer {
  const { status, body } = reply
  if (!Number.isInteger(status) || status < 200 || status > maxStatus) {
    throw new ProxyError('bad_reply', { detail: 'The service answered with an impossible status.' })
  }
  const headers: string[] = []
  let typed = false
  for (let at = 0; at < reply.headers.length; at += 2) {
    const name = reply.headers[at] ?? ''
    const kind = nameKind(name)
    if (kind === 'dropped') continue
    typed ||= kind === 'type'
    headers.push(name, headerValue(reply.headers[at + 1] ?? ''))
  }
  const bare = hasNoBody(status)
  if (!typed && !bare && body.length > 0) headers.push('Content-Type', contentTypeOf(body), ...nosniff)
  if (bare) return { status, headers, body: undefined, length: undefined }
  if (method !== 'HEAD') return { status, headers, body, length: body.length }
  // A service that answers HEAD itself sends no body, which says nothing about the length of the resource.
  return { status, headers, body: undefined, length: body.length === 0 ? undefined : body.length }
}

/** The problem document of a failed request. */
export function problemAnswer(error: ProxyError, requestId: string, method: string): Answer {
  const body = error.toProblem(requestId)
  const headers = [
    'Content-Type',
    'application/problem+json',
    ...nosniff,
    'X-Request-Id',
    headerValue(requestId),
    ...error.headers,
  ]
  // Jitter, so that everyone who was turned away now does not come back in the same second.
  if (error.status === 503 && !error.headers.includes('Retry-After')) {
    headers.push('Retry-After', String(1 + Math.floor(Math.random() * 3)))
  }
  return { status: error.status, headers, body: method === 'HEAD' ? undefined : body, length: body.length }
}

/** An answer that the proxy makes itself. */
export function jsonAnswer(status: number, document: unknown, method: string): Answer {
  const body = Buffer.from(JSON.stringify(document))
  const headers = ['Content-Type', 'application/json', ...nosniff]
  return { status, headers, body: method === 'HEAD' ? undefined : body, length: body.length }
}

function hasNoBody(status: number): boolean {
  return status === 204 || status === 205 || status === 304
}

// Never HTML: what a service did not type must not run in a browser.
function contentTypeOf(body: Uint8Array): string {
  if (body[0] === BRACE || body[0] === BRACKET) return 'application/json'
  return isUtf8(body) ? 'text/plain; charset=utf-8' : 'application/octet-stream'
}

type NameKind = 'type' | 'other' | 'dropped'

const maxMemoised = 500
const maxMemoisedLength = 64
const nameKinds = new Map<string, NameKind>()

// Services use few names, and this is asked for each header of each reply.
function nameKind(name: string): NameKind {
  const known = nameKinds.get(name)
  if (known !== undefined) return known
  const kind = decideKind(name)
  if (nameKinds.size >= maxMemoised) nameKinds.clear()
  if (name.length <= maxMemoisedLength) nameKinds.set(name, kind)
  return kind
}

function decideKind(name: string): NameKind {
  const lower = name.toLowerCase()
  if (!isHeaderName(name) || isFraming(lower)) return 'dropped'
  return lower === 'content-type' ? 'type' : 'other'
}
