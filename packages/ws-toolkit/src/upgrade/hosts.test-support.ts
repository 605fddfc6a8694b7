// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { getRequestListener, serve } from '@hono/node-server'
import type { Admission } from '@nats-edge/wire-parser'
import type { Hono } from 'hono'
import { onTestFinished } from 'vitest'
import { WebSocket, type ClientOptions, type WebSocketServer } from 'ws'
import { attachWebSockets, type AttachOptions } from './attach.ts'
import { webSocketServer } from './multiplexer.ts'

export interface TestHost {
  readonly port: number
  readonly server: Server
  /** Stops taking connections and resolves when the last one is gone. */
  closed(): Promise<void>
}

export type StartHost = (app: Hono, options?: AttachOptions & { readonly own?: WebSocketServer }) => Promise<TestHost>

export const startServe: StartHost = (app, { own, ...options } = {}) => {
  const server = serve({
    fetch: app.fetch,
    hostname: '127.0.0.1',
    port: 0,
    websocket: { server: webSocketServer(own, options) },
  })
  return listening(server as Server)
}

export const startAttached: StartHost = (app, options) => {
  const listener = getRequestListener(app.fetch)
  const server = createServer((incoming, outgoing) => void listener(incoming, outgoing))
  attachWebSockets(server, app, options)
  server.listen(0, '127.0.0.1')
  return listening(server)
}

const startLight: StartHost = (app, options) => startAttached(app, { ...options, request: 'light' })

/** Every way of serving; the same tests run over all of them. */
export const hosts: readonly { readonly name: string; readonly start: StartHost }[] = [
  { name: 'serve()', start: startServe },
  { name: 'attachWebSockets()', start: startAttached },
  { name: 'attachWebSockets() with light requests', start: startLight },
]

export async function listening(server: Server): Promise<TestHost> {
  if (!server.listening) await once(server, 'listening')
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    // A request that asked for another protocol announces its socket again.
    if (sockets.has(socket)) return
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const { port } = server.address() as AddressInfo
  return {
    port,
    server,
    closed: async () => {
      server.close()
      server.closeIdleConnections()
      await once(server, 'close')
    },
  }
}

export interface Opened {
  readonly ws: WebSocket
  readonly response: IncomingMessage
  /** The text of the next message. */
  next(): Promise<string>
  /** The code it is closed with. */
  readonly code: Promise<number>
}

/** Opens a WebSocket with the `ws` client; rejects with `Unexpected server response: <status>`. */
export async function open(
  host: TestHost,
  path: string,
  options: ClientOptions & { protocols?: string[] } = {},
): Promise<Opened> {
  const { protocols = [], ...rest } = options
  const ws = new WebSocket(`ws://127.0.0.1:${host.port}${path}`, protocols, rest)
  const messages: string[] = []
  const waiting: ((text: string) => void)[] = []
  ws.on('message', (data) => {
    const text = String(data)
    const take = waiting.shift()
    if (take === undefined) messages.push(text)
    else take(text)
  })
  const code = new Promise<number>((resolve) => {
    ws.once('close', resolve)
  })
  const upgraded = once(ws, 'upgrade') as Promise<[IncomingMessage]>
  upgraded.catch(() => {})
  await once(ws, 'open')
  ws.on('error', () => {})
  onTestFinished(() => ws.terminate())
  const [response] = await upgraded
  const next = (): Promise<string> => {
    const text = messages.shift()
    return text === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(text)
  }
  return { ws, response, next, code }
}

/** The head lines of a handshake; a value of undefined leaves a line out. */
export function handshake(path: string, headers: Readonly<Record<string, string | undefined>> = {}): string {
  const lines: Record<string, string | undefined> = {
    Host: '127.0.0.1',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
  }
  const text = Object.entries(lines).filter(([, value]) => value !== undefined)
  return `GET ${path} HTTP/1.1\r\n${text.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}

export interface RawReply {
  readonly status: number
  readonly head: string
  readonly body: string
}

/** Sends bytes as they are and reads until the server closes. */
export async function rawRequestTo(host: TestHost, text: string): Promise<RawReply> {
  const socket = rawSocket(host)
  socket.write(text, 'latin1')
  let reply = ''
  for await (const chunk of socket) reply += (chunk as Buffer).toString('latin1')
  const end = reply.indexOf('\r\n\r\n')
  const [head, body] = [reply.slice(0, end), reply.slice(end + 4)]
  const chunked = /^transfer-encoding: chunked$/im.test(head)
  return { status: Number(reply.slice(9, 12)), head, body: chunked ? joinChunks(body) : body }
}

function joinChunks(body: string): string {
  const end = body.indexOf('\r\n')
  const length = Number(`0x${body.slice(0, end)}`)
  return length === 0 ? '' : body.slice(end + 2, end + 2 + length) + joinChunks(body.slice(end + 4 + length))
}

export function rawSocket(host: TestHost): Socket {
  const socket = unhookedSocket(host)
  onTestFinished(() => {
    socket.destroy()
  })
  return socket
}

/** A socket the test closes itself, for those that open thousands. */
export function unhookedSocket(host: TestHost): Socket {
  return connect({ port: host.port, host: '127.0.0.1' })
}

/** Sockets the server still has. */
export function connectionsOf({ server }: TestHost): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => {
      if (error === null) resolve(count)
      else reject(error)
    })
  })
}

/** A door that stays shut until the test opens it. */
export interface Gate<T> {
  readonly passed: Promise<T>
  open(value: T): void
}

export function gate<T = void>(): Gate<T> {
  let resolve: ((value: T) => void) | undefined
  const passed = new Promise<T>((settle) => {
    resolve = settle
  })
  return { passed, open: (value) => resolve?.(value) }
}

/** Reads one header of a raw reply. */
export function headerOf(reply: RawReply, name: string): string | undefined {
  const line = reply.head.split('\r\n').find((text) => text.toLowerCase().startsWith(`${name.toLowerCase()}:`))
  return line?.slice(name.length + 1).trim()
}

/** An admission that counts how often each permit is given back. */
export function countingAdmission(): Admission & { readonly admitted: number; readonly released: number } {
  let admitted = 0
  let released = 0
  return {
    get admitted() {
      return admitted
    },
    get released() {
      return released
    },
    admit: () => {
      admitted += 1
      return {
        identify: () => undefined,
        release: () => {
          released += 1
        },
      }
    },
  }
}
