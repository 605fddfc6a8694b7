// SPDX-License-Identifier: Apache-2.0
import type { Admission, Permit, Refusal } from '@nats-edge/wire-parser'
import type { WireGatewayLimits } from '@nats-edge/wire-parser/gateway'
import type { ConnectionCount } from '../listener/connection-table.ts'
import { jitteredRetrySeconds } from '../problem.ts'

type OwnLimits = Pick<WireGatewayLimits, 'maxConnections' | 'maxConnectionsPerUser'>

/** Places that all listeners of the edge share. */
interface SharedPlaces {
  readonly count: ConnectionCount
  readonly connections: number
}

const defaultConnections = 10_000
const defaultConnectionsPerUser = 1000

/**
 * Places for NATS clients: TCP connections count with those of all listeners, sockets of WebSockets have been counted when
 * they were accepted; both hold to the gateway's own bounds.
 */
export class WireAdmission implements Admission {
  readonly #connections: number
  readonly #perUser: number
  readonly #shared: SharedPlaces
  readonly #users = new Map<string, number>()
  #open = 0

  constructor({ maxConnections, maxConnectionsPerUser }: OwnLimits, shared: SharedPlaces) {
    this.#connections = maxConnections ?? defaultConnections
    this.#perUser = maxConnectionsPerUser ?? defaultConnectionsPerUser
    this.#shared = shared
  }

  admit({ transport }: { readonly transport: string }): Permit | Refusal {
    const { count, connections } = this.#shared
    const isCounted = transport === 'tcp'
    if (this.#open >= this.#connections || (isCounted && count.open >= connections)) {
      return refusal('too_many_connections')
    }
    this.#move(1, isCounted)
    let user: string | undefined
    let isHeld = true
    return {
      identify: (id) => {
        if (!isHeld || id === user) return undefined
        if ((this.#users.get(id) ?? 0) >= this.#perUser) return refusal('rate_limited')
        this.#count(user, -1)
        this.#count(id, 1)
        user = id
        return undefined
      },
      release: () => {
        if (!isHeld) return
        isHeld = false
        this.#move(-1, isCounted)
        this.#count(user, -1)
      },
    }
  }

  #move(step: 1 | -1, isCounted: boolean): void {
    this.#open += step
    if (isCounted) this.#shared.count.open += step
  }

  #count(user: string | undefined, step: 1 | -1): void {
    if (user === undefined) return
    const held = (this.#users.get(user) ?? 0) + step
    if (held > 0) this.#users.set(user, held)
    else this.#users.delete(user)
  }
}

// Spread, so that refused clients do not come back together.
function refusal(code: string): Refusal {
  return { code, retryAfterMs: jitteredRetrySeconds() * 1000 }
}
