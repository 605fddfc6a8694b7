// SPDX-License-Identifier: Apache-2.0
import type { ChannelConnection } from './channel-connection.ts'
import type { ResolvedChannelOptions } from './channel-options.ts'
import type { CloseInfo } from './close-code.ts'
import type { Codec } from './codec/codec.ts'
import type { ChannelCounters } from './counters.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { WsEvent } from './event.ts'
import type { FlushList } from './flush-list.ts'
import type { Heartbeat } from './heartbeat.ts'
import type { LiveConnection } from './live-connection.ts'
import type { ConnectionRegistry } from './registry.ts'
import type { LocalRooms } from './room.ts'
import type { WsError } from './ws-error.ts'

/** A dispatcher of our own: it also answers what is not dispatched. */
export interface AnsweringDispatcher<U> extends Dispatcher<U> {
  /** Answers a message with an error instead of dispatching it. */
  refuse?(
    connection: ChannelConnection<U>,
    message: { readonly bytes: Buffer; readonly binary: boolean },
    error: WsError,
  ): void
}

/** What the connections of one channel have in common. */
export interface ChannelRuntime<U> {
  readonly path: string
  readonly options: ResolvedChannelOptions<U>
  readonly dispatcher: AnsweringDispatcher<U>
  /** Undefined where a dispatcher has its own words. */
  readonly codec: Codec | undefined
  readonly counters: ChannelCounters
  readonly flushList: FlushList
  /** Messages go through `ws`, whatever the socket. */
  readonly isPlain: boolean
  readonly registry: ConnectionRegistry
  readonly heartbeat: Heartbeat
  readonly rooms: LocalRooms
  readonly observe: ((event: WsEvent) => void) | undefined
  /** Takes a connection out of everything it was in. */
  readonly gone: (connection: ChannelConnection<U>, info: CloseInfo) => void
  /** Sends away a client that was admitted before the gateway began to close; false where it did not. */
  readonly sendAway: (connection: LiveConnection) => boolean
}
