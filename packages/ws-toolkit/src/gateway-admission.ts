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
  #isDraining = false
  #taken = 0

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

  /** Places taken, of connections and of those on their way. */
  get taken(): number {
    return this.#taken
  }

  /** Places left; undefined where somebody else counts. */
  get free(): number | undefined {
    return this.#options.admission === undefined ? this.#options.maxConnections - this.#taken : undefined
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
    this.#taken += 1
    return releasedBy(permit, () => {
      this.#taken -= 1
    })
  }
}

/** Counts the connections of one channel on top of those of its gateway. */
export function channelAdmission(below: Admission, maxConnections: number): Admission {
  let taken = 0
  return {
    admit: (who) => {
      if (taken >= maxConnections) return tooMany(1000 + Math.floor(Math.random() * 4000))
      const permit = below.admit(who)
      if (isRefusal(permit)) return permit
      taken += 1
      return releasedBy(permit, () => {
        taken -= 1
      })
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
      return isRefusal(permit) ? permit : principalPermit(permit, perPrincipal, maxConnectionsPerPrincipal)
    },
  }
}

function principalPermit(below: Permit, counts: Map<string, number>, most: number): Permit {
  let counted: string | undefined
  let isReleased = false
  return {
    identify: (id) => {
      if (counted !== undefined || isReleased) return undefined
      const taken = counts.get(id) ?? 0
      if (taken >= most) return { code: 'rate_limited', retryAfterMs: 1000 + Math.floor(Math.random() * 4000) }
      counted = id
      counts.set(id, taken + 1)
      return below.identify(id)
    },
    release: () => {
      if (isReleased) return
      isReleased = true
      if (counted !== undefined) {
        const left = (counts.get(counted) ?? 0) - 1
        if (left > 0) counts.set(counted, left)
        else counts.delete(counted)
      }
      below.release()
    },
  }
}

function releasedBy(permit: Permit, released: () => void): Permit {
  let isHeld = true
  return {
    identify: (id) => permit.identify(id),
    release: () => {
      if (!isHeld) return
      isHeld = false
      permit.release()
      released()
    },
  }
}

function tooMany(retryAfterMs: number): Refusal {
  return { code: 'too_many_connections', retryAfterMs }
}
