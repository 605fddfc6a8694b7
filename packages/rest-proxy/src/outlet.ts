// SPDX-License-Identifier: Apache-2.0
import type { ServerResponse } from 'node:http'
import type { Context } from 'hono'
import type { Answer } from './answer.ts'

/** Where an answer goes; it takes exactly one. */
export interface Outlet {
  /** The highest status it can write. */
  readonly maxStatus: number
  /** The request's body may be read from node's own stream. */
  readonly isRaw: boolean
  /** `close` ends the connection after this answer. */
  send(answer: Answer, close: boolean): void
  /** The client is gone; whoever waits for an answer is released. */
  abandon(): void
}

/** What a host offers that lets handlers write to node's response themselves. */
export interface RawHost {
  /** Says "I shall write" and gives the value the handler returns. */
  take(): Response
  /** The host's own headers; called once, when the head is written. */
  head(status: number): Record<string, string | string[]>
}

// Fields that may stand in several lines: ours and the host's are both kept. Of any other the host's counts.
const repeatable: ReadonlySet<string> = new Set(['set-cookie', 'vary', 'link', 'www-authenticate', 'cache-control'])

const maxTextBytes = 2048

/** Writes head and body at once to node's own response. */
export class RawOutlet implements Outlet {
  readonly maxStatus = 999
  readonly isRaw = true
  readonly #outgoing: ServerResponse
  readonly #host: RawHost

  constructor(outgoing: ServerResponse, host: RawHost) {
    this.#outgoing = outgoing
    this.#host = host
  }

  send(answer: Answer, close: boolean): void {
    const outgoing = this.#outgoing
    if (outgoing.destroyed || outgoing.headersSent) return
    try {
      this.#write(answer, close)
    } catch {
      // A header of the host's that node refuses: the client must not wait for an answer that never comes.
      if (outgoing.headersSent) outgoing.destroy()
      else outgoing.writeHead(500, { Connection: 'close' }).end()
    }
  }

  abandon(): void {}

  #write({ status, headers, body, length }: Answer, close: boolean): void {
    const outgoing = this.#outgoing
    const head = this.#host.head(status)
    const lines: string[] = []
    for (const name of Object.keys(head)) addLines(lines, name, head[name])
    const hostEnd = lines.length
    for (let at = 0; at < headers.length; at += 2) {
      const name = headers[at] ?? ''
      if (isFree(lines, hostEnd, name)) lines.push(name, headers[at + 1] ?? '')
    }
    if (length !== undefined) lines.push('Content-Length', String(length))
    if (close) lines.push('Connection', 'close')
    outgoing.writeHead(status, lines)
    // As text a small body goes out in one piece with the head.
    if (body !== undefined && body.length <= maxTextBytes) outgoing.end(latin1(body), 'latin1')
    else outgoing.end(body)
  }
}

/** Whether a field of ours may stand beside those of the host. */
function isFree(lines: readonly string[], hostEnd: number, name: string): boolean {
  for (let at = 0; at < hostEnd; at += 2) {
    const other = lines[at]
    if (other?.length !== name.length) continue
    const lower = name.toLowerCase()
    if (other.toLowerCase() === lower) return repeatable.has(lower)
  }
  return true
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

function addLines(lines: string[], name: string, value: string | string[] | undefined): void {
  if (typeof value === 'string') lines.push(name, value)
  else for (const each of value ?? []) lines.push(name, each)
}

/** Makes a Response, so that middleware around the handler sees and may change it. */
export class ResponseOutlet implements Outlet {
  // Response refuses a status above 599.
  readonly maxStatus = 599
  readonly isRaw = false
  readonly response: Promise<Response>
  #resolve: (response: Response) => void = () => {}

  constructor() {
    this.response = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  send(answer: Answer, close: boolean): void {
    try {
      this.#resolve(toResponse(answer, close))
    } catch {
      this.#resolve(new Response(null, { status: 500 }))
    }
  }

  abandon(): void {
    // Nobody reads it; 499 is what access logs call a client that closed its connection.
    this.#resolve(new Response(null, { status: 499 }))
  }
}

/** The answer as a Response: headers as a plain object, which hosts write fastest, or as pairs where a name repeats. */
export function toResponse(answer: Answer, close: boolean): Response {
  const { status, headers, length } = answer
  const plain: Record<string, string> = {}
  const seen = new Set<string>()
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    plain[name] = headers[at + 1] ?? ''
    seen.add(name.toLowerCase())
  }
  const own: Record<string, string> = {}
  if (length !== undefined) own['Content-Length'] = String(length)
  if (close) own['Connection'] = 'close'
  const repeats = seen.size * 2 < headers.length
  const body = answer.body as Uint8Array<ArrayBuffer> | undefined
  return new Response(body ?? null, {
    status,
    headers: repeats ? [...pairs(headers), ...Object.entries(own)] : Object.assign(plain, own),
  })
}

function pairs(flat: readonly string[]): [name: string, value: string][] {
  const list: [string, string][] = []
  for (let at = 0; at < flat.length; at += 2) list.push([flat[at] ?? '', flat[at + 1] ?? ''])
  return list
}

const rawHostKey = Symbol.for('nats-edge.raw')

/** The way out that this host offers, and what the handler returns for it. */
export function openOutlet(c: Context): { readonly outlet: Outlet; readonly response: Response | Promise<Response> } {
  const host = rawHostOf(c)
  const outgoing = outgoingOf(c)
  if (host !== undefined && outgoing !== undefined) {
    return { outlet: new RawOutlet(outgoing, host), response: host.take() }
  }
  const outlet = new ResponseOutlet()
  return { outlet, response: outlet.response }
}

/** Node's own response, where the host is node:http. */
export function outgoingOf(c: Context): ServerResponse | undefined {
  const env: unknown = c.env
  if (typeof env !== 'object' || env === null || !('outgoing' in env)) return undefined
  const { outgoing } = env
  if (typeof outgoing !== 'object' || outgoing === null || !('writeHead' in outgoing)) return undefined
  return outgoing as ServerResponse
}

function rawHostOf(c: Context): RawHost | undefined {
  const env: unknown = c.env
  if (typeof env !== 'object' || env === null || !(rawHostKey in env)) return undefined
  const host = env[rawHostKey]
  return typeof host === 'object' && host !== null && 'take' in host && 'head' in host ? (host as RawHost) : undefined
}
