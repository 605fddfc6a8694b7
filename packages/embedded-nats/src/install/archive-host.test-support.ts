// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect } from 'node:net'
import type { AddressInfo, Server as NetServer, Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { onTestFinished } from 'vitest'

/** One entry of a tar archive as `tar` writes it. */
export function tarFile(name: string, content: string, type = '0'): Buffer {
  const header = Buffer.alloc(512)
  const bytes = Buffer.from(content)
  header.write(name, 0, 'latin1')
  header.write('0000755\0', 100, 'latin1')
  header.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124, 'latin1')
  header.write(type, 156, 'latin1')
  return Buffer.concat([header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)])
}

/** A release archive with a nats-server made of a script. */
export function releaseArchive(script: string): Buffer {
  const folder = 'nats-server-v2.14.5-linux-amd64'
  const entries = [
    tarFile(`${folder}/`, '', '5'),
    tarFile(`${folder}/README.md`, 'nats-server'),
    tarFile(`${folder}/nats-server`, script),
  ]
  return gzipSync(Buffer.concat([...entries, Buffer.alloc(1024)]))
}

/** The pin of an archive. */
export function pinOf(archive: Buffer): { version: string; sha256: Map<string, string> } {
  return { version: '2.14.5', sha256: new Map([['linux-amd64', createHash('sha256').update(archive).digest('hex')]]) }
}

/** An HTTP or HTTPS server on loopback for one test; gives its port. */
export async function serve(answer: RequestListener, tls?: { key: string; cert: string }): Promise<number> {
  return listening(tls ? createTlsServer(tls, answer) : createServer(answer))
}

/** Answers with an archive, in one piece. */
export function sending(archive: Buffer): (request: IncomingMessage, response: ServerResponse) => void {
  return (_request, response) => {
    response.writeHead(200, { 'Content-Length': archive.length }).end(archive)
  }
}

/** A proxy that opens tunnels, to whatever it is asked for on loopback, and remembers what it was asked. */
export async function tunnelProxy(status = 200): Promise<{ port: number; asked: IncomingMessage[] }> {
  const asked: IncomingMessage[] = []
  const server = createServer((_request, response) => response.writeHead(405).end())
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    asked.push(request)
    socket.on('error', () => {})
    if (status !== 200) {
      socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`)
      return
    }
    const target = connect(Number(request.url?.split(':').at(-1)), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      target.pipe(socket).pipe(target)
    })
    target.on('error', () => socket.destroy())
  })
  return { port: await listening(server), asked }
}

/** Starts a server on a free loopback port and ends it, with its connections, when the test is over. */
export function listening(server: Server | NetServer): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}
