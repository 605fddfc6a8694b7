// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'

/** A server whose connections are handed to `onConnection`, and where it is. */
export interface TestServer {
  readonly target: { readonly host: string; readonly port: number; readonly path: string }
  readonly clients: Set<WebSocket>
  close(): Promise<void>
}

export async function startTestServer(onConnection: (ws: WebSocket) => void): Promise<TestServer> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, path: '/bench' })
  server.on('connection', (ws) => {
    ws.on('error', () => {})
    onConnection(ws)
  })
  await once(server, 'listening')
  return {
    target: { host: '127.0.0.1', port: (server.address() as AddressInfo).port, path: '/bench' },
    clients: server.clients,
    close: async () => {
      for (const client of server.clients) client.terminate()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
