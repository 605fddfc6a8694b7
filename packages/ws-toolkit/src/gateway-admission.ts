// SPDX-License-Identifier: Apache-2.0
import { isRefusal, TokenBucket, type Admission, type Permit, type Refusal } from '@nats-edge/wire-parser'
import type { ResolvedGatewayOptions } from './options.ts'
import { type CountingAdmission, limitedAdmission } from './upgrade/admission.ts'

type Who = Parameters<Admission['admit']>[0]

/** Counts connections of one gateway, and refuses while it drains, sheds load, or is full. */
export class GatewayAdmission implements Admission {
  readonly #options: ResolvedGatewayOptions
  readonly #upgrades: TokenBucket | undefined
  readonly #below: Admission
  /** The same, unless it is somebody else's. */
  readonly #limits: CountingAdmission | undefined
  /** Places given where somebody else counts. */
  readonly #places: Places = { taken: 0 }
  #isDraining = false

  constructor(options: ResolvedGatewayOptions) {
    this.#options = options
    if (options.admission !== undefined) {
      this.#below = options.admission
      return
    }
    this.#limits = limitedAdmission(options)
    this.#below = this.#limits
    const { maxUpgradesPerSecond } = options
    if (maxUpgradesPerSecond === Infinity) return
    this.#upgrades = new TokenBucket({ ratePerSecond: maxUpgradesPerSecond, burst: Math.max(1, maxUpgradesPerSecond) })
  }

  /** Places altogether; Infinity where somebody else counts. */
  get most(): number {
    return this.#limits === undefined ? Infinity : this.#options.maxConnections
  }

  /** Places taken, of connections and of those on their way. */
  get taken(): number {
    return this.#limits?.connections ?? this.#places.taken
  }

  /** Places left; undefined where somebody else counts. */
  get free(): number | undefined {
    return this.#limits === undefined ? undefined : this.#options.maxConnections - this.taken
  }

  drain(): void {
    this.#isDraining = true
  }

  admit(who: Who): Permit | Refusal {
    const { admit, retryAfterMs } = this.#options
    if (this.#isDraining) return { code: 'draining', retryAfterMs: jitter(retryAfterMs) }
    if (admit?.() === false) return tooMany(jitter(retryAfterMs))
    const waitMs = this.#upgrades?.take(performance.now()) ?? 0
    if (waitMs > 0) return tooMany(waitMs + jitter(retryAfterMs))
    const decision = this.#below.admit(who)
    return this.#limits === undefined ? counted(decision, this.#places) : decision
  }
}

/** Counts the connections of one channel on top of those of its gateway, unless that never lets in more. */
export function channelAdmission(below: GatewayAdmission, maxConnections: number): Admission {
  if (below.most <= maxConnections) return below
  const places: Places = { taken: 0 }
  return {
    admit: (who) => {
      if (places.taken >= maxConnections) return tooMany(1000 + Math.floor(Math.random() * 4000))
      return counted(below.admit(who), places)
    },
  }
}

/** A random delay within bounds, so that clients do not come back together. */
export function jitter([least, most]: readonly [number, number]): number {
  return Math.round(least + Math.random() * (most - least))
}

function counted(decision: Permit | Refusal, places: Places): Permit | Refusal {
  return isRefusal(decision) ? decision : new CountedPermit(decision, places)
}

interface Places {
  taken: number
}

/** Takes a place as long as it is held. A class: closures for each would be kept as long as it is. */
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
