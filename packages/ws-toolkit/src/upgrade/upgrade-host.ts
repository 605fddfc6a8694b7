// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http'
import type { Admission } from '@nats-edge/wire-parser'
import type { Context } from 'hono'
import { limitedAdmission } from './admission.ts'
import { waiterSymbol } from './node-server-waiter.ts'
import { parseIncoming } from './raw-request.ts'
import type { UpgradeRefusal } from './refusal.ts'
import type { UpgradeEvent } from './socket-options.ts'

/** Who does the handshake in the end: our own `upgrade` listener, or that of @hono/node-server. */
export interface UpgradeHost {
  readonly binding: 'attached' | 'node-server'
  readonly admission: Admission
  readonly clientIp: (c: Context) => string
  readonly observe: (event: UpgradeEvent) => void
  /** The request whose app is running now, as long as it has not begun to wait. */
  asking: IncomingMessage | undefined
}

/** What a host of upgrades can be told. */
export interface UpgradeHostOptions {
  /** Decides whether there is room. Default `limitedAdmission()`: 10,000 altogether, 100 an address. */
  readonly admission?: Admission
  /** The client's address. Default: the socket's, with `::ffff:` removed. */
  readonly clientIp?: (c: Context) => string
  /** Is told of handshakes refused before a route has seen them, or after; what a route refuses is told to the route's. */
  readonly observe?: (event: UpgradeEvent) => void
}

const noConnection = 'Upgrade came without Connection: Upgrade; a proxy on the way has to pass both on'

/** Where the environment, or the server in it, says which host this is. */
export const hostSymbol: unique symbol = Symbol.for('nats-edge.upgrade-host')

/** Fills in what the host was not told. */
export function upgradeHost(binding: UpgradeHost['binding'], options: UpgradeHostOptions): UpgradeHost {
  const { admission = limitedAdmission(), clientIp = socketIp, observe = ignore } = options
  return { binding, admission, clientIp, observe, asking: undefined }
}

export interface FoundHost {
  readonly host: UpgradeHost
  readonly incoming: IncomingMessage
}

/** Finds the host of a request, or says what is missing for there to be one. */
export function hostOf(c: Context): FoundHost | UpgradeRefusal {
  const incoming = parseIncoming(c)
  if (incoming === undefined) return unsupported('WebSockets need a node:http server; app.request() has none')
  const env: object = c.env
  if (hostSymbol in env) return { host: env[hostSymbol] as UpgradeHost, incoming }
  const server: unknown = 'wss' in env ? env.wss : undefined
  if (typeof server !== 'object' || server === null) {
    if (!/\bupgrade\b/i.test(incoming.headers.connection ?? '')) return { code: 'bad_request', detail: noConnection }
    return unsupported(
      'this server does not upgrade: use serve({ fetch, websocket: { server: webSocketServer() } }) or attachWebSockets(server, app)',
    )
  }
  if (!(hostSymbol in server)) {
    return unsupported(
      'this server was given a plain WebSocketServer: pass websocket: { server: webSocketServer() } to serve()',
    )
  }
  if (!(waiterSymbol() in env)) {
    const detail =
      'two copies of @hono/node-server are installed, and serve() is not of the one ws-toolkit uses: see npm ls @hono/node-server, then npm dedupe'
    return { code: 'internal', detail }
  }
  return { host: server[hostSymbol] as UpgradeHost, incoming }
}

/** Reads the address of the socket; empty for one that has none, such as a unix socket. */
function socketIp(c: Context): string {
  const address = parseIncoming(c)?.socket.remoteAddress ?? ''
  return address.startsWith('::ffff:') ? address.slice(7) : address
}

function unsupported(detail: string): UpgradeRefusal {
  return { code: 'unsupported', detail }
}

function ignore(): void {}
