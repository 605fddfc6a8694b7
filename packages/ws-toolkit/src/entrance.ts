// SPDX-License-Identifier: Apache-2.0
import type { Context, MiddlewareHandler } from 'hono'
import type { Introduction } from './channel-connection.ts'
import type { ChannelRuntime } from './channel-runtime.ts'
import { openConnection } from './connection-opening.ts'
import { identify } from './upgrade/admit.ts'
import { problemResponse, requestIdFrom } from './upgrade/refusal.ts'
import { parseIncoming } from './upgrade/raw-request.ts'
import { routeFor } from './upgrade/route.ts'
import { RouteSocket } from './upgrade/route-socket.ts'
import type { RawSocketEvents } from './upgrade/socket-events.ts'
import type { ResolvedSocketOptions, SocketOptions } from './upgrade/socket-options.ts'
import { targetOf, type UpgradeTarget } from './upgrade/target.ts'
import { hostOf } from './upgrade/upgrade-host.ts'

/** What the path of a channel matched. */
export type Params = Readonly<Record<string, string>>

/** What leads into a channel. */
export interface Entry<U> {
  readonly runtime: ChannelRuntime<U>
  /** Hono middleware, outermost first; runs after admission, so that nobody is authenticated whom there is no room for. */
  readonly http: readonly MiddlewareHandler[]
  readonly socketOptions: SocketOptions
}

/** Says who a client is, or refuses it: everything between admission and the 101. */
export function enter<U>(
  c: Context,
  entry: Entry<U>,
  params: Params,
): RawSocketEvents | Response | Promise<RawSocketEvents | Response> {
  const incoming = parseIncoming(c)
  const target = incoming && targetOf(incoming)
  if (target === undefined) throw new TypeError('a channel is entered by its route only')
  if (entry.runtime.options.requireSubprotocol && target.subprotocol === undefined) return missingSubprotocol(c, entry)
  if (entry.http.length === 0) return introduce(c, entry, { target, params })
  return passHttp(c, entry, { target, params })
}

async function passHttp<U>(
  c: Context,
  entry: Entry<U>,
  arrival: { readonly target: UpgradeTarget; readonly params: Params },
): Promise<RawSocketEvents | Response> {
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
  await run(0)
  if (events !== undefined && !isResponse(events)) {
    // A middleware may change its mind after next().
    if (!c.finalized || c.res.status === 200) return events
    events.onAbort?.()
  }
  return c.res
}

function introduce<U>(
  c: Context,
  { runtime, socketOptions }: Entry<U>,
  { target, params }: { readonly target: UpgradeTarget; readonly params: Params },
): RawSocketEvents | Response | Promise<RawSocketEvents | Response> {
  const route = routeFor(socketOptions)
  identify(c, route, target)
  // The answer is that of the target: this one is not sent.
  if (target.refusal !== undefined) return new Response(null, { status: 429 })
  const ip = clientIp(c, route.options)
  const principal = route.options.principal(c)
  const traceparent: string | undefined = c.get('traceparent')
  const { onConnect } = runtime.options
  const data = onConnect?.(c, { params, ip, signal: target.signal })
  const admit = (known: U | Response): RawSocketEvents | Response =>
    isResponse(known) ? known : eventsFor(runtime, { params, ip, principal, traceparent, data: known })
  // Without onConnect a channel's data is undefined, and its type says so.
  return data instanceof Promise ? data.then(admit) : admit(data as U | Response)
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

function clientIp(c: Context, options: ResolvedSocketOptions): string {
  if (options.clientIp !== undefined) return options.clientIp(c)
  const found = hostOf(c)
  return 'host' in found ? found.host.clientIp(c) : ''
}

function missingSubprotocol<U>(c: Context, { runtime }: Entry<U>): Response {
  const detail = `offer a subprotocol of this channel: ${runtime.options.subprotocols.join(', ')}`
  runtime.observe?.({ type: 'upgrade.refused', channel: runtime.path, code: 'unsupported_subprotocol', status: 400 })
  const requestId = requestIdFrom(c.get('requestId'), c.req.header('x-request-id'))
  return problemResponse({ code: 'unsupported_subprotocol', detail }, requestId)
}

// Not instanceof: @hono/node-server replaces the global class.
function isResponse(value: unknown): value is Response {
  return (
    typeof value === 'object' && value !== null && 'headers' in value && 'status' in value && 'arrayBuffer' in value
  )
}
