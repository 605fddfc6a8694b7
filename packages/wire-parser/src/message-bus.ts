// SPDX-License-Identifier: Apache-2.0
import type { BusError } from './bus-error.ts'
import type { HeaderBlock } from './headers.ts'
import type { Pattern } from './pattern.ts'
import type { Subject } from './subject.ts'

/**
 * The small interface every data path is written against: publish, request and subscribe with callbacks over one NATS
 * connection. Callbacks run synchronously and in arrival order, across subscriptions and replies.
 */
export interface Bus {
  readonly state: 'connected' | 'disconnected' | 'closed'
  /** Counts connects: 0 before the first, +1 with each. */
  readonly epoch: number
  /** Bytes accepted and not yet known to have reached the server. */
  readonly pendingBytes: number
  /** What the server said in its latest INFO; undefined before the first connect. */
  readonly info: BusInfo | undefined
  /** A fresh, unguessable subject under the connection's inbox prefix. */
  inbox(): Subject
  /** Writes one PUB or HPUB; payload and headers belong to the Bus afterwards. Throws BusError. */
  publish(subject: Subject, payload: Uint8Array, options?: PublishOptions): void
  /**
   * Publishes with a reply subject of its own. `onReply` runs once, with the reply or with the reason there is none; a
   * callback that returns `true` keeps waiting for another reply within the same deadline. Throws what `publish()`
   * throws; `onReply` is never called before this has returned.
   */
  request(
    subject: Subject,
    payload: Uint8Array,
    onReply: (reply: BusMessage | BusError) => boolean | void,
    options: RequestOptions,
  ): Pending
  /** Accepted in every state but `closed`; lives through reconnects. */
  subscribe(pattern: Pattern, onMessage: (message: BusMessage) => void, options?: SubscribeOptions): Subscription
  /** Resolves when the server has processed everything sent so far; rejects with BusError when the connection is lost. */
  flush(): Promise<void>
  /** Calls `listener` on each change until the returned function is called. */
  onStatus(listener: (status: BusStatus) => void): () => void
}

export interface BusInfo {
  readonly maxPayloadBytes: number
  readonly serverVersion: string
  readonly headers: boolean
  readonly jetstream: boolean
}

export interface PublishOptions {
  readonly headers?: HeaderBlock
  readonly reply?: Subject
}

export interface RequestOptions {
  readonly timeoutMs: number
  readonly headers?: HeaderBlock
}

export interface SubscribeOptions {
  readonly queue?: string
  /** Called once when the subscription ends other than by `unsubscribe()`: refused, or the bus closed. */
  readonly onEnd?: (error: BusError) => void
}

/** A message as a view: valid during the callback only, unless kept with `copy()`. */
export interface BusMessage {
  readonly kind: 'message'
  readonly subject: string
  readonly reply: Subject | undefined
  readonly headers: HeaderBlock | undefined
  readonly payload: Uint8Array
  copy(): BusMessage
}

export interface Pending {
  /** Gives the reply up; `onReply` is not called, neither by this nor later. What has not left yet is not sent. */
  cancel(): void
  /** Moves the deadline to `timeoutMs` from now. */
  extend(timeoutMs: number): void
}

export interface Subscription {
  readonly pattern: Pattern
  /** No callback runs after this has returned; what the server has already sent is lost. */
  unsubscribe(): void
  /** Ends it without losing anything: resolves once all that the server had sent before the UNSUB was delivered. */
  drain(): Promise<void>
}

export type BusStatus =
  | { readonly type: 'connected'; readonly epoch: number }
  | { readonly type: 'disconnected' | 'closed' | 'info' | 'writable' }
  | { readonly type: 'failed'; readonly error: unknown }
