// SPDX-License-Identifier: Apache-2.0
import type { Admission, Permit, Refusal } from '../admission.ts'

const minRetryMs = 1000
const retrySpreadMs = 4000

/** The admission of a gateway that shares none with others: a bound for all, and one for each principal. */
export class OwnAdmission implements Admission {
  readonly #limits: () => { readonly maxConnections: number; readonly maxConnectionsPerUser: number }
  readonly #perUser = new Map<string, number>()
  #connections = 0

  constructor(limits: () => { readonly maxConnections: number; readonly maxConnectionsPerUser: number }) {
    this.#limits = limits
  }

  get connections(): number {
    return this.#connections
  }

  admit(): Permit | Refusal {
    if (this.#connections >= this.#limits().maxConnections) return refusal('too_many_connections')
    this.#connections++
    return this.#permit()
  }

  #permit(): Permit {
    let user: string | undefined
    let isHeld = true
    const leave = (): void => {
      const left = (this.#perUser.get(user ?? '') ?? 0) - 1
      if (user !== undefined && left > 0) this.#perUser.set(user, left)
      else if (user !== undefined) this.#perUser.delete(user)
      user = undefined
    }
    return {
      identify: (principalId) => {
        if (!isHeld || principalId === user) return undefined
        const held = this.#perUser.get(principalId) ?? 0
        if (held >= this.#limits().maxConnectionsPerUser) return refusal('rate_limited')
        leave()
        user = principalId
        this.#perUser.set(principalId, held + 1)
        return undefined
      },
      release: () => {
        if (!isHeld) return
        isHeld = false
        this.#connections--
        leave()
      },
    }
  }
}

// Spread, so that refused clients do not come back together.
function refusal(code: string): Refusal {
  return { code, retryAfterMs: minRetryMs + Math.floor(Math.random() * retrySpreadMs) }
}
