// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http'
import { type Server, WebSocketServer } from 'ws'
import { RouteSocket } from './route-socket.ts'
import { resolveSocketOptions, type ResolvedSocketOptions, type SocketOptions } from './socket-options.ts'
import { targetOf } from './target.ts'

/** The checked options of a route and the `ws` server that holds its sockets to them. */
export interface SocketRoute {
  readonly options: ResolvedSocketOptions
  readonly server: Server<typeof RouteSocket>
}

// Chunks a half-received message may be kept in; ws itself allows 262,144.
const maxBufferedChunks = 4096

const routes = new WeakMap<SocketOptions, SocketRoute>()

/** Gives the route of an options object: the same object gets the same server. */
export function routeFor(options: SocketOptions): SocketRoute {
  let route = routes.get(options)
  if (route === undefined) {
    const resolved = resolveSocketOptions(options)
    route = Object.freeze({ options: resolved, server: serverFor(resolved) })
    routes.set(options, route)
  }
  return route
}

function serverFor(options: ResolvedSocketOptions): Server<typeof RouteSocket> {
  const { compression } = options
  const settings = {
    noServer: true,
    WebSocket: RouteSocket,
    clientTracking: false,
    maxPayload: options.maxMessageBytes,
    maxFragments: options.maxFragments,
    maxBufferedChunks,
    closeTimeout: options.closeTimeoutMs,
    // Without this ws would echo the client's first offer, which may be a token.
    handleProtocols: (_offers: Set<string>, request: IncomingMessage) => targetOf(request)?.subprotocol ?? false,
    perMessageDeflate: compression !== false && {
      zlibDeflateOptions: { level: compression.level },
      threshold: compression.thresholdBytes,
      // `false` would refuse clients that ask for no takeover; absent leaves it to them.
      ...(!compression.contextTakeover && { serverNoContextTakeover: true, clientNoContextTakeover: true }),
    },
  }
  const server = new WebSocketServer<typeof RouteSocket>(settings)
  server.on('headers', (headers, request) => targetOf(request)?.writeHeaders(headers))
  return server
}
