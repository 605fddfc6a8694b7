// SPDX-License-Identifier: Apache-2.0
import type { Admission, Permit, Refusal } from '@nats-edge/wire-parser'

export interface LimitedAdmissionOptions {
  /** Places altogether. Default 10,000. */
  readonly maxConnections?: number
  /** Places of one address; an address that is not known (a unix socket) has no such limit. Default 100. */
  readonly maxConnectionsPerIp?: number
}

const minRetryMs = 1000
const retrySpreadMs = 4000

/** Counts connections, altogether and per address, and refuses above the limits; this is the default admission. */
export function limitedAdmission(options: LimitedAdmissionOptions = {}): Admission & { readonly connections: number } {
  const maxConnections = count('maxConnections', options.maxConnections ?? 10_000)
  const maxConnectionsPerIp = count('maxConnectionsPerIp', options.maxConnectionsPerIp ?? 100)
  const perIp = new Map<string, number>()
  let connections = 0

  function permit(ip: string): Permit {
    let held = true
    return {
      // No limit per principal here: that belongs to whoever knows the principals.
      identify: () => undefined,
      release: () => {
        if (!held) return
        held = false
        connections -= 1
        const left = (perIp.get(ip) ?? 0) - 1
        if (left > 0) perIp.set(ip, left)
        else perIp.delete(ip)
      },
    }
  }

  return {
    get connections(): number {
      return connections
    },
    admit: ({ ip }) => {
      const ofIp = perIp.get(ip) ?? 0
      if (connections >= maxConnections || (ip !== '' && ofIp >= maxConnectionsPerIp)) return tooMany()
      connections += 1
      perIp.set(ip, ofIp + 1)
      return permit(ip)
    },
  }
}

// Spread, so that refused clients do not come back together.
function tooMany(): Refusal {
  return { code: 'too_many_connections', retryAfterMs: minRetryMs + Math.floor(Math.random() * retrySpreadMs) }
}

function count(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new RangeError(`${name}: ${value} is not a positive whole number`)
}
