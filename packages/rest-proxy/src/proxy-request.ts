// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http'
import type { Context } from 'hono'
import type { RawRequest } from '@nats-edge/ws-toolkit/upgrade'
import { ProxyError } from './proxy-error.ts'
import { isRequestId, newRequestId } from './request-id.ts'
import type { RequestTarget } from './request-target.ts'

export interface RequestLimits {
  readonly maxUrlBytes: number
  readonly maxHeaderBytes: number
  readonly maxHeaders: number
}

/** One HTTP request as the proxy sees it: raw, with what is rarely needed found out only when somebody asks. */
export class ProxyRequest {
  readonly context: Context
  readonly incoming: IncomingMessage | undefined
  readonly method: string
  readonly target: RequestTarget
  readonly rawHeaders: readonly string[]
  /** What Content-Length says; undefined without it. */
  readonly contentLength: number | undefined
  /** The body comes in chunks of unknown number. */
  readonly chunked: boolean
  readonly isWebSocket: boolean
  readonly #clientIp: ((c: Context) => string) | undefined
  #id: string | undefined
  #ip: string | undefined

  constructor(c: Context, raw: RawRequest, target: RequestTarget, clientIp: ((c: Context) => string) | undefined) {
    const facts = new HeaderFacts(raw.rawHeaders)
    this.context = c
    this.incoming = raw.incoming
    this.method = raw.method
    this.target = target
    this.rawHeaders = raw.rawHeaders
    this.contentLength = facts.contentLength
    this.chunked = facts.chunked
    this.isWebSocket = facts.upgrade && lists(this.header('connection'), 'upgrade')
    this.#clientIp = clientIp
  }

  /** Hono's request id, else a valid inbound X-Request-Id, else a new one. */
  get id(): string {
    return (this.#id ??= this.#findId())
  }

  get ip(): string {
    return (this.#ip ??= this.#clientIp?.(this.context) ?? this.#socketIp())
  }

  /** `ip:port` and `[::1]:9`; port 0 where the address is not the socket's. Empty without a socket. */
  get remoteAddr(): string {
    const { ip } = this
    if (ip === '') return ''
    const port = ip === this.#socketIp() ? (this.incoming?.socket.remotePort ?? 0) : 0
    return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
  }

  get scheme(): 'http' | 'https' {
    const { incoming } = this
    if (incoming === undefined) return this.context.req.url.startsWith('https:') ? 'https' : 'http'
    return 'encrypted' in incoming.socket && incoming.socket.encrypted === true ? 'https' : 'http'
  }

  get host(): string {
    return this.header('host') ?? (this.incoming === undefined ? new URL(this.context.req.url).host : '')
  }

  /** The first value under a lower-case name. */
  header(lowerName: string): string | undefined {
    const { rawHeaders } = this
    for (let at = 0; at < rawHeaders.length; at += 2) {
      const name = rawHeaders[at]
      if (name?.length === lowerName.length && name.toLowerCase() === lowerName) return rawHeaders[at + 1]
    }
    return undefined
  }

  #socketIp(): string {
    const address = this.incoming?.socket.remoteAddress ?? ''
    return address.startsWith('::ffff:') ? address.slice(7) : address
  }

  #findId(): string {
    const given: unknown = this.context.get('requestId')
    if (typeof given === 'string' && given !== '') return given
    const inbound = this.header('x-request-id')
    return inbound !== undefined && isRequestId(inbound) ? inbound : newRequestId()
  }
}

/** Throws ProxyError for a target or headers beyond the limits. */
export function checkRequestLimits(raw: RawRequest, limits: RequestLimits): void {
  if (raw.url.length > limits.maxUrlBytes) throw new ProxyError('uri_too_long')
  const { rawHeaders } = raw
  let bytes = 0
  for (const text of rawHeaders) bytes += text.length
  // Each line has a colon, a blank and its end besides.
  bytes += rawHeaders.length * 2
  if (rawHeaders.length > limits.maxHeaders * 2 || bytes > limits.maxHeaderBytes) {
    throw new ProxyError('headers_too_large', { closes: true })
  }
}

/** What the headers say about the message itself, found in one pass. */
class HeaderFacts {
  contentLength: number | undefined
  chunked = false
  upgrade = false

  constructor(rawHeaders: readonly string[]) {
    for (let at = 0; at < rawHeaders.length; at += 2) {
      const name = rawHeaders[at] ?? ''
      // By length first: this runs for every header of every request.
      switch (name.length) {
        case 7:
          if (name.toLowerCase() === 'upgrade') this.upgrade = lists(rawHeaders[at + 1], 'websocket')
          break
        case 14:
          if (name.toLowerCase() === 'content-length') this.contentLength = Number(rawHeaders[at + 1])
          break
        case 17:
          if (name.toLowerCase() === 'transfer-encoding') this.chunked = true
          break
        default:
      }
    }
  }
}

function lists(value: string | undefined, word: string): boolean {
  if (value === undefined || value.length < word.length) return false
  return value
    .toLowerCase()
    .split(',')
    .some((part) => part.trim() === word)
}
