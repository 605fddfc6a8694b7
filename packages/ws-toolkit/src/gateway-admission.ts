// SPDX-License-Identifier: Apache-2.0
import { isRefusal, TokenBucket, type Admission, type Permit, type Refusal } from '@nats-edge/wire-parser'
import type { ResolvedGatewayOptions } from './options.ts'
import { limitedAdmission } from './upgrade/admission.ts'

type Who = Parameters<Admission['admit']>[0]

/** Counts connections of one gateway, and refuses while it drains, sheds load, or is full. */
export class GatewayAdmission implements Admission {
  readonly #options: ResolvedGatewayOptions
  readonly #below: Admission
  readonly #upgrades: TokenBucket | undefined
  readonly #places: Places = { taken: 0 }
  #isDraining = false

  constructor(options: ResolvedGatewayOptions) {
    this.#options = options
    this.#below = options.admission ?? ownLimits(options)
    const { maxUpgradesPerSecond } = options
    if (options.admission === undefined && maxUpgradesPerSecond < Infinity) {
      this.#upgrades = new TokenBucket({
        ratePerSecond: maxUpgradesPerSecond,
        burst: Math.max(1, maxUpgradesPerSecond),
      })
    }
  }

  /** Places altogether; Infinity where somebody else counts. */
  get most(): number {
    return this.#options.admission === undefined ? this.#options.maxConnections : Infinity
  }

  /** Places taken, of connections and of those on their way. */
  get taken(): number {
    return this.#places.taken
  }

  /** Places left; undefined where somebody else counts. */
  get free(): number | undefined {
    return this.#options.admission === undefined ? this.#options.maxConnections - this.#places.taken : undefined
  }

  drain(): void {
    this.#isDraining = true
  }

  admit(who: Who): Permit | Refusal {
    if (this.#isDraining) return { code: 'draining', retryAfterMs: jitter(this.#options.retryAfterMs) }
    if (this.#options.admit?.() === false) return tooMany(jitter(this.#options.retryAfterMs))
    const waitMs = this.#upgrades?.take(performance.now()) ?? 0
    if (waitMs > 0) return tooMany(waitMs + jitter(this.#options.retryAfterMs))
    const permit = this.#below.admit(who)
    if (isRefusal(permit)) return permit
    return new CountedPermit(permit, this.#places)
  }
}

/** Counts the connections of one channel on top of those of its gateway, unless that never lets in more. */
export function channelAdmission(below: GatewayAdmission, maxConnections: number): Admission {
  if (below.most <= maxConnections) return below
  const places: Places = { taken: 0 }
  return {
    admit: (who) => {
      if (places.taken >= maxConnections) return tooMany(1000 + Math.floor(Math.random() * 4000))
      const permit = below.admit(who)
      return isRefusal(permit) ? permit : new CountedPermit(permit, places)
    },
  }
}

/** A random delay within bounds, so that clients do not come back together. */
export function jitter([least, most]: readonly [number, number]): number {
  return Math.round(least + Math.random() * (most - least))
}

function ownLimits(options: ResolvedGatewayOptions): Admission {
  const { maxConnections, maxConnectionsPerIp, maxConnectionsPerPrincipal } = options
  const below = limitedAdmission({ maxConnections, maxConnectionsPerIp })
  const perPrincipal = new Map<string, number>()
  return {
    admit: (who) => {
      const permit = below.admit(who)
      return isRefusal(permit) ? permit : new PrincipalPermit(permit, perPrincipal, maxConnectionsPerPrincipal)
    },
  }
}

/** Counts a place against its principal. A class, as are the others: closures for each would be kept as long as it is. */
class PrincipalPermit implements Permit {
  readonly #below: Permit
  readonly #counts: Map<string, number>
  readonly #most: number
  #counted: string | undefined
  #isReleased = false

  constructor(below: Permit, counts: Map<string, number>, most: number) {
    this.#below = below
    this.#counts = counts
    this.#most = most
  }

  identify(id: string): Refusal | undefined {
    if (this.#counted !== undefined || this.#isReleased) return undefined
    const taken = this.#counts.get(id) ?? 0
    if (taken >= this.#most) return { code: 'rate_limited', retryAfterMs: 1000 + Math.floor(Math.random() * 4000) }
    this.#counted = id
    this.#counts.set(id, taken + 1)
    return this.#below.identify(id)
  }

  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    if (this.#counted !== undefined) {
      const left = (this.#counts.get(this.#counted) ?? 0) - 1
      if (left > 0) this.#counts.set(this.#counted, left)
      else this.#counts.delete(this.#counted)
    }
    this.#below.release()
  }
}

interface Places {
  taken: number
}

/** Takes a place as long as it is held. */
class CountedPermit implements Permit {
  readonly #below: Permit
  readonly #places: Places
  #isHeld = true

  constructor(below: Permit, places: Places) {
    this.#below = below
    this.#places = places
    places.taken += 1
  }

  identify(id: string): Refusal | undefined {
    return this.#below.identify(id)
  }

  release(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    this.#below.release()
    this.#places.taken -= 1
  }
}

function tooMany(retryAfterMs: number): Refusal {
  return { code: 'too_many_connections', retryAfterMs }
}
