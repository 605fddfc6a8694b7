// SPDX-License-Identifier: Apache-2.0
import type { MetricFamily } from '@nats-edge/wire-parser'
import type { WsEvent } from './event.ts'

/** A message of a room on its way between servers. */
export interface RoomMessage {
  readonly payload: Uint8Array
  /** A text message must be well-formed UTF-8: the bus checks what comes from elsewhere. */
  readonly binary: boolean
  /** The connection that does not get it, on whatever server it is. */
  readonly except?: string | undefined
  /** Under the overflow policy `coalesce` it replaces the one of this key that still waits. */
  readonly key?: string | undefined
  /** Its place in the history of the room. */
  readonly seq?: number
}

/** Most messages of the past that a member may ask for. */
export const maxRewind = 1000

export interface RoomSubscription {
  /** Resolves when messages of other servers arrive; absent: they do. */
  readonly ready?: Promise<void>
  close(): void
}

/** Carries rooms between servers. */
export interface RoomBus {
  /** `remote`: what other servers sent; `all`: own messages come back too, and reach members only that way. */
  readonly delivers: 'remote' | 'all'
  /** Called when a room gets its first member here. */
  subscribe(room: string, deliver: (message: RoomMessage) => void): RoomSubscription
  /** Throws when the message cannot be taken. */
  publish(room: string, message: RoomMessage): void
  /** Only where it delivers to all. The last `count` messages of a room, oldest first, each with its `seq`; what is said after the call may be among them. */
  history?(room: string, count: number): Promise<readonly RoomMessage[]>
  /** Called once, when the gateway is made. */
  mount?(site: { readonly observe: (event: WsEvent) => void }): void
  ready?(): Promise<void>
  stats?(): Iterable<MetricFamily>
  close?(): void | Promise<void>
}
