// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Hono } from 'hono'
import { onTestFinished } from 'vitest'
import type { WebSocket } from 'ws'
import { WebSocketServer, type ServerOptions } from 'ws'
import {
  wsGateway,
  type ChannelOptions,
  type Handler,
  type Middleware,
  type WsEvent,
  type WsGateway,
} from '../index.ts'
import { open, startAttached, type Opened } from '../upgrade/hosts.test-support.ts'

/** A real HTTP service, and what the test wants to know of it. */
export interface TestService {
  readonly origin: string
  readonly server: Server
  /** Connections it has ever taken, and those that are open. */
  connections(): number
  open(): number
}

export async function startService(
  listener: (...request: Parameters<RequestListener>) => unknown,
): Promise<TestService> {
  const server = createServer((incoming, outgoing) => void listener(incoming, outgoing))
  return serviceOf(server, 'http')
}

export async function serviceOf(server: Server, scheme: string): Promise<TestService> {
  const sockets = new Set<Socket>()
  let connections = 0
  server.on(scheme === 'https' ? 'secureConnection' : 'connection', (socket: Socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const { port } = server.address() as AddressInfo
  return {
    origin: `${scheme}://127.0.0.1:${port}`,
    server,
    connections: () => connections,
    open: () => sockets.size,
  }
}

/** Reads the body of a request. */
export async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** Answers with a body and its type. */
export function answer(outgoing: ServerResponse, body: string | Buffer, type = 'text/plain', status = 200): void {
  outgoing.writeHead(status, { 'Content-Type': type }).end(body)
}

/** Waits for something to become true, and says what did not. */
export async function until(what: string, condition: () => boolean, deadlineMs = 10_000): Promise<void> {
  const end = performance.now() + deadlineMs
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not in time: ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

export interface TestChannel {
  readonly gateway: WsGateway
  readonly events: WsEvent[]
  connect(options?: { protocols?: string[]; headers?: Record<string, string> }): Promise<Opened>
}

/** Serves one handler, with middleware before it, at a real gateway. */
export async function startChannel<U>(
  chain: readonly [...Middleware<U>[], Handler<U>],
  options: ChannelOptions<U> = {},
): Promise<TestChannel> {
  const events: WsEvent[] = []
  const gateway = wsGateway({ observe: (event) => events.push(event), maxUpgradesPerSecond: Infinity })
  gateway.channel<U>('/', { messagesPerSecond: Infinity, bytesPerSecond: Infinity, ...options }).default(...chain)
  const host = await startAttached(new Hono().route('/', gateway.routes))
  onTestFinished(async () => {
    await gateway.close({ drainMs: 0 })
  })
  return { gateway, events, connect: (client = {}) => open(host, '/', client) }
}

/** A real WebSocket service. */
export interface TestSocketService {
  readonly url: string
  readonly clients: ReadonlySet<WebSocket>
  readonly accepted: { readonly ws: WebSocket; readonly request: IncomingMessage }[]
  /** Cuts everything and frees the port. */
  stop(): Promise<void>
}

export async function startSocketService(
  onConnection: (ws: WebSocket, request: IncomingMessage) => void,
  options: ServerOptions = {},
): Promise<TestSocketService> {
  const http = createServer()
  // Those whose handshake is not answered are nobody's clients.
  const sockets = new Set<Socket>()
  http.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  const server = new WebSocketServer({ server: http, ...options })
  const accepted: TestSocketService['accepted'] = []
  server.on('connection', (ws, request) => {
    ws.on('error', () => {})
    accepted.push({ ws, request })
    onConnection(ws, request)
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const stop = async (): Promise<void> => {
    server.close()
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => http.close(resolve))
  }
  onTestFinished(stop)
  const { port } = http.address() as AddressInfo
  return { url: `ws://127.0.0.1:${port}/up`, clients: server.clients, accepted, stop }
}

/** The next message with its opcode. */
export function nextMessage(ws: WebSocket): Promise<{ readonly bytes: Buffer; readonly binary: boolean }> {
  return new Promise((resolve, reject) => {
    ws.once('message', (data, binary) => resolve({ bytes: data as Buffer, binary }))
    ws.once('close', (code: number) => reject(new Error(`closed with ${code}`)))
  })
}

/** How a socket was closed. */
export function closed(ws: WebSocket): Promise<{ readonly code: number; readonly reason: string }> {
  return new Promise((resolve) => {
    ws.once('close', (code: number, reason: Buffer) => resolve({ code, reason: reason.toString() }))
  })
}
