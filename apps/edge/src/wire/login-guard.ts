// SPDX-License-Identifier: Apache-2.0
import { deny } from '@nats-edge/wire-parser/gateway'
import type { WireHooks } from '@nats-edge/wire-parser/gateway'

/** A listener beyond loopback in front of a server that asks nobody to log in; the message says what to do. */
export class UnprotectedListener extends Error {
  override readonly name = 'UnprotectedListener'
  readonly code = 'unprotected_listener'

  constructor(address: string | false | undefined) {
    super(
      `"listen.wire.address" is ${address}, where everybody could use NATS: the server behind it asks nobody to log in. Give it users, use a loopback address, or --insecure if that is meant`,
    )
  }
}

/**
 * A hook that turns everybody away from a listener as long as the server lets them in without a login; `onOpen` is told of
 * the first one.
 */
export function loginGuard(listener: string, onOpen: () => void): NonNullable<WireHooks['onInfo']> {
  return (info, connection) => {
    if (connection.listener !== listener || info.auth_required === true) return undefined
    onOpen()
    return deny('Authorization Violation', { close: true })
  }
}
