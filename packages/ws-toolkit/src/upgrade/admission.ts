// SPDX-License-Identifier: Apache-2.0
import type { Admission, Permit, Refusal } from '@nats-edge/wire-parser'

export interface LimitedAdmissionOptions {
  /** Places altogether. Default 10,000. */
  readonly maxConnections?: number
  /** Places of one address; an address that is not known (a unix socket) has no such limit. Default 100. */
  readonly maxConnectionsPerIp?: number
  /** Places of one principal, by its id. Default no limit of its own. */
  readonly maxConnectionsPerPrincipal?: number
}

const minRetryMs = 1000
const retrySpreadMs = 4000

/** Who lets in as many as there is room for. */
export interface CountingAdmission extends Admission {
  /** Places taken. */
  readonly connections: number
}

/** Counts connections, altogether, per address and per principal, and refuses above the limits; the default admission. */
export function limitedAdmission(options: LimitedAdmissionOptions = {}): CountingAdmission {
  const maxConnections = count('maxConnections', options.maxConnections ?? 10_000)
  const maxConnectionsPerIp = count('maxConnectionsPerIp', options.maxConnectionsPerIp ?? 100)
  const maxPerPrincipal =
    options.maxConnectionsPerPrincipal === undefined
      ? Infinity
      : count('maxConnectionsPerPrincipal', options.maxConnectionsPerPrincipal)
  const places: Places = { taken: 0, perIp: new Map(), perPrincipal: new Map(), maxPerPrincipal }
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
  readonly perPrincipal: Map<string, number>
  readonly maxPerPrincipal: number
}

/** One place. A class: closures for each would be kept as long as it is. */
class Place implements Permit {
  readonly #places: Places
  readonly #ip: string
  #principal: string | undefined
  #isHeld = true

  constructor(places: Places, ip: string) {
    this.#places = places
    this.#ip = ip
    places.taken += 1
    increase(places.perIp, ip)
  }

  identify(id: string): Refusal | undefined {
    const { perPrincipal, maxPerPrincipal } = this.#places
    if (maxPerPrincipal === Infinity || this.#principal !== undefined || !this.#isHeld) return undefined
    if ((perPrincipal.get(id) ?? 0) >= maxPerPrincipal) return { code: 'rate_limited', retryAfterMs: retryMs() }
    this.#principal = id
    increase(perPrincipal, id)
    return undefined
  }

  release(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    const { perIp, perPrincipal } = this.#places
    this.#places.taken -= 1
    decrease(perIp, this.#ip)
    if (this.#principal !== undefined) decrease(perPrincipal, this.#principal)
  }
}

function increase(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

function decrease(counts: Map<string, number>, key: string): void {
  const left = (counts.get(key) ?? 0) - 1
  if (left > 0) counts.set(key, left)
  else counts.delete(key)
}

function tooMany(): Refusal {
  return { code: 'too_many_connections', retryAfterMs: retryMs() }
}

function retryMs(): number {
  return minRetryMs + Math.floor(Math.random() * retrySpreadMs)
}

function count(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new RangeError(`${name}: ${value} is not a positive whole number`)
}
