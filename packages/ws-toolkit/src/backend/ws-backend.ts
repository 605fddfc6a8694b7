// SPDX-License-Identifier: Apache-2.0
import type { Handler, Reply } from '../chain.ts'
import { closeCode } from '../close-code.ts'
import type { Connection } from '../connection.ts'
import type { WsRequest } from '../request.ts'
import { WsError } from '../ws-error.ts'
import { ClientLink } from './client-link.ts'
import { SharedLinks } from './shared-links.ts'
import { resolveWsBackend, type WsBackendOptions, type WsBackendRules } from './ws-backend-options.ts'

export interface WsBackendStats {
  /** Connections to the service that are open or being opened. */
  readonly connections: number
  /** Requests that wait for an answer, with `match`. */
  readonly pending: number
  /** Messages that belonged to nobody. */
  readonly unmatched: number
}

export interface WsBackend<U = unknown> extends Handler<U> {
  /**
   * Connects to the service before the first message: `onOpen: (connection) => backend.connect(connection)` makes the
   * client wait for it, and closes the client with 1011 where it is not there. With `share` there is nothing to do.
   */
  connect(connection: Connection<U>): Promise<void>
  stats(): WsBackendStats
  /** Closes the connections to the service with 1001, and refuses what comes with `draining`. */
  close(): void
}

interface Links<U> {
  handle(request: WsRequest<U>): Reply
  connect(connection: Connection<U>): Promise<void>
  stats(): WsBackendStats
  close(): void
}

/**
 * Passes messages on to a WebSocket service, and its messages to the client: one connection for each client, made with
 * its first message, closed with it, and closing it with the service's own code. Neither side is read faster than the
 * other takes. Without `match` the handler itself answers nothing: that is for words without ids, as `rawCodec()`'s.
 */
export function wsBackend<U = unknown>(options: WsBackendOptions<U>): WsBackend<U> {
  const rules = resolveWsBackend(options)
  const { share, match } = rules
  const links = share === undefined || match === undefined ? ownLinks(rules) : sharedLinks(rules, match, share)
  let isClosed = false

  const handler = (request: WsRequest<U>): Reply => {
    if (isClosed) throw new WsError('draining')
    return links.handle(request)
  }
  return Object.assign(handler, {
    connect: async (connection: Connection<U>) => {
      if (isClosed) throw new WsError('draining')
      await links.connect(connection)
    },
    stats: () => links.stats(),
    close: () => {
      isClosed = true
      links.close()
    },
  })
}

function ownLinks<U>(rules: WsBackendRules<U>): Links<U> {
  const links = new Map<string, ClientLink<U>>()
  let unmatched = 0

  function linkOf(connection: Connection<U>): ClientLink<U> {
    const known = links.get(connection.id)
    if (known !== undefined) return known
    // Nobody would end it any more.
    if (connection.state === 'closed') throw new WsError('closed')
    const link: ClientLink<U> = new ClientLink(connection, rules, () => {
      unmatched += link.unmatched
      links.delete(connection.id)
    })
    links.set(connection.id, link)
    return link
  }

  return {
    handle: (request) => linkOf(request.connection).handle(request),
    connect: (connection) => linkOf(connection).connect(),
    stats: () => {
      const open = [...links.values()]
      return {
        connections: open.length,
        pending: open.reduce((sum, link) => sum + link.pending, 0),
        unmatched: open.reduce((sum, link) => sum + link.unmatched, unmatched),
      }
    },
    close: () => {
      for (const link of links.values()) link.close(closeCode.goingAway)
    },
  }
}

function sharedLinks<U>(rules: WsBackendRules<U>, match: NonNullable<typeof rules.match>, share: number): Links<U> {
  const links = new SharedLinks(rules, match, share)
  return {
    handle: (request) => links.handle(request),
    connect: () => Promise.resolve(),
    stats: () => ({ connections: links.connections, pending: links.pending, unmatched: links.unmatched }),
    close: () => links.close(closeCode.goingAway),
  }
}
