// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, Server } from 'node:http'
import { Server as TlsServer } from 'node:tls'
import type { UpgradeRefusal } from './refusal.ts'

// What node:http keeps where `maxHeadersCount` does not say: the rest it drops without a word.
const defaultMaxHeaders = 1000

/**
 * Serves a request that asks for a protocol we do not speak (`Upgrade: h2c`, as `curl --http2` sends) as the plain
 * request it is too (RFC 9110, 7.8): node:http has taken its parser away, so the head is given to a new one. Gives a
 * refusal where the head is not whole any more.
 */
export function serveWithoutUpgrade(
  server: Server,
  incoming: IncomingMessage,
  head: Buffer,
): UpgradeRefusal | undefined {
  const { socket, rawHeaders } = incoming
  const maxHeaders = server.maxHeadersCount ?? defaultMaxHeaders
  // A Content-Length among those that were dropped would make a request of the body.
  if (maxHeaders > 0 && rawHeaders.length >= 2 * maxHeaders) {
    return { code: 'headers_too_large', detail: `the request has ${maxHeaders} headers or more; send fewer` }
  }
  if (head.length > 0) socket.unshift(head)
  socket.unshift(plainHead(incoming))
  server.emit(server instanceof TlsServer ? 'secureConnection' : 'connection', socket)
  return undefined
}

function plainHead({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    if (name.toLowerCase() !== 'upgrade') lines.push(`${name}: ${rawHeaders[index + 1] ?? ''}`)
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}
