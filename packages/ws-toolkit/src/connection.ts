// SPDX-License-Identifier: Apache-2.0
import type { Principal } from '@nats-edge/wire-parser'
import type { CloseHint, CloseInfo } from './close-code.ts'
import type { Outgoing } from './frame.ts'
import type { Joined } from './room.ts'

export type ConnectionState = 'open' | 'closing' | 'closed'

export interface SendOptions {
  /** Default: strings leave as text, bytes as binary. */
  readonly binary?: boolean
  /** Default true, where the client has agreed to compression. */
  readonly compress?: boolean
  /** Under the overflow policy `coalesce` a message replaces the one of this key that still waits. */
  readonly key?: string
}

export type SendFunction = (message: Outgoing, options?: SendOptions) => boolean
export type CloseFunction = (code?: number, reason?: string | CloseHint, options?: CloseOptions) => Promise<CloseInfo>

export interface CloseOptions {
  /** Lets the requests under way finish first, until this is aborted. */
  readonly wait?: AbortSignal
}

export interface CallOptions {
  /** Default 10,000. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** A message as it came, in pull mode. */
export interface Message {
  /** A view of what was read: copy it to keep it for long. */
  readonly bytes: Uint8Array
  readonly binary: boolean
  /** The bytes as UTF-8. */
  readonly text: string
}

/** One client on one socket. */
export interface Connection<U = unknown> {
  /** 128 random bits, in base62. */
  readonly id: string
  /** The path of the channel, as it was registered: `/chat/:room`. */
  readonly path: string
  /** What the path matched, decoded: may hold any character. */
  readonly params: Readonly<Record<string, string>>
  readonly ip: string
  /** Who the client is; setting it moves the connection in the registry. */
  principal: Principal | undefined
  /** What `onConnect` returned: the application's own. */
  data: U
  readonly tags: ReadonlySet<string>
  /** The subprotocol agreed on, or ''. */
  readonly protocol: string
  /** The `traceparent` of the span of its upgrade, where `tracing()` has made one. */
  readonly traceparent: string | undefined
  readonly state: ConnectionState
  /** Aborted when the socket is closed; made when first asked for. */
  readonly signal: AbortSignal
  /** Bytes that were sent and that the kernel has not taken. */
  readonly bufferedBytes: number
  /** Milliseconds since the epoch. */
  readonly openedAt: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** Queues a message; false when it was dropped or the connection is closed. Bytes belong to the connection from here on. */
  send(message: Outgoing, options?: SendOptions): boolean
  /** Resolves when the kernel has taken the message; rejects with WsError `closed` or `overloaded` when it never will. */
  sent(message: Outgoing, options?: SendOptions): Promise<void>
  /** Resolves at once, or when what waits for the client has fallen below `lowWaterBytes`, or the connection ends. */
  drained(): Promise<void>
  /** Calls the client, in the words of the channel's codec; rejects with WsError `timeout`, `cancelled`, `closed` or the client's error. */
  request(method: string, params?: unknown, options?: CallOptions): Promise<unknown>
  /** Sends an event in the words of the channel's codec. */
  notify(method: string, params?: unknown, options?: SendOptions): boolean
  /** Takes the messages over from the routes: not reading is back pressure. Legal in `onOpen`, once. */
  messages(): AsyncIterableIterator<Message>
  /** Stops reading from the socket until `resume()` was called as often. */
  pause(): void
  resume(): void
  /** Sends what waits, then the close frame; resolves when the socket is gone. */
  close: CloseFunction
  /** Cuts the connection. */
  terminate(): void
  tag(...tags: string[]): void
  untag(...tags: string[]): void
  /** Joins a room of the gateway; resolves when messages of other servers arrive too. */
  join(room: string, options?: { readonly rewind?: number }): Promise<Joined>
  leave(room: string): void
  /** Subscriptions that handlers keep for this connection. */
  readonly subscriptions: number
  /** Counts one more and gives what uncounts it; throws WsError `overloaded` above `maxSubscriptions`. */
  countSubscription(): () => void
  /** Gives the same connection with another way of sending or closing. */
  wrap(over: { readonly send?: SendFunction; readonly close?: CloseFunction }): Connection<U>
}
