// SPDX-License-Identifier: Apache-2.0
import { ServerResponse, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

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

// How long a refused client may take to read its answer and leave.
const lingerMs = 1000

/** Writes the refusal of an upgrade, body included, onto the socket node:http has let go of, and closes it. */
export async function writeResponse(incoming: IncomingMessage, response: Response): Promise<void> {
  const { socket } = incoming
  if (socket.destroyed || !socket.writable) {
    socket.destroy()
    await response.body?.cancel()
    return
  }
  linger(incoming)
  const outgoing = new ServerResponse(incoming)
  outgoing.shouldKeepAlive = false
  outgoing.assignSocket(socket)
  try {
    outgoing.writeHead(response.status, outgoingHeaders(response.headers))
    if (response.body === null) outgoing.end()
    else await pipeline(Readable.from(response.body), outgoing)
    socket.end()
  } catch {
    // The client left, or the body failed half-way: the cut connection says so.
    socket.destroy()
  }
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
  // RFC 6455, 4.4: a refused version is answered with those that are spoken; it is not one of ws's headers.
  return record
}

// What the client still sends is read and dropped: unread bytes would turn the end of the connection into a reset, and
// a reset may overtake the answer.
function linger({ socket }: IncomingMessage): void {
  const timer = setTimeout(() => socket.destroy(), lingerMs)
  socket.once('close', () => clearTimeout(timer))
  socket.once('end', () => socket.end())
  socket.resume()
}
