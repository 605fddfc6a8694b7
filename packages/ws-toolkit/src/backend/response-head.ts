// SPDX-License-Identifier: Apache-2.0
import type { ResponseHeaders } from './http-dispatcher.ts'

/** How the end of a body is found. */
export type BodyFraming = 'none' | 'length' | 'chunked' | 'close'

/** Everything before the body of a response. */
export interface ResponseHead {
  readonly status: number
  readonly headers: ResponseHeaders
  readonly framing: BodyFraming
  /** Of a body with `length`. */
  readonly bytes: number
  /** Whether the connection can carry another request. */
  readonly isReusable: boolean
  /** How long the service keeps an idle connection, where it says so. */
  readonly keepAliveMs: number | undefined
}

const statusPattern = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: |$)/
const namePattern = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
const lengthPattern = /^\d{1,15}$/

/** Reads a head without the empty line at its end; throws Error for what cannot be trusted. */
export function parseResponseHead(text: string, method: string): ResponseHead {
  const lines = text.split('\r\n')
  const [, minor, code] = statusPattern.exec(lines[0] ?? '') ?? []
  if (code === undefined) throw new Error('the service does not answer in HTTP/1.1')
  const headers = fieldsOf(lines)
  const status = Number(code)
  const connection = oneText(headers['connection']).toLowerCase()
  const isKept = minor === '1' ? !connection.includes('close') : connection.includes('keep-alive')
  const { framing, bytes } = framingOf(status, method, headers)
  const seconds = /(?:^|[\s,])timeout=(\d{1,6})/i.exec(oneText(headers['keep-alive']))?.[1]
  return {
    status,
    headers,
    framing,
    bytes,
    isReusable: isKept && framing !== 'close',
    keepAliveMs: seconds === undefined ? undefined : Number(seconds) * 1000,
  }
}

function fieldsOf(lines: readonly string[]): Record<string, string | string[] | undefined> {
  const headers: Record<string, string | string[] | undefined> = Object.create(null)
  for (let index = 1; index < lines.length; index += 1) {
    const line = lines[index] ?? ''
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(0, colon)).toLowerCase()
    const value = line.slice(colon + 1).trim()
    // A folded line has no name either (RFC 9112, 5.2); a lone CR or LF, or a NUL, hides a line from somebody.
    if (!namePattern.test(name) || /[\r\n\0]/.test(value)) throw new Error('a header of the service is malformed')
    const known = headers[name]
    if (name === 'set-cookie') headers[name] = [...(Array.isArray(known) ? known : []), value]
    else headers[name] = known === undefined ? value : `${oneText(known)}, ${value}`
  }
  return headers
}

/** RFC 9112, 6.3; two ways to say it are no way, as somebody else may have chosen the other. */
function framingOf(status: number, method: string, headers: ResponseHeaders): { framing: BodyFraming; bytes: number } {
  const coding = headers['transfer-encoding']
  const length = headers['content-length']
  if (coding !== undefined && length !== undefined) throw new Error('the service says the length in two ways')
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return { framing: 'none', bytes: 0 }
  if (coding !== undefined) {
    if (oneText(coding).toLowerCase() !== 'chunked') throw new Error('the service uses a transfer coding not asked for')
    return { framing: 'chunked', bytes: 0 }
  }
  if (length === undefined) return { framing: 'close', bytes: 0 }
  const [first = '', ...others] = oneText(length).split(', ')
  if (!lengthPattern.test(first) || others.some((other) => other !== first)) {
    throw new Error('the length the service says is malformed')
  }
  return { framing: first === '0' ? 'none' : 'length', bytes: Number(first) }
}

function oneText(value: string | string[] | undefined): string {
  return Array.isArray(value) ? value.join(', ') : (value ?? '')
}
