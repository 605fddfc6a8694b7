// SPDX-License-Identifier: Apache-2.0
import type { Context, MiddlewareHandler } from 'hono'
import type { Permit, Refusal } from '../admission.ts'
import { WireError } from '../wire-error.ts'
import { handshakeIp } from './client-address.ts'
import type { ResolvedOptions, WireGatewayOptions } from './gateway-options.ts'
import type { GatewayState, TurnedAway } from './gateway-state.ts'
import { join } from './join.ts'
import { prepare } from './prepare.ts'
import { Session } from './session.ts'
import { WebSocketTransport } from './web-socket-transport.ts'
import type { RawWebSocket, WireSocketEvents, WireSocketOptions } from './web-socket-upgrade.ts'

/** Serves NATS over WebSocket: the backend is dialled before the handshake is answered. */
export function webSocketRoute(state: GatewayState, options: WireGatewayOptions): MiddlewareHandler {
  const { upgradeWebSocket } = options
  if (upgradeWebSocket === undefined) {
    return (c) => Promise.resolve(problem(c, 501, 'unsupported', 'WebSockets need the option upgradeWebSocket'))
  }
  return upgradeWebSocket((c) => openSocket(state, c), socketOptions(state.options, options))
}

function socketOptions({ limits, principal }: ResolvedOptions, options: WireGatewayOptions): WireSocketOptions {
  return {
    maxMessageBytes: limits.maxWsMessageBytes,
    maxFragments: limits.maxWsFragments,
    origins: options.origins ?? 'same',
    missingOrigin: options.missingOrigin ?? 'no-cookie',
    compression: options.compression ?? false,
    surface: 'wire',
    // The gateway asks for itself, so that the place lasts as long as its connection.
    admission: { admit: () => anyPlace },
    principal,
    upgradeTimeoutMs: limits.dialTimeoutMs + limits.infoTimeoutMs + limits.handshakeTimeoutMs,
  }
}

const anyPlace: Permit = { identify: () => undefined, release: () => undefined }

async function openSocket(state: GatewayState, c: Context): Promise<WireSocketEvents | Response> {
  const { clientIp, trustedProxies, principal } = state.options
  const ip = clientIp?.(c) ?? handshakeIp(c, trustedProxies)
  const place = state.admit('ws', ip)
  if ('reason' in place) return turnAway(c, place)
  const who = principal(c)
  const refused = who === undefined ? undefined : place.permit.identify(who.id)
  if (refused !== undefined) {
    place.permit.release()
    place.leaveWaiting()
    return tooManyOfOne(c, refused)
  }
  const url = new URL(c.req.url)
  const session = new Session(state, {
    transport: 'ws',
    listener: 'ws',
    ip,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || (url.protocol === 'https:' ? 443 : 80)),
    tls: 'none',
    request: c.req.raw,
    principal: who,
    ...place,
  })
  try {
    const { dialled, first } = await prepare(session)
    return {
      onOpen: (_event, { raw }) => {
        try {
          const transport = new WebSocketTransport(raw as RawWebSocket, {
            outputFrames: state.options.outputFrames,
            readBufferBytes: state.options.limits.readBufferBytes,
          })
          join(session, transport, dialled, first)
        } catch (error) {
          session.closing.broken(error)
          throw error
        }
      },
      onAbort: () => session.closing.abandon(new WireError('peer_error', 'the client left during the handshake')),
    }
  } catch (error) {
    const failure = error instanceof WireError ? error : new WireError('internal', String(error), { cause: error })
    session.closing.abandon(failure)
    return refusal(c, failure)
  }
}

function turnAway(c: Context, { reason, retryAfterMs }: TurnedAway): Response {
  if (reason === 'address') return problem(c, 403, 'forbidden', 'this address may not connect')
  const code = reason === 'draining' ? 'draining' : reason === 'rate' ? 'rate_limited' : 'too_many_connections'
  const detail = 'no connection is free: try again after Retry-After'
  return problem(c, 503, code, detail, String(Math.max(1, Math.ceil(retryAfterMs / 1000))))
}

function tooManyOfOne(c: Context, { retryAfterMs }: Refusal): Response {
  const detail = 'this principal has too many connections: close some'
  return problem(c, 429, 'rate_limited', detail, String(Math.max(1, Math.ceil(retryAfterMs / 1000))))
}

function refusal(c: Context, error: WireError): Response {
  switch (error.code) {
    case 'authorization':
      return problem(c, 403, 'forbidden', error.text ?? 'the connection is refused')
    case 'backend_unavailable':
      return problem(c, 503, 'disconnected', 'No Backend Available', '1')
    case 'shutdown':
      return problem(c, 503, 'draining', 'the gateway is going away', '1')
    default:
      return problem(c, 500, 'internal', 'Internal Gateway Error')
  }
}

// RFC 9457; the code is for programs.
function problem(c: Context, status: number, code: string, detail: string, retryAfter?: string): Response {
  const requestId: unknown = c.get('requestId')
  const id = typeof requestId === 'string' ? { requestId } : {}
  const body = { type: 'about:blank', title: titles[status] ?? 'Error', status, code, detail, ...id }
  const headers = { 'Content-Type': 'application/problem+json', ...(retryAfter && { 'Retry-After': retryAfter }) }
  return new Response(JSON.stringify(body), { status, headers })
}

const titles: Readonly<Record<number, string>> = {
  403: 'Forbidden',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
}
