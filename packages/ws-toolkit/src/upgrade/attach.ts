// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, Server } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { handshakeFault } from './handshake.ts'
import { serveWithoutUpgrade } from './ignored-upgrade.ts'
import { clientLeft, draining, type UpgradeRefusal } from './refusal.ts'
import { appendUpgradeHeaders, refuseUpgrade, writeResponse } from './response-writer.ts'
import { targetOf } from './target.ts'
import { hostSymbol, upgradeHost, type UpgradeHost, type UpgradeHostOptions } from './upgrade-host.ts'

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
  const host = upgradeHost('attached', options)
  const pending = new Set<IncomingMessage>()
  let closed = false

  async function answer(incoming: IncomingMessage, head: Buffer): Promise<void> {
    pending.add(incoming)
    const response = await responseOf(app, incoming, host)
    pending.delete(incoming)
    const target = targetOf(incoming)
    if (closed) target?.abort(draining())
    if ('code' in response) {
      target?.abort(response)
      await refuseUpgrade(incoming, response, host)
    } else if (response.status !== 200 || !target?.wasAccepted) {
      // Anything but our 200 is a veto: of the route, of a middleware, or there is no such route.
      target?.abort()
      await writeResponse(incoming, response)
    } else if (!target.open(incoming, head, (lines) => appendUpgradeHeaders(lines, response.headers))) {
      await refuseUpgrade(incoming, target.refusal ?? clientLeft, host)
    }
  }

  function onUpgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (isPipelined(socket)) {
      socket.destroy()
    } else if (incoming.headers.upgrade?.toLowerCase() === 'websocket') {
      // Until ws has its own listener: a reset of the client must not end the process.
      socket.on('error', ignore)
      const refusal = closed ? draining() : handshakeFault(incoming)
      void (refusal === undefined ? answer(incoming, head) : refuseUpgrade(incoming, refusal, host))
    } else {
      const refusal = serveWithoutUpgrade(server, incoming, head)
      if (refusal === undefined) return
      socket.on('error', ignore)
      void refuseUpgrade(incoming, refusal, host)
    }
  }

  server.on('upgrade', onUpgrade)
  return {
    close: () => {
      closed = true
      closedListeners.add(onUpgrade)
      for (const incoming of pending) targetOf(incoming)?.abort(draining())
    },
  }
}

// An earlier request of this connection is not answered yet, and a 101 now would stand before its answer.
function isPipelined(socket: Duplex): boolean {
  const unanswered: unknown = Reflect.get(socket, '_httpMessage')
  return typeof unanswered === 'object' && unanswered !== null
}

async function responseOf(
  app: UpgradeApp,
  incoming: IncomingMessage,
  host: UpgradeHost,
): Promise<Response | UpgradeRefusal> {
  let request: Request
  try {
    request = requestOf(incoming)
  } catch {
    return { code: 'bad_request', detail: 'the Host header or the request target is malformed' }
  }
  try {
    return await app.fetch(request, { incoming, outgoing: undefined, [hostSymbol]: host })
  } catch (error) {
    host.observe({ type: 'handler.failed', handler: 'fetch', error })
    return { code: 'internal', detail: 'the application failed to answer this request' }
  }
}

function requestOf(incoming: IncomingMessage): Request {
  const scheme = 'encrypted' in incoming.socket ? 'https' : 'http'
  const host = incoming.headers.host ?? 'localhost'
  const target = incoming.url ?? '/'
  // Both would move the border between host and path once they are one URL.
  if (!hostPattern.test(host) || target.includes('\\')) throw new TypeError('malformed Host or request target')
  const request = new Request(`${scheme}://${host}${target}`)
  // Its own, as headers that are given to it would be copied.
  const { headers } = request
  const { rawHeaders } = incoming
  for (let index = 0; index < rawHeaders.length; index += 2) {
    headers.append(rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '')
  }
  return request
}

function ignore(): void {}
