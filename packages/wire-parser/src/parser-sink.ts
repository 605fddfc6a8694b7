// SPDX-License-Identifier: Apache-2.0
import type { OperationView } from './operation.ts'
import type { Side } from './verb-table.ts'
import type { WireError } from './wire-error.ts'
import type { WireLimits } from './wire-limits.ts'

/** How a parser reads; only `side` is required. */
export interface ParserOptions {
  /** Who is speaking. */
  readonly side: Side
  readonly limits?: Partial<WireLimits>
  /** Whether HPUB is accepted. Default true; a server accepts it once CONNECT has said `headers: true`. */
  readonly headers?: boolean
  /** Whether the first byte must be that of CONNECT, as where authentication is required. Default false. */
  readonly connectRequired?: boolean
}

/** What a parser tells. Nothing here may call `push`; a throw leaves `push` and ends the parser. */
export interface ParserSink {
  /**
   * An operation is complete. If it lies in the pushed chunk, `start` and `end` are its offsets there; if it began in an
   * earlier chunk, `start` is -1, `view.bytes` is the parser's own buffer and `end` is where it ends in this chunk.
   */
  operation(view: OperationView, start: number, end: number): void
  /**
   * The control line of an operation longer than `holdBytes` is known and its payload has begun: hold it until it is
   * whole, or stream it through `bytes`? Default 'hold'.
   */
  head?(view: OperationView): 'hold' | 'stream'
  /** A stretch of a streamed operation, its control line in the first one; `operation` follows the last. */
  bytes?(bytes: Uint8Array, start: number, end: number): void
  /** The input is wrong, said once; `end` is the offset in the chunk up to which operations were whole or streamed. */
  error(error: WireError, end: number): void
}
