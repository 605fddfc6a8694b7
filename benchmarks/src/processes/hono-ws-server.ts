// SPDX-License-Identifier: Apache-2.0
// The least a server does that asks a Hono app of every handshake before `ws` answers it.
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { Hono } from 'hono'
import { WebSocketServer } from 'ws'
import { announceReady } from '../command-channel.ts'
import { benchPath } from '../ws-server-work.ts'

const app = new Hono().get(benchPath, (c) => c.body(null, 200))
const sockets = new WebSocketServer({ noServer: true, clientTracking: false })
const server = createServer()

server.on('upgrade', (incoming, socket, head) => void answer(incoming, socket, head))
server.listen(0, '127.0.0.1', () => announceReady({ port: (server.address() as AddressInfo).port }))

async function answer(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
  const { status } = await app.fetch(requestOf(incoming))
  if (status !== 200) {
    socket.destroy()
    return
  }
  sockets.handleUpgrade(incoming, socket, head, (ws) => {
    ws.on('error', () => {})
    ws.on('message', (data: Buffer, isBinary) => ws.send(data, { binary: isBinary }))
  })
}

function requestOf({ headers, rawHeaders, url }: IncomingMessage): Request {
  const request = new Request(`http://${headers.host}${url}`)
  for (let at = 0; at < rawHeaders.length; at += 2)
    request.headers.append(rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '')
  return request
}
