// SPDX-License-Identifier: Apache-2.0

/** What a service says about a request it did not answer itself, and the status each is answered with. */
const statusOf = {
  bad_envelope: 400,
  bad_request: 400,
  not_found: 404,
  method_not_allowed: 405,
  body_too_large: 413,
  internal: 500,
  reply_too_large: 500,
  overloaded: 503,
} as const

export type ServiceErrorCode = keyof typeof statusOf

/** An error with an answer of its own: thrown by a handler it becomes that status, any other error becomes 500. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError'
  readonly code: ServiceErrorCode
  readonly status: number

  /** The message reaches the client; the cause never does. */
  constructor(code: ServiceErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.code = code
    this.status = statusOf[code]
  }

  static from(error: unknown): ServiceError {
    if (error instanceof ServiceError) return error
    return new ServiceError('internal', 'the service failed', { cause: error })
  }
}
