// SPDX-License-Identifier: Apache-2.0
// Echoes every message with its type: `node echo-server.mjs <binding> <way> [large] [deflate]` prints its port.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { getRequestListener, serve } from '@hono/node-server'
import { wsGateway } from '@nats-edge/ws-toolkit'
import { attachWebSockets, upgradeWebSocket, webSocketServer } from '@nats-edge/ws-toolkit/upgrade'
import { Hono } from 'hono'

const [binding, way, ...flags] = process.argv.slice(2)
const isLarge = flags.includes('large')
const limits = {
  maxMessageBytes: isLarge ? 67_108_864 : 65_536,
  maxFragments: isLarge ? 131_072 : 128,
  compression: flags.includes('deflate') ? { thresholdBytes: 0, contextTakeover: true } : false,
}

const app = new Hono()
if (way === 'upgrade') {
  const events = {
    onOpen: (_event, { raw }) => raw.on('message', (data, binary) => raw.send(data, { binary })),
  }
  app.get(
    '/',
    upgradeWebSocket(() => events, limits),
  )
} else {
  const gateway = wsGateway({ transport: way === 'plain' ? 'plain' : 'auto' })
  // A flood of frames is what some cases are: only the protocol is on trial.
  const rates = { messagesPerSecond: Infinity, bytesPerSecond: Infinity, sendBufferBytes: 268_435_456 }
  gateway.channel('/', { ...limits, ...rates }).default((request) => request.data)
  app.route('/', gateway.routes)
}

const server = binding === 'serve' ? servedByHono() : attached()
await once(server, 'listening')
console.log(server.address().port)

function servedByHono() {
  return serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0, websocket: { server: webSocketServer() } })
}

function attached() {
  const listener = getRequestListener(app.fetch)
  const server = createServer((incoming, outgoing) => void listener(incoming, outgoing))
  attachWebSockets(server, app)
  return server.listen(0, '127.0.0.1')
}
