// SPDX-License-Identifier: Apache-2.0
import type { Principal } from '@nats-edge/wire-parser'
import type { Connection } from './connection.ts'
import type { WsEvent } from './event.ts'
import type { PlacedCircuit } from './middleware/circuit.ts'
import type { WsRequest } from './request.ts'

/** What a handler answers: undefined for nothing, an AsyncIterable for many answers, anything else for one. */
export type Reply = unknown

/** Answers a request; every backend is one. */
export interface Handler<U = unknown> extends Part {
  (request: WsRequest<U>): Reply
}

/** Runs around a handler; `next` may get a changed request, and may be called again, or not at all. */
export interface Middleware<U = unknown> extends Part {
  (request: WsRequest<U>, next: Next<U>): Reply
}

export type Next<U = unknown> = (changed?: WsRequest<U>) => Reply

/** Middleware, outermost first, and the handler. */
export type Chain<U = unknown> = readonly [...Middleware<U>[], Handler<U>]

/** What a handler or a middleware that has a life of its own may implement. */
export interface Part {
  /** Called once for each place it is used at, before the first request; a TypeError here names what is missing. */
  readonly mount?: ((site: Site) => void) | undefined
  /** The circuits it keeps, for the numbers of the gateway. */
  readonly circuits?: (() => Iterable<PlacedCircuit>) | undefined
  /**
   * Called by `updatePrincipals()` for each connection of its channel whose principal was replaced, with the one before;
   * and for each that is about to be ended, which still has it.
   */
  readonly principalChanged?: ((connection: Connection, before: Principal) => void) | undefined
  /** Called when `updatePrincipals()` is done: of who has no connection to its channel it was not told. */
  readonly principalsUpdated?: ((isConnected: (id: string) => boolean) => void) | undefined
  /** Called when the gateway has closed: ends timers and lets go of stores. */
  readonly close?: (() => void | Promise<void>) | undefined
}

/** A place in a channel. */
export interface Site {
  /** The path of the channel. */
  readonly channel: string
  /** The pattern of the route; undefined for what is around every request of the channel. */
  readonly route: string | undefined
  readonly observe: (event: WsEvent) => void
}

/** Puts middleware around a handler, once: a request allocates nothing but one `next` for each link. */
export function compose<U>(middleware: readonly Middleware<U>[], handler: Handler<U>): Handler<U> {
  return middleware.reduceRight<Handler<U>>(
    (inner, link) => (request) => link(request, (changed) => inner(changed ?? request)),
    handler,
  )
}
