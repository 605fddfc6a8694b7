// SPDX-License-Identifier: Apache-2.0

/** One thing readiness depends on. */
export interface HealthCheck {
  readonly name: string
  /** `ok`, or what is wrong. */
  status(): string
}

export interface HealthReport {
  readonly status: 'ok' | 'unavailable'
  readonly checks: Readonly<Record<string, string>>
}

/** Knows whether the edge is alive, ready, and whether it ever was. */
export class Health {
  readonly #checks: readonly HealthCheck[]
  #started = false

  constructor(checks: readonly HealthCheck[]) {
    this.#checks = checks
  }

  /** The event loop turns, or this would not be asked; a broker outage must not restart the process. */
  live(): HealthReport {
    return { status: 'ok', checks: {} }
  }

  ready(): HealthReport {
    const checks = Object.fromEntries(this.#checks.map((check) => [check.name, check.status()]))
    const ok = Object.values(checks).every((status) => status === 'ok')
    if (ok) this.#started = true
    return { status: ok ? 'ok' : 'unavailable', checks }
  }

  /** Whether the edge has been ready once. */
  started(): HealthReport {
    if (!this.#started) this.ready()
    return { status: this.#started ? 'ok' : 'unavailable', checks: { started: this.#started ? 'ok' : 'starting' } }
  }
}
