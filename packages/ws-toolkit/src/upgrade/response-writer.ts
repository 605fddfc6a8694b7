// SPDX-License-Identifier: Apache-2.0
import { STATUS_CODES, type IncomingMessage } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { problemResponse, requestIdFrom, statusOf, type UpgradeRefusal } from './refusal.ts'
import type { UpgradeHost } from './upgrade-host.ts'

// Said by this connection, or by ws, not by the route.
const connectionHeaders = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'sec-websocket-accept',
  'sec-websocket-extensions',
  'sec-websocket-protocol',
])

// How long a refused client may take to read its answer, and then to leave.
const writeTimeoutMs = 30_000
const lingerMs = 1000

/** Writes the refusal of an upgrade, body included, onto the socket node:http has let go of, and closes it. */
export async function writeResponse({ socket }: IncomingMessage, response: Response): Promise<void> {
  const { body, headers } = response
  if (socket.destroyed) {
    body?.cancel().catch(ignore)
    return
  }
  let deadline = setTimeout(() => socket.destroy(), writeTimeoutMs)
  socket.once('close', () => clearTimeout(deadline))
  // What the client still sends is dropped: unread bytes turn the end into a reset, which may overtake the answer.
  socket.resume()
  const isChunked = body !== null && !headers.has('content-length')
  try {
    socket.write(headOf(response, isChunked), 'latin1')
    if (body !== null) await pipeline(isChunked ? inChunks(body) : body, socket, { end: false })
  } catch {
    // The client left, or the body failed half-way: the cut connection says so. pipeline has cancelled the body.
    socket.destroy()
  }
  socket.end()
  clearTimeout(deadline)
  if (!socket.destroyed) deadline = setTimeout(() => socket.destroy(), lingerMs)
}

/** Refuses a handshake no route answers for. */
export function refuseUpgrade(
  incoming: IncomingMessage,
  refusal: UpgradeRefusal,
  { observe }: UpgradeHost,
): Promise<void> {
  observe({ type: 'upgrade.refused', code: refusal.code, status: statusOf(refusal.code) })
  const inbound = incoming.headers['x-request-id']
  const requestId = requestIdFrom(undefined, typeof inbound === 'string' ? inbound : undefined)
  return writeResponse(incoming, problemResponse(refusal, requestId))
}

/** Adds the headers a route and its middleware have set to the head of a 101. */
export function appendUpgradeHeaders(lines: string[], headers: Headers): void {
  for (const [name, value] of headers) {
    if (!connectionHeaders.has(name)) lines.push(`${name}: ${value}`)
  }
}

function headOf({ status, body, headers }: Response, isChunked: boolean): string {
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Connection: close',
    `Date: ${new Date().toUTCString()}`,
  ]
  for (const [name, value] of headers) {
    if (!connectionHeaders.has(name)) lines.push(`${name}: ${value}`)
  }
  const length = headers.get('content-length')
  if (isChunked) lines.push('Transfer-Encoding: chunked')
  else if (body !== null) lines.push(`Content-Length: ${length}`)
  // RFC 9110, 8.6: a 204 has no Content-Length.
  else if (status !== 204 && status !== 304) lines.push('Content-Length: 0')
  return `${lines.join('\r\n')}\r\n\r\n`
}

// RFC 9112, 7.1.
async function* inChunks(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    if (chunk.byteLength === 0) continue
    yield Buffer.concat([Buffer.from(`${chunk.byteLength.toString(16)}\r\n`), chunk, Buffer.from('\r\n')])
  }
  yield Buffer.from('0\r\n\r\n')
}

function ignore(): void {}
