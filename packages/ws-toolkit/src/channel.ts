// SPDX-License-Identifier: Apache-2.0
import type { Principal } from '@nats-edge/wire-parser'
import type { Context, MiddlewareHandler } from 'hono'
import { compose, type Chain, type Handler, type Middleware, type Part, type Site } from './chain.ts'
import { resolveChannelOptions, type ChannelOptions, type ResolvedChannelOptions } from './channel-options.ts'
import type { AnsweringDispatcher, ChannelRuntime } from './channel-runtime.ts'
import type { Connection } from './connection.ts'
import { connectionGone } from './connection-opening.ts'
import { ChannelCounters } from './counters.ts'
import { enter, type Arrival } from './entrance.ts'
import { FlushList } from './flush-list.ts'
import { RequestDispatcher } from './request-dispatcher.ts'
import type { RouteTarget } from './request-run.ts'
import { Router, type RouteMatch } from './router.ts'
import { routeFor, type SocketRoute } from './upgrade/route.ts'
import type { SocketOptions } from './upgrade/socket-options.ts'
import { WsError } from './ws-error.ts'

/** A WebSocket endpoint: what is added first is outermost, in both lists. Frozen by the first request to its gateway. */
export interface Channel<U = undefined> {
  readonly path: string
  /** Adds Hono middleware, run before the upgrade, once there is room for the client. */
  http(...middleware: MiddlewareHandler[]): this
  /** Adds middleware around every request. */
  use(...middleware: Middleware<U>[]): this
  /** Adds a route: exact keys, or dot-separated tokens with `*` for one and a last `>` for one or more. All or nothing. */
  route(pattern: string | readonly string[], ...chain: Chain<U>): this
  /** Takes the keys without a route; without it they are answered with `not_found`. */
  default(...chain: Chain<U>): this
}

/** What a channel gets from its gateway. */
export type GatewayPart = Pick<
  ChannelRuntime<unknown>,
  'isPlain' | 'registry' | 'heartbeat' | 'rooms' | 'observe' | 'sendAway'
> & {
  readonly flushList: FlushList
  socketOptions(path: string, limits: SocketLimits): SocketOptions
}

/** What the sockets of a channel are held to. */
export type SocketLimits = Pick<
  ResolvedChannelOptions<unknown>,
  | 'maxMessageBytes'
  | 'maxFragments'
  | 'subprotocols'
  | 'origins'
  | 'missingOrigin'
  | 'compression'
  | 'closeTimeoutMs'
  | 'maxConnections'
>

/** A channel that is complete. */
export interface FrozenChannel {
  readonly route: SocketRoute
  enter(c: Context, arrival: Arrival): ReturnType<typeof enter>
}

/** A channel as its gateway sees it, whatever its connections carry. */
export interface BuiltChannel {
  readonly path: string
  readonly counters: ChannelCounters
  /** What is around its requests and answers them. */
  parts(): ReadonlySet<Part>
  freeze(gateway: GatewayPart): FrozenChannel
  /** Tells its parts that a connection has another principal, or is to end. */
  principalChanged(connection: Connection, before: Principal): void
  /** Tells them that all have been asked about. */
  principalsUpdated(isConnected: (id: string) => boolean): void
  close(): Promise<void>
}

interface Route<U> {
  readonly patterns: readonly string[]
  readonly chain: Chain<U>
}

/** The label of requests without a route. */
const noRoute = '(none)'

export class GatewayChannel<U> implements Channel<U>, BuiltChannel {
  readonly path: string
  readonly options: ResolvedChannelOptions<U>
  readonly counters: ChannelCounters = new ChannelCounters()
  readonly #isFrozen: () => boolean
  readonly #http: MiddlewareHandler[] = []
  readonly #use: Middleware<U>[] = []
  readonly #routes: Route<U>[] = []
  // Only to find what is there twice, or malformed, when it is added.
  readonly #patterns = new Router<true>()
  #default: Chain<U> | undefined
  #observe: GatewayPart['observe']
  #heeding: readonly Part[] = []
  #ownFlushList: FlushList | undefined

  constructor(path: string, options: ChannelOptions<U>, isFrozen: () => boolean) {
    this.path = path
    this.options = resolveChannelOptions(options)
    this.#isFrozen = isFrozen
  }

  http(...middleware: MiddlewareHandler[]): this {
    this.#checkOpen('http')
    functions('http', middleware)
    this.#http.push(...middleware)
    return this
  }

  use(...middleware: Middleware<U>[]): this {
    this.#checkDispatches('use')
    functions('use', middleware)
    this.#use.push(...middleware)
    return this
  }

  route(pattern: string | readonly string[], ...chain: Chain<U>): this {
    this.#checkDispatches('route')
    functions('route', chain)
    const patterns = Object.freeze(typeof pattern === 'string' ? [pattern] : [...pattern])
    this.#patterns.add(patterns, true)
    this.#routes.push({ patterns, chain })
    return this
  }

  default(...chain: Chain<U>): this {
    this.#checkDispatches('default')
    functions('default', chain)
    if (this.#default !== undefined) throw new TypeError(`default: ${this.path} has one already`)
    this.#default = chain
    return this
  }

  /** Composes everything, once. */
  freeze(gateway: GatewayPart): FrozenChannel {
    const { path, options, counters } = this
    const { isPlain, registry, heartbeat, rooms, observe, sendAway } = gateway
    this.#ownFlushList = options.batchMs === 0 ? undefined : new FlushList(options.batchMs)
    heartbeat.heed(options)
    this.#observe = observe
    this.#heeding = [...this.parts()].filter((part) => part.principalChanged ?? part.principalsUpdated)
    this.#mountParts(observe)
    const runtime: ChannelRuntime<U> = {
      path,
      options,
      counters,
      isPlain,
      registry,
      heartbeat,
      rooms,
      observe,
      sendAway,
      gone: connectionGone,
      dispatcher: options.dispatcher ?? this.#dispatcher(observe),
      codec: options.dispatcher === undefined ? options.codec : undefined,
      flushList: this.#ownFlushList ?? gateway.flushList,
    }
    const route = routeFor(gateway.socketOptions(path, socketLimits(options)))
    const entry = { runtime, http: this.#http, route }
    return { route, enter: (c, arrival) => enter(c, entry, arrival) }
  }

  principalChanged(connection: Connection, before: Principal): void {
    this.#tell((part) => part.principalChanged?.(connection, before))
  }

  principalsUpdated(isConnected: (id: string) => boolean): void {
    this.#tell((part) => part.principalsUpdated?.(isConnected))
  }

  #tell(hear: (part: Part) => void): void {
    for (const part of this.#heeding) {
      try {
        hear(part)
      } catch (error) {
        // One that fails must not keep the others, or other connections, as they were.
        this.#observe?.({ type: 'handler.failed', channel: this.path, handler: 'principalChanged', error })
      }
    }
  }

  /** Ends whatever its middleware and backends hold. */
  async close(): Promise<void> {
    this.#ownFlushList?.close()
    await Promise.all([...this.parts()].map(async (part) => part.close?.()))
  }

  #dispatcher(observe: GatewayPart['observe']): AnsweringDispatcher<U> {
    const { path, counters } = this
    const { codec, concurrency, order, replyOrder } = this.options
    const router = new Router<RouteTarget<U>>()
    for (const { patterns, chain } of this.#routes) {
      for (const pattern of patterns) router.add([pattern], this.#target(pattern, chain))
    }
    const fallback: RouteMatch<RouteTarget<U>> = {
      pattern: noRoute,
      params: [],
      value: this.#target(noRoute, this.#default ?? [unknownRoute]),
    }
    return new RequestDispatcher({
      path,
      codec,
      router,
      fallback,
      counters,
      observe,
      order: { concurrency, order, replyOrder },
    })
  }

  #target(pattern: string, chain: Chain<U>): RouteTarget<U> {
    const [middleware, handler] = split(chain)
    return {
      handler: compose([...this.#use, ...middleware], handler),
      counters: this.counters.route(pattern),
    }
  }

  #mountParts(observe: GatewayPart['observe']): void {
    const site = (route: string | undefined): Site => ({ channel: this.path, route, observe: observe ?? unobserved })
    for (const middleware of this.#use) middleware.mount?.(site(undefined))
    for (const { patterns, chain } of this.#routes) {
      for (const part of chain) part.mount?.(site(patterns[0]))
    }
    for (const part of this.#default ?? []) part.mount?.(site(noRoute))
  }

  parts(): Set<Part> {
    return new Set<Part>([...this.#use, ...this.#routes.flatMap(({ chain }) => chain), ...(this.#default ?? [])])
  }

  #checkOpen(method: string): void {
    if (this.#isFrozen()) {
      throw new TypeError(`${method}: ${this.path} is frozen; channels are built before the first request`)
    }
  }

  #checkDispatches(method: string): void {
    this.#checkOpen(method)
    if (this.options.dispatcher !== undefined) {
      throw new TypeError(`${method}: ${this.path} has a dispatcher, which has no routes`)
    }
  }
}

function socketLimits<U>(options: ResolvedChannelOptions<U>): SocketLimits {
  const { maxMessageBytes, maxFragments, subprotocols, origins, missingOrigin, compression } = options
  const { closeTimeoutMs, maxConnections } = options
  return {
    maxMessageBytes,
    maxFragments,
    subprotocols,
    origins,
    missingOrigin,
    compression,
    closeTimeoutMs,
    maxConnections,
  }
}

function unobserved(): void {}

function unknownRoute(): never {
  throw new WsError('not_found')
}

function split<U>(chain: Chain<U>): [readonly Middleware<U>[], Handler<U>] {
  // The type says that the last link is the handler and all others are not.
  return [chain.slice(0, -1), chain.at(-1) as Handler<U>]
}

function functions(method: string, links: readonly unknown[]): void {
  if (links.length === 0) throw new TypeError(`${method}: needs at least one function`)
  const wrong = links.findIndex((link) => typeof link !== 'function')
  if (wrong !== -1) throw new TypeError(`${method}: argument ${wrong} of the chain is not a function`)
}
