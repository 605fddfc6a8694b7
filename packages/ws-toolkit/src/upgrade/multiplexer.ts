// SPDX-License-Identifier: Apache-2.0
import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocketServerLike } from '@hono/node-server'
import type { WebSocketServer } from 'ws'
import { hostSocket, socketStandIn } from './node-server-waiter.ts'
import { clientLeft, draining, type UpgradeRefusal } from './refusal.ts'
import { refuseUpgrade, writeResponse } from './response-writer.ts'
import { targetOf, type UpgradeTarget } from './target.ts'
import { hostSymbol, upgradeHost, type UpgradeHost, type UpgradeHostOptions } from './upgrade-host.ts'

type Accept = Parameters<WebSocketServerLike['handleUpgrade']>[3]

const noOwner: UpgradeRefusal = {
  code: 'unsupported',
  detail:
    'this route belongs to no WebSocket owner here: pass webSocketServer(new WebSocketServer({ noServer: true })) to serve()',
}

/**
 * The one server @hono/node-server asks for, standing for many: each request goes to the owner its route belongs to,
 * and requests of routes that are not ours go to `own`. For `serve({ fetch, websocket: { server: webSocketServer() } })`.
 */
export function webSocketServer(own?: WebSocketServer, options: UpgradeHostOptions = {}): WebSocketServerLike {
  if (own !== undefined && own.options.noServer !== true) {
    throw new TypeError('webSocketServer(own): own must be made with { noServer: true }')
  }
  return new Multiplexer(own, options)
}

class Multiplexer extends EventEmitter implements WebSocketServerLike {
  readonly options = { noServer: true }
  readonly [hostSymbol]: UpgradeHost
  readonly #own: WebSocketServer | undefined
  #closed = false

  constructor(own: WebSocketServer | undefined, options: UpgradeHostOptions) {
    super()
    this[hostSymbol] = upgradeHost('node-server', options)
    this.#own = own
    own?.on('headers', this.#forwardHeaders)
  }

  handleUpgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer, accept: Accept): void {
    const target = targetOf(incoming)
    if (this.#closed) {
      target?.abort()
      void refuseUpgrade(incoming, draining(), this[hostSymbol])
    } else if (target !== undefined) {
      this.#openOurs(incoming, head, { target, accept })
    } else if (this.#own === undefined) {
      void refuseUpgrade(incoming, noOwner, this[hostSymbol])
    } else {
      const own = this.#own
      own.handleUpgrade(incoming, socket, head, (ws) => {
        accept(hostSocket(ws))
        own.emit('connection', ws, incoming)
      })
    }
  }

  #openOurs(
    incoming: IncomingMessage,
    head: Buffer,
    { target, accept }: { readonly target: UpgradeTarget; readonly accept: Accept },
  ): void {
    const veto = target.veto?.()
    if (veto !== undefined) {
      target.abort()
      void writeResponse(incoming, veto)
      return
    }
    // node-server listens for `headers` during this call, to add those of the Response.
    const appendHeaders = (headers: string[]): unknown => this.emit('headers', headers, incoming)
    if (!target.open(incoming, head, appendHeaders)) {
      void refuseUpgrade(incoming, target.refusal ?? clientLeft, this[hostSymbol])
    } else if (target.refusal === undefined) {
      accept(socketStandIn(target.subprotocol ?? ''))
    }
  }

  close(): void {
    this.#closed = true
    this.#own?.off('headers', this.#forwardHeaders)
    this.#own?.close()
  }

  readonly #forwardHeaders = (headers: string[], incoming: IncomingMessage): void => {
    this.emit('headers', headers, incoming)
  }
}
