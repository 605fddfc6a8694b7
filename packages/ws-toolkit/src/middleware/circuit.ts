// SPDX-License-Identifier: Apache-2.0

export type CircuitState = 'closed' | 'open' | 'half-open'

/** A circuit and where its calls come from: the path of a channel and the pattern of a route. */
export interface PlacedCircuit {
  readonly channel: string
  readonly route: string
  readonly state: CircuitState
}

export interface CircuitRules {
  /** Share of failures within the window that opens it. */
  readonly threshold: number
  readonly windowMs: number
  /** Calls within the window before the share counts. */
  readonly minCalls: number
  /** How long it stays open. */
  readonly resetMs: number
  /** Calls that try the service before it closes again. */
  readonly halfOpen: number
}

/** A call that was let through; only its circuit reads it. */
export type Ticket = number & { readonly ticket?: never }

const buckets = 10

/** Decides whether a service is asked, by how its last calls ended. Times are of a monotonic clock. */
export class Circuit {
  readonly #rules: CircuitRules
  readonly #onChange: (state: CircuitState) => void
  readonly #calls = new Int32Array(buckets)
  readonly #failures = new Int32Array(buckets)
  #state: CircuitState = 'closed'
  // Calls of an earlier state say nothing about this one.
  #period = 0
  #newest = 0
  #openedAt = 0
  #probes = 0
  #lastProbeAt = 0
  #successes = 0

  constructor(rules: CircuitRules, onChange: (state: CircuitState) => void) {
    this.#rules = rules
    this.#onChange = onChange
  }

  get state(): CircuitState {
    return this.#state
  }

  get ticket(): Ticket {
    return this.#period
  }

  /** Lets a call through and gives 0, or gives the milliseconds until one may be. */
  admit(now: number): number {
    if (this.#state === 'closed') return 0
    if (this.#state === 'open') {
      const waitMs = this.#openedAt + this.#rules.resetMs - now
      if (waitMs > 0) return Math.ceil(waitMs)
      this.#change('half-open')
    }
    return this.#probe(now)
  }

  succeeded(ticket: Ticket, now: number): void {
    if (ticket !== this.#period) return
    if (this.#state === 'closed') {
      this.#count(now, 0)
      return
    }
    this.#successes += 1
    this.#probes -= 1
    if (this.#successes >= this.#rules.halfOpen) this.#change('closed')
  }

  failed(ticket: Ticket, now: number): void {
    if (ticket !== this.#period) return
    if (this.#state === 'half-open') {
      this.#open(now)
      return
    }
    this.#count(now, 1)
    const calls = sum(this.#calls)
    if (calls >= this.#rules.minCalls && sum(this.#failures) >= calls * this.#rules.threshold) this.#open(now)
  }

  /** The call ended without saying anything about the service. */
  abandoned(ticket: Ticket): void {
    if (ticket === this.#period && this.#state === 'half-open') this.#probes -= 1
  }

  #probe(now: number): number {
    const { halfOpen, resetMs } = this.#rules
    const isBusy = this.#probes + this.#successes >= halfOpen
    const lostMs = this.#lastProbeAt + resetMs - now
    // A call that never ends must not keep the circuit half open for ever.
    if (isBusy && lostMs > 0) return Math.ceil(lostMs)
    if (!isBusy) this.#probes += 1
    this.#lastProbeAt = now
    return 0
  }

  #open(now: number): void {
    this.#openedAt = now
    this.#change('open')
  }

  #change(state: CircuitState): void {
    this.#state = state
    this.#period += 1
    this.#probes = 0
    this.#successes = 0
    this.#calls.fill(0)
    this.#failures.fill(0)
    this.#onChange(state)
  }

  #count(now: number, failures: number): void {
    const bucket = Math.floor((now * buckets) / this.#rules.windowMs)
    const passed = Math.min(buckets, bucket - this.#newest)
    for (let at = 0; at < passed; at++) {
      this.#calls[(bucket - at) % buckets] = 0
      this.#failures[(bucket - at) % buckets] = 0
    }
    this.#newest = bucket
    const slot = bucket % buckets
    this.#calls[slot] = (this.#calls[slot] ?? 0) + 1
    this.#failures[slot] = (this.#failures[slot] ?? 0) + failures
  }
}

function sum(counts: Int32Array): number {
  let total = 0
  for (const count of counts) total += count
  return total
}
