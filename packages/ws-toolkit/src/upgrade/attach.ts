// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, Server } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { handshakeFault } from './handshake.ts'
import { serveWithoutUpgrade } from './ignored-upgrade.ts'
import { fullRequest, lightRequest } from './handshake-request.ts'
import { clientLeft, draining, type UpgradeRefusal } from './refusal.ts'
import { appendUpgradeHeaders, refuseUpgrade, writeResponse } from './response-writer.ts'
import { targetOf } from './target.ts'
import { hostSymbol, upgradeHost, type UpgradeHost, type UpgradeHostOptions } from './upgrade-host.ts'

/** A Hono app, or anything else that answers requests; `fetch` is looked up for each request. */
export interface UpgradeApp {
  fetch(request: Request, env?: unknown): Response | Promise<Response>
}

/** What `attachWebSockets()` can be told. */
export interface AttachOptions extends UpgradeHostOptions {
  /**
   * What the app is asked with. `light`: a Request that may be read and cloned but not given to `fetch()` or
   * `new Request()`, which throw a TypeError; a handshake then takes a seventh less CPU time. Default `full`.
   */
  readonly request?: 'full' | 'light'
}

type Answer = UpgradeRefusal | Promise<Response | UpgradeRefusal>

interface HostEnv {
  readonly incoming: IncomingMessage
  readonly outgoing: undefined
  readonly [hostSymbol]: UpgradeHost
}

const malformed: UpgradeRefusal = { code: 'bad_request', detail: 'the Host header or the request target is malformed' }

// Listeners that only refuse any more, and may be replaced by a new attachment.
const closedListeners = new WeakSet<object>()

/**
 * Makes `app`'s WebSocket routes work on a plain node:http or node:https server, as its only `upgrade` listener; serves
 * `upgradeWebSocket` of this package only. After `close()` handshakes are refused with 503; open sockets stay.
 */
export function attachWebSockets(
  server: Server | HttpsServer,
  app: UpgradeApp,
  options: AttachOptions = {},
): { close(): void } {
  const { request: weight = 'full' } = options
  if (weight !== 'full' && weight !== 'light') {
    throw new TypeError(`attachWebSockets: request: ${JSON.stringify(weight)} is neither "full" nor "light"`)
  }
  const requestOf = weight === 'light' ? lightRequest : fullRequest
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

  function answer(incoming: IncomingMessage, head: Buffer): void {
    const request = requestOf(incoming)
    const env = { incoming, outgoing: undefined, [hostSymbol]: host }
    host.asking = incoming
    const response = request === undefined ? malformed : responseOf(app, request, env)
    host.asking = undefined
    if (!('then' in response)) {
      conclude(incoming, head, response)
      return
    }
    targetOf(incoming)?.watch()
    pending.add(incoming)
    void response.then((settled) => {
      pending.delete(incoming)
      conclude(incoming, head, settled)
    })
  }

  function conclude(incoming: IncomingMessage, head: Buffer, response: Response | UpgradeRefusal): void {
    const target = targetOf(incoming)
    if (closed) target?.abort(draining())
    if ('code' in response) {
      target?.abort(response)
      void refuseUpgrade(incoming, response, host)
    } else if (response.status !== 200 || !target?.wasAccepted) {
      // Anything but our 200 is a veto: of the route, of a middleware, or there is no such route.
      target?.abort()
      void writeResponse(incoming, response)
    } else if (!target.open(incoming, head, (lines) => appendUpgradeHeaders(lines, response.headers))) {
      void refuseUpgrade(incoming, target.refusal ?? clientLeft, host)
    } else if (target.refusal === undefined) {
      // ws has its own now, and this one would be kept as long as the connection.
      incoming.socket.off('error', ignore)
    }
  }

  function onUpgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (isPipelined(socket)) {
      socket.destroy()
    } else if (incoming.headers.upgrade?.toLowerCase() === 'websocket') {
      // Until ws has its own listener: a reset of the client must not end the process.
      socket.on('error', ignore)
      const refusal = closed ? draining() : handshakeFault(incoming)
      if (refusal === undefined) answer(incoming, head)
      else void refuseUpgrade(incoming, refusal, host)
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

/** Asks the app; what it answers at once is not waited for. */
function responseOf(app: UpgradeApp, request: Request, env: HostEnv): Response | Answer {
  const failed = (error: unknown): UpgradeRefusal => {
    env[hostSymbol].observe({ type: 'handler.failed', handler: 'fetch', error })
    return { code: 'internal', detail: 'the application failed to answer this request' }
  }
  try {
    const response = app.fetch(request, env)
    return 'then' in response ? response.catch(failed) : response
  } catch (error) {
    return failed(error)
  }
}

function ignore(): void {}
