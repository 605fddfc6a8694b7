// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { type NatsServer, startNatsServer } from '@nats-edge/embedded-nats'
import {
  type GatewayEvent,
  type WireGateway,
  wireGateway,
  type WireGatewayOptions,
} from '@nats-edge/wire-parser/gateway'
import { upgradeWebSocket, webSocketServer } from '@nats-edge/ws-toolkit/upgrade'
import { wsconnect } from '@nats-io/nats-core'
import type { ConnectionOptions, NatsConnection } from '@nats-io/nats-core'
import { Hono, type MiddlewareHandler } from 'hono'
import { onTestFinished } from 'vitest'
import { WebSocket, type ClientOptions } from 'ws'
import { serveUpgrades } from '../support/served-app.ts'

export type HostKind = 'attached' | 'serve'

/** A gateway on the path /nats of a web server. */
export interface WebSocketRig {
  readonly gateway: WireGateway
  readonly events: GatewayEvent[]
  readonly port: number
  readonly url: string
}

export async function startBroker(
  binary: { readonly path: string; readonly version: string },
  config = '',
): Promise<NatsServer> {
  const server = await startNatsServer({ binary, config })
  onTestFinished(() => server.stop())
  return server
}

export async function startRig(
  options: WireGatewayOptions,
  { kind = 'attached', before }: { readonly kind?: HostKind; readonly before?: MiddlewareHandler } = {},
): Promise<WebSocketRig> {
  const events: GatewayEvent[] = []
  const gateway = wireGateway({ upgradeWebSocket, observe: (event) => events.push(event), ...options })
  const app = new Hono()
  if (before !== undefined) app.use(before)
  app.route('/nats', gateway.routes)
  const port = kind === 'attached' ? await attach(app) : await serveApp(app)
  onTestFinished(() => gateway.close({ drainMs: 0 }))
  return { gateway, events, port, url: `ws://127.0.0.1:${port}/nats` }
}

async function attach(app: Hono): Promise<number> {
  const server = await serveUpgrades(app)
  onTestFinished(() => server.close())
  return server.port
}

async function serveApp(app: Hono): Promise<number> {
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0, websocket: { server: webSocketServer() } })
  if (!server.listening) await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** A client of nats.js over WebSocket, closed with the test. */
export async function connectTo(rig: WebSocketRig, options: ConnectionOptions = {}): Promise<NatsConnection> {
  const nats = await wsconnect({
    servers: rig.url,
    reconnect: false,
    wsFactory: (url: string) => {
      const socket = new WebSocket(url)
      socket.binaryType = 'arraybuffer'
      return Promise.resolve({ socket: socket as unknown as globalThis.WebSocket, encrypted: false })
    },
    ...options,
  })
  onTestFinished(() => nats.close())
  return nats
}

/** One message of a WebSocket. */
export interface Frame {
  readonly text: string
  readonly isBinary: boolean
}

/** A client of nothing but messages. */
export class RawWebSocket {
  readonly socket: WebSocket
  readonly frames: Frame[] = []
  closeCode = 0
  failure = ''

  constructor(url: string, options: ClientOptions = {}) {
    this.socket = new WebSocket(url, options)
    this.socket.on('message', (data: Buffer, isBinary) => this.frames.push({ text: data.toString('latin1'), isBinary }))
    this.socket.on('close', (code) => (this.closeCode ||= code))
    this.socket.on('error', (error) => (this.failure ||= error.message))
    onTestFinished(() => this.socket.terminate())
  }

  static async connected(url: string, connect = plainConnect): Promise<RawWebSocket> {
    const client = new RawWebSocket(url)
    await client.until('INFO ')
    client.socket.send(connect)
    await client.settled()
    client.frames.length = 0
    return client
  }

  get received(): string {
    return this.frames.map(({ text }) => text).join('')
  }

  async until(text: string | RegExp): Promise<void> {
    await eventually(() => (typeof text === 'string' ? this.received.includes(text) : text.test(this.received)))
  }

  async closed(): Promise<number> {
    await eventually(() => this.closeCode > 0)
    return this.closeCode
  }

  /** What came until the server had worked through everything sent, without INFO and this PONG. */
  async settled(): Promise<string> {
    const pongs = this.#pongs()
    this.socket.send(Buffer.from('PING\r\n'))
    await eventually(() => this.#pongs() > pongs || this.closeCode > 0)
    return this.received.replaceAll(/INFO [^\r]*\r\n/g, '').replace(/PONG\r\n$/, '')
  }

  #pongs(): number {
    return this.received.split('PONG\r\n').length
  }
}

export const plainConnect = 'CONNECT {"verbose":false,"pedantic":false,"headers":true,"protocol":1}\r\n'

/** Resolves once `holds` does. */
export async function eventually(holds: () => boolean, withinMs = 10_000): Promise<void> {
  const end = performance.now() + withinMs
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${holds}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
