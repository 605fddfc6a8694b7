// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http'
import type { MiddlewareHandler } from 'hono'
import type { EdgeResponse, Exchange } from './exchange.ts'
import { rawHostKey } from './exchange.ts'

/** What a handler finds in Hono's environment and context variables behind the edge. */
export interface EdgeEnv {
  readonly Bindings: {
    readonly incoming: IncomingMessage
    readonly outgoing: EdgeResponse | undefined
    [rawHostKey]?: Exchange
  }
  readonly Variables: {
    requestId: string
    /** Set by the surface: the template of the route that answers. */
    routeLabel: string
  }
}

/** Where each surface begins, longest path first. */
export interface SurfacePath {
  readonly surface: string
  readonly path: string
}

/** Carries a WebSocket handshake's exchange, whose handlers must not be offered to write themselves. */
export const exchangeKey: unique symbol = Symbol('nats-edge.exchange')

/**
 * The one middleware of the edge: hands request id and surface on, and keeps the context for what is said about the
 * request when it has ended. Metrics, log line and headers need no middleware; the listener sees to them.
 */
export function edgeContext(surfaces: readonly SurfacePath[]): MiddlewareHandler<EdgeEnv> {
  const sorted = surfaces.toSorted((a, b) => b.path.length - a.path.length)
  return (c, next) => {
    const exchange = exchangeOf(c.env)
    if (exchange !== undefined) {
      exchange.context = c
      exchange.surface = surfaceOf(c.req.path, sorted)
      c.set('requestId', exchange.requestId)
    }
    return next()
  }
}

/** The exchange of a request, absent where the app is called without the edge's listener. */
export function exchangeOf(env: unknown): Exchange | undefined {
  if (typeof env !== 'object' || env === null) return undefined
  const bindings: { [rawHostKey]?: Exchange; [exchangeKey]?: Exchange } = env
  return bindings[rawHostKey] ?? bindings[exchangeKey]
}

function surfaceOf(path: string, surfaces: readonly SurfacePath[]): string {
  for (const { path: prefix, surface } of surfaces) {
    if (prefix === '/' || path === prefix || (path.startsWith(prefix) && path.charCodeAt(prefix.length) === 0x2f)) {
      return surface
    }
  }
  return 'edge'
}
