// SPDX-License-Identifier: Apache-2.0
import { jsonRpcMatch, WsError, wsBackend, type WsBackend } from '@nats-edge/ws-toolkit'
import type { WsRouteConfig } from '../config/ws-backend-schema.ts'
import type { ClientData } from './client-data.ts'
import { splitUrl } from './http-route.ts'
import { delayOf } from './middleware.ts'
import { clientText } from './request-text.ts'
import type { Client } from './request-text.ts'
import { handshakeHeaders } from './sent-headers.ts'

// Dot segments, however they are written: a value put into the path must not climb out of it.
const dotSegment = /(?:^|\/)(?:\.|%2e){1,2}(?:[/?]|$)/i

/** Makes the handler of a route that passes messages on to a WebSocket service. */
export function socketHandler(config: Omit<WsRouteConfig, 'use'> & { readonly use?: unknown }): WsBackend<ClientData> {
  const {
    ws,
    match,
    reconnect,
    eager: _eager,
    headers: _headers,
    forwardHeaders: _forward,
    use: _use,
    ...options
  } = config
  const headers = handshakeHeaders(config)
  return wsBackend<ClientData>({
    ...options,
    url: ws.includes('{') ? urlFor(ws) : ws,
    ...(headers && { headers }),
    ...(match !== undefined && { match: jsonRpcMatch() }),
    ...(reconnect !== undefined && { reconnect: reconnectOf(reconnect) }),
  })
}

function urlFor(source: string): (client: Client) => string {
  const { origin, path } = splitUrl(source)
  const pathOf = clientText(path, encodeURIComponent)
  return (client) => {
    const text = pathOf(client)
    const [segments = ''] = text.split('?', 1)
    if (dotSegment.test(segments)) {
      throw new WsError('bad_request', { message: 'a value of the path cannot be passed on' })
    }
    return origin + text
  }
}

function reconnectOf(
  reconnect: NonNullable<WsRouteConfig['reconnect']>,
): Exclude<Parameters<typeof wsBackend>[0]['reconnect'], undefined> {
  if (reconnect === false) return false
  const { delay, ...rest } = reconnect
  const pause = delayOf(delay)
  return { ...rest, ...(pause && { delay: pause }) }
}
