// SPDX-License-Identifier: Apache-2.0
import type { Bus } from '@nats-edge/wire-parser'
import type { ClientAddress } from '../client-address.ts'
import type { EdgeConfig } from '../config.ts'
import type { ConnectionCount } from '../listener/connection-table.ts'
import type { Logger } from '../log.ts'
import type { ServerAddress } from '../nats/server-address.ts'

/** What a surface is given by the edge. */
export interface SurfaceContext {
  readonly config: EdgeConfig
  readonly bus: Bus
  readonly log: Logger
  readonly clientAddress: ClientAddress
  /** Where the broker is, for a surface with connections of its own. */
  readonly server: ServerAddress
  /** Places for connections, shared by all listeners. */
  readonly connectionCount: ConnectionCount
  /** Addresses beyond loopback are allowed although nobody has to log in. */
  readonly insecure: boolean
  /** Ends the edge for a reason that only shows while it runs. */
  readonly fail: (error: Error) => void
}
