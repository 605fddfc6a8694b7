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
  const places: Places = { taken: 0, perIp: new Map() }
  return {
    get connections(): number {
      return places.taken
    },
    admit: ({ ip }) => {
      const ofIp = places.perIp.get(ip) ?? 0
      if (places.taken >= maxConnections || (ip !== '' && ofIp >= maxConnectionsPerIp)) return tooMany()
      return new Place(places, ip)
    },
  }
}

interface Places {
  taken: number
  readonly perIp: Map<string, number>
}

/** One place. A class: closures for each would be kept as long as it is. */
class Place implements Permit {
  readonly #places: Places
  readonly #ip: string
  #isHeld = true

  constructor(places: Places, ip: string) {
    this.#places = places
    this.#ip = ip
    places.taken += 1
    places.perIp.set(ip, (places.perIp.get(ip) ?? 0) + 1)
  }

  // No limit per principal here: that belongs to whoever knows the principals.
  identify(): undefined {
    return undefined
  }

  release(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    const { perIp } = this.#places
    this.#places.taken -= 1
    const left = (perIp.get(this.#ip) ?? 0) - 1
    if (left > 0) perIp.set(this.#ip, left)
    else perIp.delete(this.#ip)
  }
}

function tooMany(): Refusal {
  return { code: 'too_many_connections', retryAfterMs: minRetryMs + Math.floor(Math.random() * retrySpreadMs) }
}

function count(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new RangeError(`${name}: ${value} is not a positive whole number`)
}
