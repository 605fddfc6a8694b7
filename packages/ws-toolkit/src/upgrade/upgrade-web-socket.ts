// SPDX-License-Identifier: Apache-2.0
import type { Context, MiddlewareHandler } from 'hono'
import type { UpgradeWebSocket } from 'hono/ws'
import type { WebSocket } from 'ws'
import { isPromise } from '../promise.ts'
import { admit, identify } from './admit.ts'
import { offeredSubprotocols } from './handshake.ts'
import { bodyToHint } from './hint.ts'
import { registerWaiter } from './node-server-waiter.ts'
import { parseIncoming, wantsWebSocket } from './raw-request.ts'
import { problemResponse, refusalCodeOf, requestIdFrom, statusOf, type UpgradeRefusal } from './refusal.ts'
import { routeFor, type SocketRoute } from './route.ts'
import type { SocketEvents } from './socket-events.ts'
import type { SocketOptions } from './socket-options.ts'
import { leaveTarget, targetOf, upgradeSymbol, type UpgradeTarget } from './target.ts'
import { hostOf, type FoundHost } from './upgrade-host.ts'

type CreateEvents = (c: Context, target: UpgradeTarget) => SocketEvents | Response | Promise<SocketEvents | Response>
type UpgradeHandler = MiddlewareHandler<object, string, { outputFormat: 'ws' }>

const defaults: SocketOptions = {}

/**
 * Hono's helper for a WebSocket route: `app.get('/chat', upgradeWebSocket((c) => events, options))`. Framing, version,
 * key, Origin and room are checked before the events function runs; it may await, and may return a Response to refuse.
 * A request without `Upgrade: websocket` goes on to the next handler.
 */
export const upgradeWebSocket: UpgradeWebSocket<WebSocket, SocketOptions, SocketEvents | Response> & {
  readonly [upgradeSymbol]: true
} = Object.assign(defineRoute, { [upgradeSymbol]: true as const })

function defineRoute(createEvents: CreateEvents, options?: SocketOptions): UpgradeHandler
function defineRoute(c: Context, events: SocketEvents | Response, options?: SocketOptions): Promise<never>
function defineRoute(createEvents: CreateEvents | Context, options?: object): UpgradeHandler | Promise<never> {
  if (typeof createEvents !== 'function') {
    throw new TypeError('upgradeWebSocket(c, events) is not supported: write upgradeWebSocket((c) => events, options)')
  }
  const route = routeFor(options ?? defaults)
  return async (c, next) => {
    if (!wantsWebSocket(c)) return next()
    return answerUpgrade(c, route, createEvents)
  }
}

/** Gives the abort signal of the handshake a request is, for whatever the events function awaits. */
export function upgradeSignal(c: Context): AbortSignal {
  const incoming = parseIncoming(c)
  const target = incoming && targetOf(incoming)
  if (target === undefined)
    throw new TypeError('upgradeSignal(c): call it inside the events function of upgradeWebSocket')
  return target.signal
}

/** Answers a request that wants to become a WebSocket; at once where nothing has to be awaited. */
export function answerUpgrade(
  c: Context,
  route: SocketRoute,
  createEvents: CreateEvents,
): Response | Promise<Response> {
  const found = hostOf(c)
  if ('code' in found) return refuse(c, route, found)
  const target = admit(c, route, found)
  if ('code' in target) return refuse(c, route, target)
  leaveTarget(found.incoming, target)
  // Nothing can happen to its client before a host that waits for nothing has the answer.
  if (found.host.asking !== found.incoming) target.watch()
  const arrival = { route, target, found }
  try {
    const result = createEvents(c, target)
    if (!isPromise(result)) return conclude(c, arrival, result)
    return target.settle(result).then(
      (outcome) => conclude(c, arrival, outcome),
      (error: unknown) => failed(target, error),
    )
  } catch (error) {
    return failed(target, error)
  }
}

/** A handshake that holds a place, where it came in, and the route it has reached. */
interface Arrival {
  readonly route: SocketRoute
  readonly target: UpgradeTarget
  readonly found: FoundHost
}

/** Answers with what the events function said; undefined if it did not while there was somebody to answer. */
function conclude(
  c: Context,
  { route, target, found }: Arrival,
  outcome: SocketEvents | Response | undefined,
): Response | Promise<Response> {
  if (typeof outcome !== 'object' && target.refusal === undefined) {
    return failed(target, new TypeError('upgradeWebSocket: the events function returned neither events nor a Response'))
  }
  if (outcome !== undefined && isResponse(outcome)) {
    target.abort()
    const code = refusalCodeOf(outcome) ?? 'route'
    route.options.observe?.({ type: 'upgrade.refused', code, status: outcome.status })
    return found.host.binding === 'attached' ? outcome : bodyToHint(outcome)
  }
  if (outcome !== undefined) target.accept(outcome)
  // A route that authenticates by itself knows only now who is asking.
  identify(c, route, target)
  return target.refusal === undefined ? switching(c, target, found) : refuse(c, route, target.refusal)
}

function failed(target: UpgradeTarget, error: unknown): never {
  target.abort({ code: 'internal', detail: 'the route failed' })
  throw error
}

/** Answers with what the host turns into the 101: the headers the route has set, and the subprotocol it has chosen. */
function switching(c: Context, target: UpgradeTarget, { host, incoming }: FoundHost): Response | Promise<Response> {
  const response = c.body(null, 200)
  const chosen = response.headers.get('sec-websocket-protocol')
  // RFC 6455, 4.2.2: only what the client offered may be chosen.
  if (chosen !== null) target.subprotocol = offeredSubprotocols(incoming)?.find((offer) => offer === chosen)
  if (host.binding === 'attached') return response
  // node-server switches whatever the status: what middleware has made of the answer is asked of the Context.
  target.veto = () => (c.finalized && c.res.status !== 200 ? c.res : undefined)
  return registerWaiter(c).then(() => response)
}

function refuse(c: Context, { options }: SocketRoute, refusal: UpgradeRefusal): Response {
  options.observe?.({ type: 'upgrade.refused', code: refusal.code, status: statusOf(refusal.code) })
  return problemResponse(refusal, requestIdFrom(c.get('requestId'), c.req.header('x-request-id')))
}

// Not instanceof: @hono/node-server replaces the global class.
function isResponse(outcome: SocketEvents | Response): outcome is Response {
  return 'status' in outcome && 'headers' in outcome
}
