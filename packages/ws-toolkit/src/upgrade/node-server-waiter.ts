// SPDX-License-Identifier: Apache-2.0
import { upgradeWebSocket as nodeServerUpgrade, type WebSocketServerLike } from '@hono/node-server'
import { Hono, type Context } from 'hono'
import type { WebSocket } from 'ws'

// @hono/node-server hands a socket over only to a request its own helper has registered a waiter for. The waiter gets a
// stand-in for the socket, so that the helper's per-message listeners and its hold on the Request cost nothing.

/** What @hono/node-server calls a WebSocket. */
type HostSocket = Parameters<Parameters<WebSocketServerLike['handleUpgrade']>[3]>[0]

let symbol: symbol | undefined

/**
 * Finds the key under which the copy of @hono/node-server installed here looks for its host in the environment; a host
 * of another copy does not have it.
 */
export function waiterSymbol(): symbol {
  symbol ??= askHelper()
  return symbol
}

/** Registers the request with the host's `upgrade` listener, which will then call `handleUpgrade()`. */
export async function registerWaiter(c: Context): Promise<void> {
  await nodeServerUpgrade(c, {})
}

/** Satisfies the waiter; nothing is ever sent or received on it. */
export function socketStandIn(protocol: string): HostSocket {
  const standIn: HostSocket = {
    protocol,
    readyState: 1,
    close: () => {},
    send: () => {},
    on: () => standIn,
    off: () => standIn,
  }
  return standIn
}

/** Gives a stranger's socket the type @hono/node-server has for it: only the types of its `send` are narrower. */
export function hostSocket(ws: WebSocket): HostSocket {
  return ws as WebSocket & HostSocket
}

// The helper reads exactly one symbol from the environment before it gives up on a host that is not there.
function askHelper(): symbol {
  let asked: symbol | undefined
  const env = new Proxy(
    {},
    {
      get: (_target, key): undefined => {
        if (typeof key === 'symbol') asked ??= key
      },
    },
  )
  const app = new Hono().get('/', (c) => nodeServerUpgrade(c, {}))
  void app.request('/', { headers: { Upgrade: 'websocket' } }, env)
  if (asked === undefined)
    throw new Error('this version of @hono/node-server is not known: ws-toolkit needs >=2.0.10 <3')
  return asked
}
