// SPDX-License-Identifier: Apache-2.0
import type { ServiceErrorCode } from './service-error.ts'

/** What a service reports. Routes are patterns as registered, never paths or subjects. */
export type ServiceEvent =
  | {
      readonly type: 'request.finished'
      readonly route: string
      readonly method: string
      readonly status: number
      readonly ms: number
    }
  /** A handler, middleware or `onError` threw, or the envelope could not be read. */
  | { readonly type: 'request.failed'; readonly route: string; readonly error: unknown }
  /** The answer could not be sent: too large, or the connection is gone. */
  | { readonly type: 'reply.failed'; readonly route: string; readonly error: unknown }
  /** Answered without a handler. */
  | {
      readonly type: 'request.refused'
      readonly route: string
      readonly code: ServiceErrorCode
      readonly status: number
    }
  /** The server refused the subscription or the connection was closed. */
  | { readonly type: 'subscription.ended'; readonly route: string; readonly error: unknown }
