// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http'
import type { Context } from 'hono'

/** A request as it came over the wire: before URL normalisation and before headers were merged. */
export interface RawRequest {
  /** The request target, undecoded: `/a%2Fb?c`. */
  readonly url: string
  /** Name, value, name, value in the order and spelling of the client; values are latin1 text. */
  readonly rawHeaders: readonly string[]
  readonly method: string
  /** Node's own request, where the host is node:http. */
  readonly incoming: IncomingMessage | undefined
}

/** Reads the raw request of the host, or rebuilds it from the Request where there is none, as in `app.request()`. */
export function rawRequest(c: Context): RawRequest {
  const incoming = parseIncoming(c)
  if (incoming !== undefined) {
    return { url: incoming.url ?? '/', rawHeaders: incoming.rawHeaders, method: incoming.method ?? 'GET', incoming }
  }
  const request = c.req.raw
  return { url: targetOf(request.url), rawHeaders: flatHeaders(request.headers), method: request.method, incoming }
}

/** Takes node's request out of the environment the host passed, if it passed one. */
export function parseIncoming(c: Context): IncomingMessage | undefined {
  const env: unknown = c.env
  if (typeof env !== 'object' || env === null || !('incoming' in env)) return undefined
  const { incoming } = env
  if (typeof incoming !== 'object' || incoming === null || !('rawHeaders' in incoming)) return undefined
  return Array.isArray(incoming.rawHeaders) ? (incoming as IncomingMessage) : undefined
}

/** Whether a request wants to become a WebSocket; node's own headers are there already, those of a Request may not be. */
export function wantsWebSocket(c: Context): boolean {
  const upgrade = parseIncoming(c)?.headers.upgrade ?? c.req.header('upgrade')
  return upgrade?.toLowerCase() === 'websocket'
}

function targetOf(url: string): string {
  const path = url.indexOf('/', url.indexOf('://') + 3)
  return path === -1 ? '/' : url.slice(path)
}

function flatHeaders(headers: Headers): string[] {
  const flat: string[] = []
  for (const [name, value] of headers) flat.push(name, value)
  return flat
}
