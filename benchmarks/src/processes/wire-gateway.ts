// SPDX-License-Identifier: Apache-2.0
// The gateway of wire rows on TCP and WebSocket; with `policies` every operation passes permissions and a hook.
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { wireGateway, type WireGatewayOptions } from '@nats-edge/wire-parser/gateway'
import { attachWebSockets, upgradeWebSocket } from '@nats-edge/ws-toolkit/upgrade'
import { Hono } from 'hono'
import { announceReady } from '../command-channel.ts'

const [url = 'nats://127.0.0.1:4222', how] = process.argv.slice(2)
const rules = { allow: ['bench.>', '_INBOX.>'] }
const inspected: Pick<WireGatewayOptions, 'policies' | 'hooks'> = {
  policies: { permissions: { publish: rules, subscribe: rules } },
  hooks: { onPublish: () => undefined, onMessage: () => undefined },
}
const options = how === 'policies' ? inspected : {}
const gateway = wireGateway({ backends: [{ url }], upgradeWebSocket, ...options })
const { port: tcp } = await gateway.listen({ port: 0 })
const server = createServer((_request, response) => response.writeHead(404).end())
attachWebSockets(server, new Hono().route('/nats', gateway.routes))
await once(server.listen(0, '127.0.0.1'), 'listening')
announceReady({ tcp, ws: (server.address() as AddressInfo).port })
