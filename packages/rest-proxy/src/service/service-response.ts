// SPDX-License-Identifier: Apache-2.0
import type { ServiceError } from './service-error.ts'
import { ServiceHeaders } from './service-headers.ts'

/** An error to answer: of the handler by `c.error()`, or of the service itself. */
export interface ErrorAnswer {
  readonly status: number
  readonly code: string
  readonly text: string
}

const empty: Uint8Array = new Uint8Array(0)

/** What goes back to the proxy; fresh for every request. */
export class ServiceResponse {
  /** Default 200. */
  statusCode = 200
  /** Text is sent as UTF-8. */
  body: Uint8Array | string = empty
  /** Set by `c.error()`. */
  errorAnswer: ErrorAnswer | undefined
  #headers: ServiceHeaders | undefined

  /** Becomes the answer to an error; nothing set before is left. */
  fail({ status, code, message: text }: ServiceError): void {
    this.statusCode = status
    this.body = empty
    this.errorAnswer = { status, code, text }
    this.#headers = undefined
    // Many clients refused at once must not all come back at once.
    if (code === 'overloaded') this.headers.set('Retry-After', String(1 + Math.floor(Math.random() * 3)))
  }

  get headers(): ServiceHeaders {
    this.#headers ??= new ServiceHeaders()
    return this.#headers
  }

  /** Throws TypeError for a body that is neither text nor bytes. */
  bodyToSend(): Uint8Array {
    const { body } = this
    if (typeof body === 'string') return body === '' ? empty : Buffer.from(body, 'utf8')
    if (body instanceof Uint8Array) return body
    throw new TypeError(`response.body: ${typeof body} is neither a string nor a Uint8Array`)
  }

  /** Name, value, name, value, with one char per byte; hop-by-hop headers left out, which belong to the proxy. */
  headersToSend(): readonly string[] {
    const flat = this.#headers?.toLatin1() ?? none
    for (let at = 0; at < flat.length; at += 2) if (hopByHop.has(flat[at] ?? '')) return withoutHopByHop(flat)
    return flat
  }
}

const none: readonly string[] = []

const hopByHop: ReadonlySet<string> = new Set([
  'Connection',
  'Content-Length',
  'Keep-Alive',
  'Proxy-Connection',
  'Te',
  'Trailer',
  'Transfer-Encoding',
  'Upgrade',
])

function withoutHopByHop(flat: readonly string[]): string[] {
  return flat.filter((_, index) => !hopByHop.has(flat[index - (index % 2)] ?? ''))
}
