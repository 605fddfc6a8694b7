// SPDX-License-Identifier: Apache-2.0
import type { CloseHint, CloseInfo } from './close-code.ts'
import type { CloseOptions, Connection } from './connection.ts'
import type { ClosingCause } from './dispatcher.ts'
import type { Visited } from './heartbeat.ts'

/** Why and how a connection is closed. */
export interface Goodbye {
  readonly code: number
  readonly reason: string | CloseHint
  readonly cause: ClosingCause
}

/** A connection as its gateway sees it, whatever it carries. */
export interface LiveConnection extends Connection, Visited {
  readonly messagesIn: number
  readonly messagesOut: number
  readonly subscriptions: number
  /** Messages read that no handler has begun. */
  readonly waiting: number
  /** Whether its codec has words for events. */
  readonly canNotify: boolean
  /** Closes and says why to the dispatcher. */
  shut(goodbye: Goodbye, options?: CloseOptions): Promise<CloseInfo>
}
