// SPDX-License-Identifier: Apache-2.0
import { ServerResponse, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
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
export async function writeResponse(incoming: IncomingMessage, response: Response): Promise<void> {
  const { socket } = incoming
  if (socket.destroyed) {
    response.body?.cancel().catch(ignore)
    return
  }
  let deadline = setTimeout(() => socket.destroy(), writeTimeoutMs)
  socket.once('close', () => clearTimeout(deadline))
  try {
    const outgoing = new ServerResponse(incoming)
    outgoing.shouldKeepAlive = false
    outgoing.assignSocket(socket)
    outgoing.writeHead(response.status, outgoingHeaders(response.headers))
    // What the client still sends is dropped: unread bytes turn the end into a reset, which may overtake the answer.
    socket.resume()
    if (response.body === null) outgoing.end()
    else await pipeline(Readable.from(response.body), outgoing)
    socket.end()
    clearTimeout(deadline)
    if (!socket.destroyed) deadline = setTimeout(() => socket.destroy(), lingerMs)
  } catch {
    // The client left, or the body failed half-way: the cut connection says so.
    socket.destroy()
    response.body?.cancel().catch(ignore)
  }
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

function outgoingHeaders(headers: Headers): OutgoingHttpHeaders {
  const record: OutgoingHttpHeaders = {}
  for (const [name, value] of headers) {
    if (!connectionHeaders.has(name) && name !== 'set-cookie') record[name] = value
  }
  const cookies = headers.getSetCookie()
  if (cookies.length > 0) record['set-cookie'] = cookies
  return record
}

function ignore(): void {}
