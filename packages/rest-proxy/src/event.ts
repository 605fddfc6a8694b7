// SPDX-License-Identifier: Apache-2.0
import type { ProxyErrorCode } from './proxy-error.ts'
import type { TraceContext } from './trace-context.ts'

interface RequestEvent {
  readonly requestId: string
  readonly method: string
  /** The template of the route, never the path. */
  readonly route: string
  /** The template of the subject, never the subject. */
  readonly subject: string
}

/** What happens to requests: for logs and traces. No payload, path, token or credential is ever in it. */
export type RestProxyEvent =
  | (RequestEvent & { readonly type: 'request.started' })
  | (RequestEvent & {
      readonly type: 'request.finished'
      readonly status: number
      readonly ms: number
      readonly requestBytes: number
      readonly responseBytes: number
      /** The span of this hop, where the caller sent a trace context. */
      readonly trace: TraceContext | undefined
    })
  | (RequestEvent & {
      readonly type: 'request.failed'
      readonly status: number
      readonly code: ProxyErrorCode
      readonly ms: number
      /** What lies behind the code; never shown to the client. */
      readonly cause: unknown
    })
  | (RequestEvent & { readonly type: 'request.cancelled'; readonly ms: number })
  | (RequestEvent & { readonly type: 'request.retried'; readonly code: ProxyErrorCode; readonly attempt: number })

export type Observe = (event: RestProxyEvent) => void
