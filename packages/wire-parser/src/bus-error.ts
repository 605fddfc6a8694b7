// SPDX-License-Identifier: Apache-2.0

export type BusErrorCode =
  | 'timeout'
  | 'no_responders'
  | 'disconnected'
  | 'closed'
  | 'overloaded'
  | 'body_too_large'
  | 'forbidden'
  | 'unsupported'

/** Why a Bus could not do what was asked. Told apart by `code`, never by `instanceof`: two copies may be installed. */
export class BusError extends Error {
  override readonly name = 'BusError'
  readonly kind = 'error'
  readonly code: BusErrorCode

  constructor(code: BusErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}
