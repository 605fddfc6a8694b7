// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { attachWebSockets } from '@nats-edge/ws-toolkit/upgrade'
import type { Hono } from 'hono'

/** The upgrades of an app on a port of loopback. */
export interface ServedApp {
  readonly port: number
  close(): void
}

/** Whatever is no upgrade is answered 404. */
export async function serveUpgrades(app: Hono): Promise<ServedApp> {
  const server = createServer((_request, response) => response.writeHead(404).end())
  attachWebSockets(server, app)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, close: () => void server.close() }
}
