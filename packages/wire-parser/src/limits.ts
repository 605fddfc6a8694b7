// SPDX-License-Identifier: Apache-2.0

/** Narrows or widens what the gate accepts as a subject or a pattern. */
export interface SubjectLimits {
  /**
   * Bytes of UTF-8. Default 1024: a subject that does not fit the server's control line closes the connection it is
   * sent on, which all clients share.
   */
  readonly maxBytes?: number
  /** Tokens between dots. Default 32: the server's matching costs grow with them. */
  readonly maxTokens?: number
  /**
   * Whether a first token that begins with `$` or `_` is refused, and with it a pattern that would receive such
   * subjects. Default `allow`: only where outside text becomes a subject `refuse` belongs.
   */
  readonly reserved?: 'refuse' | 'allow'
  /** Whether `*` and `>` may stand inside a longer token, where the server takes them literally. Default false. */
  readonly embeddedWildcards?: boolean
}

/** Why a text is no subject or pattern: malformed, beyond the limits, or in the server's reserved space. */
export type SubjectFault = 'invalid' | 'too_long' | 'reserved'

export const defaultMaxBytes = 1024
export const defaultMaxTokens = 32
