// SPDX-License-Identifier: Apache-2.0
import { type Context, Hono, type MiddlewareHandler, type Next } from 'hono'
import type { MetricFamily } from '../metric.ts'
import type { Principal } from '../principal.ts'
import { WireError } from '../wire-error.ts'
import type { WireConnectionInfo, WireUserInfo } from './connection-registry.ts'
import { type CloseOptions, Drain } from './drain.ts'
import { resolveOptions, type WireGatewayOptions } from './gateway-options.ts'
import { GatewayState } from './gateway-state.ts'
import { type BoundListener, listen, type ListenerOptions } from './listener.ts'
import { commitReload, prepareReload, type ReloadReport } from './reload.ts'
import { isSame } from './same-option.ts'
import { recheckSubscriptions } from './subscription-end.ts'
import type { TraceRecord } from './trace.ts'
import { webSocketRoute } from './web-socket-route.ts'

/** A gateway between NATS clients and a nats-server. */
export interface WireGateway {
  /** Serves NATS over WebSocket where it is mounted: `app.route('/nats', gateway.routes)`. */
  readonly routes: Hono
  /** Accepts connections at an address. */
  listen(listener: ListenerOptions): Promise<BoundListener>
  /** Numbers for metrics; cheap and without side effects. */
  stats(): Iterable<MetricFamily>
  /** Accepts nothing more, tells clients and closes them one after the other. A second call may only shorten. */
  close(options?: CloseOptions): Promise<void>
  /** Checks new options and throws what is wrong with them; the returned function puts them into effect. */
  reload(options: unknown): () => ReloadReport
  /** Maps every principal to its new state: undefined ends its connections, another one is checked again at once. */
  updatePrincipals(next: (principal: Principal) => Principal | undefined): number
  connections(): Iterable<WireConnectionInfo>
  /** The connections of each principal added up. */
  users(): Iterable<WireUserInfo>
  /** Closes the selected connections after `-ERR 'reason'` and says how many. */
  kick(select: (connection: WireConnectionInfo) => boolean, reason: string): number
  /** Tells of each operation of the selected connections, without payloads and credentials, until it is stopped. */
  trace(
    listener: (record: TraceRecord) => void,
    select?: (connection: { readonly id: string; readonly ip: string; readonly principalId?: string }) => boolean,
  ): () => void
  health(): WireHealth
}

export interface WireHealth {
  readonly status: 'ok' | 'draining'
  readonly connections: number
  /** Whether the last connection to a backend was made; undefined before the first. */
  readonly backend: 'connected' | 'failed' | undefined
}

/** Makes the gateway. Throws TypeError or RangeError naming the option and its value. */
export function wireGateway(options: WireGatewayOptions): WireGateway {
  const state = new GatewayState(resolveOptions(options))
  const listeners = new Set<BoundListener>()
  const drain = new Drain(state, listeners, () => state.end())
  let current = options
  let route: MiddlewareHandler = webSocketRoute(state, options)
  const routes = new Hono()
  // What is behind it may be reloaded, the route stays.
  routes.get('/', (c: Context, next: Next) => {
    c.set('routeLabel', '/')
    return route(c, next)
  })

  const gateway: WireGateway = {
    routes,
    async listen(listener) {
      if (state.isDraining) throw new TypeError('listen(): the gateway is closed')
      const bound = await listen(state, listener)
      listeners.add(bound)
      if (state.isDraining) await bound.close()
      return bound
    },
    stats: () => state.families(),
    close: (closeOptions) => drain.close(closeOptions),
    reload(next) {
      const prepared = prepareReload(current, next, state.options)
      return () => {
        const previous = current
        current = prepared.options
        const closed = commitReload(state, prepared.resolved)
        // A new route for the same options would let go of the handshakes under way.
        if (routeKeys.some((key) => !isSame(previous[key], current[key]))) route = webSocketRoute(state, current)
        return { ...prepared.report, closed }
      }
    },
    updatePrincipals: (next) => updatePrincipals(state, next),
    connections: () => state.registry.infos(),
    users: () => state.registry.users(),
    kick: (select, reason) => kick(state, select, reason),
    trace: (listener, select) => state.tracing.add(listener, select),
    health: () => ({
      status: state.isDraining ? 'draining' : 'ok',
      connections: state.registry.size,
      backend: state.lastDial,
    }),
  }
  const { signal } = options
  if (signal?.aborted === true) void gateway.close({ drainMs: 0 })
  else signal?.addEventListener('abort', () => void gateway.close({ drainMs: 0 }), { once: true })
  return gateway
}

const routeKeys = ['origins', 'missingOrigin', 'compression', 'limits', 'principal'] as const

function updatePrincipals(state: GatewayState, next: (principal: Principal) => Principal | undefined): number {
  let ended = 0
  for (const session of state.registry.sessions()) {
    const { principal } = session
    if (principal === undefined || session.closing.hasBegun) continue
    const updated = next(principal)
    if (updated === undefined) {
      session.closing.fail('credential_revoked', new WireError('auth_revoked', 'the principal was ended'))
      ended++
    } else if (updated !== principal) {
      session.adopt(updated)
      recheckSubscriptions(session)
    }
  }
  return ended
}

function kick(state: GatewayState, select: (connection: WireConnectionInfo) => boolean, reason: string): number {
  const chosen = new Set([...state.registry.infos()].filter(select).map(({ id }) => id))
  for (const session of state.registry.sessions()) {
    if (chosen.has(session.id)) session.close(reason)
  }
  return chosen.size
}
