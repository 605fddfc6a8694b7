// SPDX-License-Identifier: Apache-2.0
import type { Admission, Permit, Refusal } from '@nats-edge/wire-parser'
import type { WireGatewayLimits } from '@nats-edge/wire-parser/gateway'
import type { ConnectionCount } from '../listener/connection-table.ts'
import { jitteredRetrySeconds } from '../problem.ts'

const defaultConnections = 10_000

/**
 * Places for NATS clients: TCP connections count with those of all listeners, sockets of WebSockets have been counted when
 * they were accepted; both hold to the gateway's own bound.
 */
export function wireAdmission(
  { maxConnections = defaultConnections }: Pick<WireGatewayLimits, 'maxConnections'>,
  all: { readonly count: ConnectionCount; readonly connections: number },
): Admission {
  let open = 0
  return {
    admit: ({ transport }) => {
      const isCounted = transport === 'tcp'
      if (open >= maxConnections) return tooMany()
      if (isCounted && all.count.open >= all.connections) return tooMany()
      open++
      if (isCounted) all.count.open++
      return permit(() => {
        open--
        if (isCounted) all.count.open--
      })
    },
  }
}

function permit(leave: () => void): Permit {
  let isHeld = true
  return {
    // Nobody logs in at the edge, so there is no principal to count by.
    identify: () => undefined,
    release: () => {
      if (isHeld) leave()
      isHeld = false
    },
  }
}

function tooMany(): Refusal {
  return { code: 'too_many_connections', retryAfterMs: jitteredRetrySeconds() * 1000 }
}
