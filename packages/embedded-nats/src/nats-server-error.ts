// SPDX-License-Identifier: Apache-2.0

/** Why a broker could not be found, installed or started. */
export type NatsServerErrorCode =
  | 'not_found'
  | 'bad_binary'
  | 'start_failed'
  | 'start_timeout'
  | 'data_dir_in_use'
  | 'unsupported_platform'

/** The only error this package throws for what goes wrong outside the program; `code` says what, the message what to do. */
export class NatsServerError extends Error {
  override readonly name: string = 'NatsServerError'
  readonly code: NatsServerErrorCode
  /** The last lines the broker logged, oldest first; empty when it never ran. */
  readonly log: readonly string[]

  constructor(code: NatsServerErrorCode, message: string, options: { cause?: unknown; log?: readonly string[] } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.log = options.log ?? []
  }
}
