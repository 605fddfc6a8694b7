// SPDX-License-Identifier: Apache-2.0
import type { CloseInfo } from './close-code.ts'
import type { Connection } from './connection.ts'
import type { Outbox } from './outbox.ts'

/** Why a connection is closed by us. */
export type ClosingCause = 'drain' | 'expired' | 'kicked' | 'slow' | 'reload' | 'other'

/**
 * The owner of a channel's messages. Bytes are valid during the call; order and concurrency are the dispatcher's. A
 * throw is told to `observe` and closes the connection with 1011.
 */
export interface Dispatcher<U = unknown> {
  /** Before the first message. */
  open?(connection: Connection<U>): void
  message(connection: Connection<U>, bytes: Uint8Array, binary: boolean): void
  /** Once above `sendBufferBytes`: may drop queued frames and send merged ones; still above, and the client is closed with 4108. */
  overflow?(connection: Connection<U>, outbox: Outbox): void
  /** The last frames before the close frame may be sent here. */
  closing?(connection: Connection<U>, cause: ClosingCause): void
  /** After `open`, once. */
  close?(connection: Connection<U>, info: CloseInfo): void
}
