// SPDX-License-Identifier: Apache-2.0
import { STATUS_CODES } from 'node:http'

/** The edge's own errors; a surface has its own table. */
const statusOfCode = {
  bad_request: 400,
  unauthorized: 401,
  not_found: 404,
  slow_request: 408,
  profile_running: 409,
  uri_too_long: 414,
  wrong_host: 421,
  upgrade_required: 426,
  headers_too_large: 431,
  internal: 500,
  too_many_connections: 503,
} as const

type ProblemCode = keyof typeof statusOfCode

/** An error answer by RFC 9457. */
export interface Problem {
  readonly code: ProblemCode
  readonly detail?: string
  /** Seconds after which trying again makes sense. */
  readonly retryAfterSeconds?: number
}

export interface RenderedProblem {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string
}

export function statusOf(problem: Problem): number {
  return statusOfCode[problem.code]
}

export function renderProblem(problem: Problem, requestId: string): RenderedProblem {
  const status = statusOf(problem)
  const body = JSON.stringify({
    type: 'about:blank',
    title: STATUS_CODES[status],
    status,
    code: problem.code,
    ...(problem.detail === undefined ? {} : { detail: problem.detail }),
    requestId,
  })
  const headers: Record<string, string> = {
    'Content-Type': 'application/problem+json',
    'Cache-Control': 'no-store',
  }
  if (problem.retryAfterSeconds !== undefined) headers['Retry-After'] = String(problem.retryAfterSeconds)
  if (problem.code === 'unauthorized') headers['WWW-Authenticate'] = 'Bearer realm="nats-edge admin"'
  return { status, headers, body }
}

export function problemResponse(problem: Problem, requestId: string): Response {
  const { status, headers, body } = renderProblem(problem, requestId)
  return new Response(body, { status, headers })
}

/** A whole HTTP/1.1 answer as text, for a socket that has no request to answer. */
export function problemMessage(problem: Problem, requestId: string): string {
  const { status, headers, body } = renderProblem(problem, requestId)
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  const length = `Content-Length: ${Buffer.byteLength(body)}`
  return [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, length, 'Connection: close', '', body].join('\r\n')
}

/** 1 to 3 seconds, so that refused clients do not come back together. */
export function jitteredRetrySeconds(): number {
  return 1 + Math.floor(Math.random() * 3)
}
