// SPDX-License-Identifier: Apache-2.0

/** Decides whether one more connection or stream may begin, before anything is spent on it. */
export interface Admission {
  admit(who: { readonly surface: string; readonly transport: string; readonly ip: string }): Permit | Refusal
}

/** A place taken; given back exactly once, however often `release()` is called. */
export interface Permit {
  readonly release: () => void
  /** Counts the place against its principal too, once that is known. */
  identify(principalId: string): Refusal | undefined
}

export interface Refusal {
  /** `too_many_connections` (global or per address: 503) or `rate_limited` (per principal: 429). */
  readonly code: string
  readonly retryAfterMs: number
}

export function isRefusal(decision: Permit | Refusal): decision is Refusal {
  return 'code' in decision
}
