// SPDX-License-Identifier: Apache-2.0
// A gateway of WebSocket channels in a process of its own, told what to do by messages of its parent.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { serve } from '@hono/node-server'
import { jsonCodec, wsGateway } from '@nats-edge/ws-toolkit'
import { attachWebSockets, webSocketServer } from '@nats-edge/ws-toolkit/upgrade'
import { Hono } from 'hono'
import { heldByProcess, memoryOfProcess } from '../support/process-state.js'

// `isLimited`: with the limits of the package; `host`: `attached` or `serve`.
const { isLimited = false, host = 'attached' } = JSON.parse(process.argv[2] ?? '{}')
const closed = {}
const gateway = wsGateway({
  ...(!isLimited && { maxUpgradesPerSecond: Infinity, maxConnectionsPerIp: 10_000 }),
  observe: (event) => {
    if (event.type === 'connection.closed') closed[event.code] = (closed[event.code] ?? 0) + 1
  },
})
const rates = isLimited ? {} : { messagesPerSecond: Infinity, bytesPerSecond: Infinity }
const pass = (request, next) => next(request)

gateway.channel('/deflate', { ...rates, compression: {} }).default((request) => request.data)
gateway.channel('/raw', rates).default((request) => request.data)
gateway
  .channel('/json', { ...rates, codec: jsonCodec() })
  .use(pass, pass, pass)
  .route('echo', (request) => request.data)
gateway.channel('/later', { ...rates, replyOrder: 'fifo' }).default(async ({ data, signal }) => {
  signal.addEventListener('abort', () => {})
  await new Promise(setImmediate)
  return data
})
gateway.channel('/room', rates).default(({ data, connection }) => {
  connection.join('lobby').catch(() => {})
  return data
})

const app = new Hono().route('/', gateway.routes)
const server = host === 'serve' ? served() : attached()

function attached() {
  const plain = createServer((_request, response) => response.writeHead(404).end())
  attachWebSockets(plain, app)
  return plain.listen(0, '127.0.0.1')
}

function served() {
  return serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0, websocket: { server: webSocketServer() } })
}

/** The gauges of the gateway, and what its process holds. */
function state() {
  const memory = memoryOfProcess()
  const gauges = {}
  for (const { name, kind, samples } of gateway.stats()) {
    if (kind !== 'gauge') continue
    for (const { labels, value } of samples) gauges[[name, ...Object.values(labels)].join(' ')] = value
  }
  return { ...memory, held: { ...gauges, ...heldByProcess([server]) }, closed, dialsFailed: 0 }
}

process.on('message', (message) => {
  if (message === 'state') process.send({ state: state() })
  if (message === 'end') process.disconnect()
})
process.on('disconnect', () => {
  void gateway.close({ drainMs: 0 })
  server.closeAllConnections()
  server.close()
})

if (!server.listening) await once(server, 'listening')
const { port } = server.address()
process.send({ ports: { tcp: port, ws: port } })
