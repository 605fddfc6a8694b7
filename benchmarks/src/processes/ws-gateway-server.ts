// SPDX-License-Identifier: Apache-2.0
// Our side of the WebSocket rows: codec, three middlewares and router, behind Hono on @hono/node-server, or attached to
// a plain node:http server.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import {
  errors,
  httpBackend,
  jsonCodec,
  measure,
  rawCodec,
  timeout,
  wsGateway,
  type Handler,
  type WsGateway,
} from '@nats-edge/ws-toolkit'
import { natsRequest } from '@nats-edge/ws-toolkit/nats'
import { attachWebSockets, webSocketServer } from '@nats-edge/ws-toolkit/upgrade'
import { connect } from '@nats-io/transport-node'
import { Hono } from 'hono'
import { Pool } from 'undici'
import { announceReady } from '../command-channel.ts'
import { benchPath, parseServerWork, type ServerTask, type ServerWork } from '../ws-server-work.ts'

const host = '127.0.0.1'
const room = 'all'
const manyConnections = 100_000
let answered = 0
let failed = 0

const { task, binding, codec, heartbeatMs } = parseServerWork(process.argv[2])
const gateway = wsGateway({
  maxConnections: manyConnections,
  maxConnectionsPerIp: manyConnections,
  // The limits are looked at as always, but a load is no client that has to be held back.
  maxUpgradesPerSecond: 1_000_000,
})
gateway
  .channel(benchPath, {
    codec: codec === 'json' ? jsonCodec() : rawCodec(),
    maxConnections: manyConnections,
    ...(heartbeatMs !== undefined && { heartbeatMs }),
    messagesPerSecond: 1_000_000,
    bytesPerSecond: 1_000_000_000,
    ...(task.kind === 'broadcast' && { onOpen: async (connection) => void (await connection.join(room)) }),
  })
  .use(
    errors((error) => {
      failed += 1
      throw error
    }),
    measure((_request, { code }) => {
      if (code === 'ok') answered += 1
    }),
    timeout(10_000),
  )
  // What a raw message is called, and what ours are called in JSON.
  .route(['text', 'echo'], await handlerFor(task, gateway))
announceReady({ port: await listen(new Hono().route('/', gateway.routes), binding) })
process.once('exit', () => console.log(`${answered} answered, ${failed} failed`))

async function handlerFor(task: ServerTask, { rooms }: WsGateway): Promise<Handler> {
  switch (task.kind) {
    case 'echo':
      return ({ data }) => data
    case 'broadcast':
      return () => {
        for (let count = 0; count < task.burst; count++) rooms.room(room).broadcast(task.message)
      }
    case 'http':
      return httpBackend({
        dispatcher: new Pool(task.origin, { connections: 50, pipelining: 1 }),
        request: ({ bytes }) => ({ path: '/echo', body: bytes }),
      })
    default:
      return natsRequest(await connect({ servers: task.url }), task.subject)
  }
}

async function listen(app: Hono, binding: ServerWork['binding']): Promise<number> {
  if (binding === 'mount') {
    return new Promise((resolve) => {
      serve({ fetch: app.fetch, hostname: host, port: 0, websocket: { server: webSocketServer() } }, ({ port }) =>
        resolve(port),
      )
    })
  }
  const server: Server = createServer()
  attachWebSockets(server, app, { request: 'light' })
  await new Promise<void>((resolve) => void server.listen(0, host, resolve))
  return (server.address() as AddressInfo).port
}
