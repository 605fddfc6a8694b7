// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, Server } from 'node:http'
import { Server as TlsServer } from 'node:tls'

/**
 * Serves a request that asks for a protocol we do not speak (`Upgrade: h2c`, as `curl --http2` sends) as the plain
 * request it is too (RFC 9110, 7.8): node:http has taken its parser away, so the head is given to a new one.
 */
export function serveWithoutUpgrade(server: Server, incoming: IncomingMessage, head: Buffer): void {
  const { socket } = incoming
  if (head.length > 0) socket.unshift(head)
  socket.unshift(plainHead(incoming))
  server.emit(server instanceof TlsServer ? 'secureConnection' : 'connection', socket)
}

function plainHead(incoming: IncomingMessage): Buffer {
  const lines = [`${incoming.method} ${incoming.url} HTTP/${incoming.httpVersion}`]
  const { rawHeaders } = incoming
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    if (name.toLowerCase() !== 'upgrade') lines.push(`${name}: ${rawHeaders[index + 1] ?? ''}`)
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}
