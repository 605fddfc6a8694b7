// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, Server } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { handshakeFault } from './handshake.ts'
import { serveWithoutUpgrade } from './ignored-upgrade.ts'
import { clientLeft, draining, problemResponse, requestIdFrom, type UpgradeRefusal } from './refusal.ts'
import { appendUpgradeHeaders, writeResponse } from './response-writer.ts'
import { targetOf } from './target.ts'
import { hostSymbol, upgradeHost, type UpgradeHostOptions } from './upgrade-host.ts'

/** A Hono app, or anything else that answers requests; `fetch` is looked up for each request. */
export interface UpgradeApp {
  fetch(request: Request, env?: unknown): Response | Promise<Response>
}

const hostPattern = /^(?:\[[0-9a-f:.]+\]|[^\s/?#@\\:[\]]+)(?::\d{1,5})?$/i

// Listeners that only refuse any more, and may be replaced by a new attachment.
const closedListeners = new WeakSet<object>()

/**
 * Makes `app`'s WebSocket routes work on a plain node:http or node:https server, as its only `upgrade` listener; serves
 * `upgradeWebSocket` of this package only. After `close()` handshakes are refused with 503; open sockets stay.
 */
export function attachWebSockets(
  server: Server | HttpsServer,
  app: UpgradeApp,
  options: UpgradeHostOptions = {},
): { close(): void } {
  for (const listener of server.listeners('upgrade')) {
    if (!closedListeners.has(listener)) {
      throw new TypeError(
        'attachWebSockets(server): the server already has an "upgrade" listener; a server has one owner',
      )
    }
    server.off('upgrade', listener as () => void)
  }
  const env = { outgoing: undefined, [hostSymbol]: upgradeHost('attached', options) }
  const pending = new Set<IncomingMessage>()
  let closed = false

  async function answer(incoming: IncomingMessage, head: Buffer): Promise<void> {
    pending.add(incoming)
    const response = await responseOf(app, incoming, env)
    pending.delete(incoming)
    const target = targetOf(incoming)
    if (closed) target?.abort(draining)
    // Anything but our 200 is a veto: of the route, of a middleware, or there is no such route.
    if (response.status !== 200 || !target?.wasAccepted) {
      target?.abort()
      await writeResponse(incoming, response)
    } else if (!target.open(incoming, head, (lines) => appendUpgradeHeaders(lines, response.headers))) {
      await writeResponse(incoming, problem(incoming, target.refusal ?? clientLeft))
    }
  }

  function onUpgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (incoming.headers.upgrade?.toLowerCase() !== 'websocket') {
      serveWithoutUpgrade(server, incoming, head)
      return
    }
    // Until ws has its own listener: a reset of the client must not end the process.
    socket.on('error', ignore)
    const refusal = closed ? draining : handshakeFault(incoming)
    void (refusal === undefined ? answer(incoming, head) : writeResponse(incoming, problem(incoming, refusal)))
  }

  server.on('upgrade', onUpgrade)
  return {
    close: () => {
      closed = true
      closedListeners.add(onUpgrade)
      for (const incoming of pending) targetOf(incoming)?.abort(draining)
    },
  }
}

async function responseOf(app: UpgradeApp, incoming: IncomingMessage, env: object): Promise<Response> {
  let request: Request
  try {
    request = requestOf(incoming)
  } catch {
    return problem(incoming, { code: 'bad_request', detail: 'the Host header or the request target is malformed' })
  }
  try {
    return await app.fetch(request, { ...env, incoming })
  } catch {
    return problem(incoming, { code: 'internal', detail: 'the application failed to answer this request' })
  }
}

function requestOf(incoming: IncomingMessage): Request {
  const scheme = 'encrypted' in incoming.socket ? 'https' : 'http'
  const host = incoming.headers.host ?? 'localhost'
  const target = incoming.url ?? '/'
  // Both would move the border between host and path once they are one URL.
  if (!hostPattern.test(host) || target.includes('\\')) throw new TypeError('malformed Host or request target')
  const headers = new Headers()
  const { rawHeaders } = incoming
  for (let index = 0; index < rawHeaders.length; index += 2) {
    headers.append(rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '')
  }
  return new Request(`${scheme}://${host}${target}`, { headers })
}

function problem(incoming: IncomingMessage, refusal: UpgradeRefusal): Response {
  const inbound = incoming.headers['x-request-id']
  return problemResponse(refusal, requestIdFrom(undefined, typeof inbound === 'string' ? inbound : undefined))
}

function ignore(): void {}
