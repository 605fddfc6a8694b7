// SPDX-License-Identifier: Apache-2.0
import type { Permit } from '../admission.ts'
import type { Principal } from '../principal.ts'

/** Where a connection comes from and what it holds, known before anything is dialled. */
export interface ConnectionOrigin {
  readonly transport: 'tcp' | 'ws'
  readonly listener: string
  readonly ip: string
  /** The gateway's own address, as the client reached it. */
  readonly host: string
  readonly port: number
  /** What the listener does in TLS, as INFO says it. */
  readonly tls: 'none' | 'required' | 'verify'
  readonly request: Request | undefined
  /** Who the client is before it said so itself. */
  readonly principal: Principal | undefined
  readonly permit: Permit
  /** Gives up the place of those whose first operation has not passed. */
  readonly leaveWaiting: () => void
}
