// SPDX-License-Identifier: Apache-2.0

/** Why a connection ended. */
export type CloseCause =
  | 'client_closed'
  | 'backend_closed'
  | 'backend_error'
  | 'protocol_error'
  | 'denied'
  | 'auth_timeout'
  | 'credential_expired'
  | 'credential_revoked'
  | 'slow_client'
  | 'kicked'
  | 'shutdown'
  | 'connection_error'
  | 'internal_error'

/** What a connection was, once both sides are gone. */
export interface CloseReport {
  readonly cause: CloseCause
  /** What the client was told last, if anything. */
  readonly text: string | undefined
  readonly durationMs: number
  /** From the client, and to it. */
  readonly messagesIn: number
  readonly messagesOut: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly denied: number
}
