// SPDX-License-Identifier: Apache-2.0
// A gateway in a process of its own, told what to do by messages of its parent.
import { createServer } from 'node:http'
import { wireGateway } from '@nats-edge/wire-parser/gateway'
import { attachWebSockets, upgradeWebSocket } from '@nats-edge/ws-toolkit/upgrade'
import { Hono } from 'hono'
import { heldByProcess, memoryOfProcess } from '../../support/process-state.js'

const closed = {}
const gateway = wireGateway({
  ...JSON.parse(process.argv[2] ?? '{}'),
  upgradeWebSocket,
  observe: (event) => {
    if (event.type === 'connection.closed') closed[event.cause] = (closed[event.cause] ?? 0) + 1
  },
})
const server = createServer((_request, response) => response.writeHead(404).end())
attachWebSockets(server, new Hono().route('/nats', gateway.routes))

function stat(name, label = '') {
  const family = [...gateway.stats()].find((candidate) => candidate.name === name)
  return [...family.samples].find((sample) => Object.values(sample.labels).join() === label).value
}

/** What the gateway holds, in its own numbers and in those of the process. */
function state() {
  const memory = memoryOfProcess()
  return {
    ...memory,
    held: {
      tcp: stat('wire_connections', 'tcp'),
      ws: stat('wire_connections', 'ws'),
      waiting: stat('wire_connections_waiting'),
      subscriptions: stat('wire_subscriptions'),
      queuedBytes: stat('wire_queued_bytes'),
      users: gateway.users().length,
      ...heldByProcess(),
    },
    closed,
    dialsFailed: stat('wire_backend_dials_total', 'failed'),
  }
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

const { port } = await gateway.listen({ port: 0 })
server.listen(0, '127.0.0.1', () => process.send({ ports: { tcp: port, ws: server.address().port } }))
