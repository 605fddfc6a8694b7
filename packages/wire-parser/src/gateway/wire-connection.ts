// SPDX-License-Identifier: Apache-2.0
import type { PeerCertificate } from 'node:tls'
import type { Connect, ServerInfo } from '../connect-json.ts'
import type { Principal } from '../principal.ts'

/** A client's connection as hooks see it. */
export interface WireConnection {
  readonly id: string
  readonly transport: 'tcp' | 'ws'
  /** The client's address, that of a trusted proxy resolved; '' on a unix socket. */
  readonly ip: string
  /** The listener's name; `ws` for the WebSocket route. */
  readonly listener: string
  /** Milliseconds since the epoch. */
  readonly openedAt: number
  /** The HTTP request of a WebSocket. */
  readonly request: Request | undefined
  /** The client's certificate, once TLS is up and it was verified. */
  readonly certificate: PeerCertificate | undefined
  /** The host name the client asked for in TLS. */
  readonly servername: string | undefined
  /** Who the client is; each CONNECT may change it. */
  readonly principal: Principal | undefined
  /** What all CONNECTs so far have said together. */
  readonly connect: Connect
  /** What the server said last, before it was rewritten; undefined until it is dialled. */
  readonly info: ServerInfo | undefined
  /** Room for the operator's own things. */
  readonly data: Map<string, unknown>
  /** Stops reading operations: from the next one on bytes are copied, and no policy, hook or limit applies any more. */
  passThrough(): void
  /** Ends the connection after `-ERR 'text'`. */
  close(text?: string): void
}
