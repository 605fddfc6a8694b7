// SPDX-License-Identifier: Apache-2.0
import type { Context, MiddlewareHandler } from 'hono'
import type { Introduction } from './channel-connection.ts'
import type { ChannelRuntime } from './channel-runtime.ts'
import { openConnection } from './connection-opening.ts'
import { problem } from './http/problem.ts'
import { isPromise } from './promise.ts'
import { identify } from './upgrade/admit.ts'
import { problemResponse, requestIdFrom } from './upgrade/refusal.ts'
import type { SocketRoute } from './upgrade/route.ts'
import { RouteSocket } from './upgrade/route-socket.ts'
import type { RawSocketEvents } from './upgrade/socket-events.ts'
import type { UpgradeTarget } from './upgrade/target.ts'
import { WsError } from './ws-error.ts'

/** What the path of a channel matched. */
export type Params = Readonly<Record<string, string>>

/** What leads into a channel. */
export interface Entry<U> {
  readonly runtime: ChannelRuntime<U>
  /** Hono middleware, outermost first; runs after admission, so that nobody is authenticated whom there is no room for. */
  readonly http: readonly MiddlewareHandler[]
  readonly route: SocketRoute
}

/** A client at the door: its handshake, and what the path of the channel matched. */
export interface Arrival {
  readonly target: UpgradeTarget
  readonly params: Params
}

/** Says who a client is, or refuses it: everything between admission and the 101. */
export function enter<U>(
  c: Context,
  entry: Entry<U>,
  arrival: Arrival,
): RawSocketEvents | Response | Promise<RawSocketEvents | Response> {
  const { subprotocol } = arrival.target
  if (entry.runtime.options.requireSubprotocol && subprotocol === undefined) return missingSubprotocol(c, entry)
  return entry.http.length === 0 ? introduce(c, entry, arrival) : passHttp(c, entry, arrival)
}

async function passHttp<U>(c: Context, entry: Entry<U>, arrival: Arrival): Promise<RawSocketEvents | Response> {
  let events: RawSocketEvents | Response | undefined
  const run = async (index: number): Promise<Response | void> => {
    const middleware = entry.http[index]
    if (middleware === undefined) {
      events = await introduce(c, entry, arrival)
      if (isResponse(events)) c.res = events
      return undefined
    }
    const result = await middleware(c, async () => {
      await run(index + 1)
    })
    if (result !== undefined) c.res = result
    return undefined
  }
  try {
    await run(0)
  } catch (error) {
    return refusalFor(c, error)
  }
  if (events !== undefined && !isResponse(events)) {
    // A middleware may change its mind after next().
    if (!c.finalized || c.res.status === 200) return events
    events.onAbort?.()
  }
  return c.res
}

function introduce<U>(
  c: Context,
  { runtime, route }: Entry<U>,
  { target, params }: Arrival,
): RawSocketEvents | Response | Promise<RawSocketEvents | Response> {
  identify(c, route, target)
  // The answer is that of the target: this one is not sent.
  if (target.refusal !== undefined) return new Response(null, { status: 429 })
  const { ip } = target
  const principal = route.options.principal(c)
  const traceparent: string | undefined = c.get('traceparent')
  const { onConnect } = runtime.options
  const admit = (known: U | Response): RawSocketEvents | Response =>
    isResponse(known) ? known : eventsFor(runtime, { params, ip, principal, traceparent, data: known })
  // Without onConnect a channel's data is undefined, and its type says so.
  try {
    const data = onConnect?.(c, { params, ip, signal: target.signal })
    if (!isPromise(data)) return admit(data as U | Response)
    return Promise.resolve(data).then(admit, (error: unknown) => onConnectFailed(c, runtime, error))
  } catch (error) {
    return onConnectFailed(c, runtime, error)
  }
}

function onConnectFailed<U>(c: Context, { path, observe }: ChannelRuntime<U>, error: unknown): Response {
  if (!(error instanceof WsError)) observe?.({ type: 'handler.failed', channel: path, handler: 'onConnect', error })
  return refusalFor(c, error)
}

/** Answers with what was meant for the client; anything else is for Hono's own handler of errors. */
function refusalFor(c: Context, error: unknown): Response {
  if (error instanceof WsError) return problem(c, error)
  throw error
}

function eventsFor<U>(runtime: ChannelRuntime<U>, introduction: Introduction<U>): RawSocketEvents {
  return {
    takeSocket: (ws) => {
      if (!(ws instanceof RouteSocket)) throw new TypeError('the socket is not one of a route of this package')
      openConnection(runtime, ws, introduction)
    },
    onAbort: () => {
      try {
        runtime.options.onAbort?.(introduction.data)
      } catch (error) {
        runtime.observe?.({ type: 'handler.failed', channel: runtime.path, handler: 'onAbort', error })
      }
    },
  }
}

function missingSubprotocol<U>(c: Context, { runtime }: Entry<U>): Response {
  const detail = `offer a subprotocol of this channel: ${runtime.options.subprotocols.join(', ')}`
  const requestId = requestIdFrom(c.get('requestId'), c.req.header('x-request-id'))
  return problemResponse({ code: 'unsupported_subprotocol', detail }, requestId)
}

// Not instanceof: @hono/node-server replaces the global class.
function isResponse(value: unknown): value is Response {
  return (
    typeof value === 'object' && value !== null && 'headers' in value && 'status' in value && 'arrayBuffer' in value
  )
}
