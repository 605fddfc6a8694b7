// SPDX-License-Identifier: Apache-2.0
import type { ServiceHeaders } from './service-headers.ts'

/** One request as the proxy passed it on. */
export interface ServiceRequest {
  /** The request target as it was sent: percent-encoded, with its query; empty if the sender gave none. */
  readonly url: string
  readonly method: string
  /** `ip:port` of the HTTP client. */
  readonly remoteAddr: string
  readonly body: Uint8Array
  readonly headers: ServiceHeaders
  /** Empty unless the request is a WebSocket handshake. */
  readonly webSocketId: string
}

/** What the context needs beyond what handlers see. */
export interface IncomingRequest extends ServiceRequest {
  /** Name, value, name, value of a form that the sender has already parsed. */
  readonly form: readonly string[]
  /** A path parameter that the proxy has already cut out. */
  parameter(name: string): string | undefined
  readonly requestId: string | undefined
}
