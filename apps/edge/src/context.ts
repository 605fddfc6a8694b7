// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http'
import type { Context, Env, Hono, Next } from 'hono'
import type { RouterRoute } from 'hono/types'
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

/** Notes the context of a request; called before every handler. */
export type NoteContext = (c: Context) => void

/**
 * Hands request id and surface on, and keeps the context for what is said about the request when it has ended. Metrics,
 * log line and headers need no middleware; the listener sees to them.
 */
export function noteContext(surfaces: readonly SurfacePath[]): NoteContext {
  const sorted = surfaces.toSorted((a, b) => b.path.length - a.path.length)
  return (c) => {
    const exchange = exchangeOf(c.env)
    if (exchange === undefined || exchange.context === c) return
    exchange.context = c
    exchange.surface = surfaceOf(c.req.path, sorted)
    c.set('requestId', exchange.requestId)
  }
}

/**
 * The same app with `note` called before each of its handlers. A middleware in front would do the same and send every
 * request through Hono's asynchronous composition, which a single handler does without.
 */
export function withContext<E extends Env>(routes: Hono<E>, note: NoteContext): Hono<E> {
  const noted = routes.routes.map((route) => ({ ...route, handler: noting(route.handler, note) }))
  return Object.assign(Object.create(routes) as Hono<E>, { routes: noted })
}

function noting(handler: RouterRoute['handler'], note: NoteContext): RouterRoute['handler'] {
  return (c: Context, next: Next) => {
    note(c)
    return handler(c, next)
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
