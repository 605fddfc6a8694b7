// SPDX-License-Identifier: Apache-2.0
import { type Chain, type Connection, type Handler, type Rooms } from '@nats-edge/ws-toolkit'
import type { NatsSubscribe } from '@nats-edge/ws-toolkit/nats'
import type { ConfigPath } from '../config/tree.ts'
import type {
  NatsPublishConfig,
  NatsUnsubscribeConfig,
  RouteConfig,
  ServiceConfig,
} from '../config/ws-backend-schema.ts'
import { balanceHandler } from './balance-route.ts'
import type { CacheBasis } from './cache-basis.ts'
import type { ClientData } from './client-data.ts'
import { httpHandler } from './http-route.ts'
import { middlewareOf } from './middleware.ts'
import { natsHandler, subscribeHandler, type NatsTools } from './nats-route.ts'
import { placed } from './option-place.ts'
import { checkRewind, roomHandler, type Wording } from './room-route.ts'
import { socketHandler } from './socket-route.ts'

/** What the routes of one channel are made with. */
export interface RouteTools extends NatsTools {
  readonly rooms: Rooms
  readonly basis: CacheBasis
  readonly wording: Wording
}

/** Makes the routes of one channel; what they subscribe by, and what begins with a connection, is kept here. */
export class RouteBuilder {
  readonly #tools: RouteTools
  readonly #subscribes = new Map<string, NatsSubscribe<ClientData>>()
  /** Run when a client has connected. */
  readonly onOpen: ((connection: Connection<ClientData>) => void | Promise<void>)[] = []

  constructor(tools: RouteTools) {
    this.#tools = tools
  }

  /** Makes a chain; routes that unsubscribe come after those that subscribe. Throws OptionFault. */
  chain(path: ConfigPath, pattern: string, config: RouteConfig): Chain<ClientData> {
    const use = middlewareOf([...path, 'use'], config.use, this.#tools.basis)
    return [...use, placed(path, () => this.#handler(path, pattern, config))]
  }

  #handler(path: ConfigPath, pattern: string, config: RouteConfig): Handler<ClientData> {
    if ('echo' in config) return ({ data }) => data
    if ('room' in config) {
      checkRewind(config.rewind, this.#tools)
      return roomHandler(config, this.#tools.rooms, this.#tools.wording)
    }
    if ('balance' in config) {
      return balanceHandler(config, (service, index) =>
        placed([...path, 'balance', index], () => this.#service(service)),
      )
    }
    if ('nats' in config && config.nats === 'subscribe') {
      const handler = subscribeHandler(config, this.#tools)
      this.#subscribes.set(pattern, handler)
      return handler
    }
    if ('nats' in config && config.nats === 'unsubscribe') return this.#unsubscribe(config)
    return this.#service(config)
  }

  #service(config: ServiceConfig | NatsPublishConfig): Handler<ClientData> {
    if ('http' in config) return httpHandler(config)
    if ('ws' in config) return this.#socket(config)
    return natsHandler(config, this.#tools)
  }

  #socket(config: Parameters<typeof socketHandler>[0]): Handler<ClientData> {
    const backend = socketHandler(config)
    if (config.eager === true) this.onOpen.push((connection) => backend.connect(connection))
    return backend
  }

  #unsubscribe({ of }: NatsUnsubscribeConfig): Handler<ClientData> {
    const [only] = this.#subscribes.size === 1 ? this.#subscribes.values() : []
    const found = of === undefined ? only : this.#subscribes.get(of)
    if (found !== undefined) return found.unsubscribe
    throw new TypeError(
      of === undefined
        ? 'nats: unsubscribe needs one route of this channel with nats: subscribe, or "of" to name one of several'
        : `of: no route ${JSON.stringify(of)} of this channel has nats: subscribe`,
    )
  }
}
