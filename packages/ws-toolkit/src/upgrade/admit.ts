// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http'
import { isRefusal, type Refusal } from '@nats-edge/wire-parser'
import type { Context } from 'hono'
import { handshakeFault, offeredSubprotocols } from './handshake.ts'
import { originAllowed } from './origin.ts'
import type { UpgradeRefusal } from './refusal.ts'
import type { SocketRoute } from './route.ts'
import { UpgradeTarget } from './target.ts'
import type { FoundHost } from './upgrade-host.ts'

/** Makes every check there is before the events function, cheapest first; the target it gives holds a place. */
export function admit(c: Context, route: SocketRoute, { host, incoming }: FoundHost): UpgradeTarget | UpgradeRefusal {
  // Our own listener has looked before it made a Request.
  const fault = host.binding === 'attached' ? undefined : handshakeFault(incoming)
  if (fault !== undefined) return fault
  const { options } = route
  const offers = offeredSubprotocols(incoming) ?? []
  const subprotocol = offers.find((offer) => options.subprotocols.includes(offer))
  if (options.subprotocols.length > 0 && offers.length > 0 && subprotocol === undefined) {
    return { code: 'unsupported_subprotocol', detail: `subprotocols spoken here: ${options.subprotocols.join(', ')}` }
  }
  if (!pageAllowed(c, route, incoming)) return foreignOrigin(incoming)
  const ip = (options.clientIp ?? host.clientIp)(c)
  const permit = (options.admission ?? host.admission).admit({ surface: options.surface, transport: 'ws', ip })
  if (isRefusal(permit)) return noRoom(permit)
  const target = new UpgradeTarget(incoming, route, { permit, ip, url: c.req.url })
  target.subprotocol = subprotocol
  identify(c, route, target)
  return target.refusal ?? target
}

/** Counts the place against the principal as soon as there is one; a refusal of admission ends the handshake. */
export function identify(c: Context, { options }: SocketRoute, target: UpgradeTarget): void {
  const principal = options.principal(c)
  if (principal === undefined || target.isIdentified || target.refusal !== undefined) return
  target.isIdentified = true
  const refused = target.permit.identify(principal.id)
  if (refused !== undefined) target.abort(noRoom(refused))
}

function pageAllowed(c: Context, { options }: SocketRoute, { headers }: IncomingMessage): boolean {
  // No page at all, and nothing a page could have lent: the Request need not be looked at.
  if (headers.origin === undefined && headers.cookie === undefined) return options.missingOrigin !== 'deny'
  return originAllowed(c.req.raw, options.origins, options.missingOrigin)
}

function foreignOrigin({ headers }: IncomingMessage): UpgradeRefusal {
  const detail =
    headers.origin === undefined
      ? 'without an Origin header this route admits no such request: send Origin, or no Cookie'
      : 'pages of this origin may not connect here: serve them from this host, or have the operator list it in `origins`'
  return { code: 'foreign_origin', detail }
}

function noRoom({ code, retryAfterMs }: Refusal): UpgradeRefusal {
  const headers = { 'Retry-After': String(Math.max(1, Math.ceil(retryAfterMs / 1000))) }
  if (code === 'rate_limited') return { code, detail: 'this principal has too many connections: close some', headers }
  if (code === 'draining') return { code, detail: 'the server is going away: connect again after Retry-After', headers }
  return { code: 'too_many_connections', detail: 'no connection is free: try again after Retry-After', headers }
}
