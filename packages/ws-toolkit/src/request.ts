// SPDX-License-Identifier: Apache-2.0
import type { RequestId } from './codec/codec.ts'
import type { CloseFunction, Connection, SendOptions } from './connection.ts'

/** Sends an answer beside the one that is returned. */
export type ReplyFunction = (value: unknown, options?: SendOptions) => boolean

/** What `with()` replaces. */
export interface RequestChange {
  readonly signal?: AbortSignal
  readonly data?: unknown
  readonly reply?: ReplyFunction
  readonly close?: CloseFunction
}

/** A message the codec understood. Never changes; `with()` gives another one. */
export interface WsRequest<U = unknown> {
  readonly id: RequestId | undefined
  readonly key: string
  /** The pattern of the route that was found: a bounded set, fit for labels. */
  readonly route: string
  /** What `*` and `>` of the route matched. */
  readonly params: readonly string[]
  readonly data: unknown
  /** The whole message; a view of what was read: copy it to keep it for long. */
  readonly bytes: Uint8Array
  readonly binary: boolean
  readonly connection: Connection<U>
  /** Aborted when the connection ends, the client cancels, or a deadline passes; made when first asked for. */
  readonly signal: AbortSignal
  reply(value: unknown, options?: SendOptions): boolean
  with(change: RequestChange): WsRequest<U>
}

/** Gives the request as it came, whatever was replaced in it since: one object for all of its tries. */
export function originOf<U>(request: WsRequest<U>): WsRequest<U> {
  // Not part of WsRequest: only the requests of this package have it.
  return 'origin' in request ? (request.origin as WsRequest<U>) : request
}
