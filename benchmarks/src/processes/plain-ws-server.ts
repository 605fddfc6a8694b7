// SPDX-License-Identifier: Apache-2.0
// The plain reference of WebSocket rows: what somebody gets who writes the same on `ws`, with nothing around it.
import { Agent, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { announceReady } from '../command-channel.ts'
import { benchPath, parseServerWork, type ServerTask } from '../ws-server-work.ts'

const clients = new Set<WebSocket>()
const alive = new WeakSet<WebSocket>()
const { task, heartbeatMs } = parseServerWork(process.argv[2])
const onMessage = listenerFor(task)
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, path: benchPath, clientTracking: false })

server.on('connection', (ws) => {
  clients.add(ws)
  ws.on('close', () => clients.delete(ws))
  // A client that is cut off is no failure of the server.
  ws.on('error', () => {})
  ws.on('message', onMessage)
  if (heartbeatMs === undefined) return
  alive.add(ws)
  ws.on('pong', () => alive.add(ws))
})
if (heartbeatMs !== undefined) setInterval(pingAll, heartbeatMs)
server.on('listening', () => announceReady({ port: (server.address() as AddressInfo).port }))

function pingAll(): void {
  for (const client of clients) {
    if (alive.delete(client)) client.ping()
    else client.terminate()
  }
}

type Listener = (this: WebSocket, data: Buffer, isBinary: boolean) => void

function listenerFor(task: ServerTask): Listener {
  switch (task.kind) {
    case 'echo':
      return function echo(data, isBinary) {
        this.send(data, { binary: isBinary })
      }
    case 'broadcast':
      return () => {
        for (let count = 0; count < task.burst; count++) {
          for (const client of clients) client.send(task.message)
        }
      }
    case 'http':
      return askingListener(task.origin)
    default:
      throw new TypeError('the plain server asks no service over NATS')
  }
}

function askingListener(origin: string): Listener {
  const agent = new Agent({ keepAlive: true, maxSockets: 50 })
  return function ask(data) {
    const headers = { 'Content-Length': data.length }
    const asked = request(`${origin}/echo`, { method: 'POST', agent, headers }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => this.send(Buffer.concat(chunks), { binary: false }))
    })
    asked.on('error', () => this.terminate())
    asked.end(data)
  }
}
