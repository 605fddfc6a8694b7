// SPDX-License-Identifier: Apache-2.0
import { TokenBucketTable } from '../token-bucket.ts'
import type { ResolvedLimits } from './gateway-limits.ts'
import type { RefusalReason } from './gateway-event.ts'

/** Counts the connections whose first operation has not passed, and how often an address connects. */
export class WaitingRoom {
  readonly #perIp = new Map<string, number>()
  #waiting = 0
  #rate: TokenBucketTable
  #limits: ResolvedLimits

  constructor(limits: ResolvedLimits) {
    this.#limits = limits
    this.#rate = rateOf(limits)
  }

  get size(): number {
    return this.#waiting
  }

  /** Takes over other limits; who waits stays. */
  update(limits: ResolvedLimits): void {
    const { connectsPerSecond, connectBurst } = this.#limits
    if (limits.connectsPerSecond !== connectsPerSecond || limits.connectBurst !== connectBurst) {
      this.#rate = rateOf(limits)
    }
    this.#limits = limits
  }

  /** Lets one more wait, or says why not. The function it gives ends the wait, however often it is called. */
  enter(ip: string): (() => void) | RefusalReason {
    const { maxPendingAuth, maxConnectionsPerIp } = this.#limits
    const ofIp = this.#perIp.get(ip) ?? 0
    if (this.#waiting >= maxPendingAuth || (ip !== '' && ofIp >= maxConnectionsPerIp)) return 'pending'
    if (ip !== '' && this.#rate.take(ip, performance.now()).waitMs > 0) return 'rate'
    this.#waiting++
    this.#perIp.set(ip, ofIp + 1)
    let isWaiting = true
    return () => {
      if (isWaiting) this.#leave(ip)
      isWaiting = false
    }
  }

  #leave(ip: string): void {
    this.#waiting--
    const left = (this.#perIp.get(ip) ?? 0) - 1
    if (left > 0) this.#perIp.set(ip, left)
    else this.#perIp.delete(ip)
  }
}

function rateOf({ connectsPerSecond, connectBurst }: ResolvedLimits): TokenBucketTable {
  return new TokenBucketTable({ ratePerSecond: connectsPerSecond, burst: connectBurst })
}
