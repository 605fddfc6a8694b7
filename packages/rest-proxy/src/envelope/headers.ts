// SPDX-License-Identifier: Apache-2.0
import type { BusMessage, HeaderWriter, Principal } from '@nats-edge/wire-parser'
import { hasControl, utf8AsLatin1, withoutControls } from '../header-value.ts'
import { problemJson } from '../problem.ts'
import { ProxyError } from '../proxy-error.ts'
import type { ProxyRequest } from '../proxy-request.ts'
import type { Reply } from '../reply.ts'
import type { Route } from '../route.ts'

/** What the proxy says about a request in headers of its own. */
export interface RequestFacts {
  readonly request: ProxyRequest
  /** GET where a HEAD fell back to it. */
  readonly method: string
  readonly route: Route
  readonly principal: Principal | undefined
  /** Name, value, name, value of the path, still encoded. */
  readonly params: readonly string[]
  readonly remainingMs: number
}

/** Writes the `Nats-Edge-*` headers of a request. */
export function writeRequestFacts(writer: HeaderWriter, facts: RequestFacts): void {
  const { request, method, route, principal, params, remainingMs } = facts
  writer
    .add('Nats-Edge-Method', method)
    .addLatin1('Nats-Edge-Path', request.target.path)
    .addLatin1('Nats-Edge-Query', request.target.query)
    .addLatin1('Nats-Edge-Host', request.host)
    .add('Nats-Edge-Scheme', request.scheme)
    .add('Nats-Edge-Client-Ip', withoutControls(request.ip))
    .addEncoded(route.routeLine)
    .add('Nats-Edge-Request-Id', withoutControls(request.id))
    .add('Nats-Edge-Timeout-Ms', String(Math.max(1, Math.floor(remainingMs))))
  if (principal !== undefined) writer.add('Nats-Edge-User', withoutControls(principal.id))
  for (let at = 0; at < params.length; at += 2) writer.addLatin1(`Nats-Edge-Param-${params[at]}`, params[at + 1] ?? '')
}

/** Reads a reply whose status and headers are NATS headers; the reply owns its bytes. Throws `bad_reply`. */
export function headersReply(message: BusMessage, route: Route, requestId: string): Reply {
  const { headers } = message
  const body = Buffer.from(message.payload)
  if (headers === undefined) return { status: 200, headers: [], body, upgrade: false }
  if (headers.status !== undefined) {
    throw new ProxyError(headers.status === 503 ? 'no_responders' : 'bad_reply')
  }
  const flat: string[] = []
  let status: string | undefined
  let errorCode: string | undefined
  let errorText: string | undefined
  for (const [name, value] of headers.entries()) {
    if (name === 'Nats-Edge-Status') status ??= value
    else if (name === 'Nats-Service-Error-Code') errorCode ??= value
    else if (name === 'Nats-Service-Error') errorText ??= value
    else {
      const target = route.replyHeaders.target(name)
      if (target === undefined) continue
      if (hasControl(value)) throw new ProxyError('bad_reply', { detail: 'The service answered with a broken header.' })
      flat.push(target, utf8AsLatin1(value))
    }
  }
  if (errorCode === undefined && errorText === undefined) {
    return { status: replyStatus(status), headers: flat, body, upgrade: false }
  }
  return serviceError({ status: errorStatus(errorCode), headers: flat, body, upgrade: false }, errorText, requestId)
}

function replyStatus(text: string | undefined): number {
  if (text === undefined) return 200
  const status = /^[2-5]\d\d$/.test(text) ? Number(text) : 0
  if (status === 0) throw new ProxyError('bad_reply', { detail: 'The service answered with an impossible status.' })
  return status
}

function errorStatus(code: string | undefined): number {
  return code !== undefined && /^[45]\d\d$/.test(code) ? Number(code) : 500
}

// A service error without a body of its own becomes a problem document with the service's words.
function serviceError(reply: Reply, text: string | undefined, requestId: string): Reply {
  if (reply.body.length > 0) return reply
  const { status } = reply
  const detail = text === undefined || text === '' ? 'The service reported an error.' : text
  const typed = reply.headers.filter((_, at) => reply.headers[at - (at % 2)]?.toLowerCase() !== 'content-type')
  return {
    ...reply,
    headers: [...typed, 'Content-Type', 'application/problem+json', 'X-Content-Type-Options', 'nosniff'],
    body: Buffer.from(problemJson({ status, code: 'service_error', detail, requestId })),
  }
}
