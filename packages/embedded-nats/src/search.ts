// SPDX-License-Identifier: Apache-2.0
import type { Machine } from './machine.ts'
import { parseVersionRange } from './version-range.ts'
import type { VersionRange } from './version-range.ts'

/** Where a search looks, in this order. */
export type FindStepName = 'env' | 'path' | 'cache' | 'release' | 'go' | 'system'

/** `passed`: there was nothing to take here; `failed`: it should have worked and did not. */
export type FindOutcome = 'started' | 'progress' | 'found' | 'passed' | 'failed'

/** One thing a search did, in one line for a person. */
export interface FindStep {
  readonly step: FindStepName
  readonly outcome: FindOutcome
  readonly text: string
}

/** A nats-server that answered when it was asked for its version. */
export interface NatsServerBinary {
  readonly path: string
  readonly version: string
  readonly source: FindStepName
}

/** What is looked for; nothing is required. */
export interface FindOptions {
  /** Versions that can be used at all. Default `>=2.9.10`: the oldest one this is tested with. */
  readonly version?: string
  /** Versions worth an install although another usable one is there. Default: the same as `version`. */
  readonly preferred?: string
  /** Whether a missing nats-server is installed. Default `auto`. */
  readonly install?: 'auto' | 'never'
  /** The folder installs are kept in. Default `NATS_EDGE_CACHE_DIR`, else `nats-edge` in the user's cache folder. */
  readonly cacheDir?: string
  /** Gets every step of the search as it happens. */
  readonly onProgress?: (step: FindStep) => void
  /** Ends the search, installs included. */
  readonly signal?: AbortSignal
  /** The environment searched and given to the commands run. Default `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

/** One search: what is wanted, where, and what has been reported so far. */
export class Search {
  readonly machine: Machine
  readonly cacheDir: string
  readonly signal: AbortSignal
  /** The ranges as they were written. */
  readonly version: string
  readonly preferred: string
  readonly isUsable: VersionRange
  readonly isPreferred: VersionRange
  readonly #onProgress: ((step: FindStep) => void) | undefined
  readonly #results: FindStep[] = []

  constructor(options: FindOptions, machine: Machine, defaults: { version: string; cacheDir: string }) {
    this.machine = machine
    this.cacheDir = options.cacheDir ?? defaults.cacheDir
    this.signal = options.signal ?? new AbortController().signal
    this.version = options.version ?? defaults.version
    this.preferred = options.preferred ?? this.version
    this.isUsable = parseVersionRange(this.version)
    const inPreferred = parseVersionRange(this.preferred)
    this.isPreferred = (version) => this.isUsable(version) && inPreferred(version)
    this.#onProgress = options.onProgress
  }

  /** What the steps ended with, for the one error that lists them all. */
  get results(): readonly FindStep[] {
    return [...this.#results]
  }

  report(step: FindStepName, outcome: FindOutcome, text: string): void {
    // Answers of other programs may hold anything: one step is one line without control characters.
    const line = text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim()
    const report: FindStep = { step, outcome, text: line }
    if (outcome !== 'started' && outcome !== 'progress') this.#results.push(report)
    this.#onProgress?.(report)
  }

  /** Runs something long and reports how it goes every 2 seconds. */
  async reporting<Result>(
    step: FindStepName,
    text: (seconds: number) => string,
    run: () => Promise<Result>,
  ): Promise<Result> {
    const startedAt = performance.now()
    const report = (): void => this.report(step, 'progress', text(Math.round((performance.now() - startedAt) / 1000)))
    const timer = setInterval(report, this.machine.limits.progressMs)
    try {
      return await run()
    } finally {
      clearInterval(timer)
    }
  }
}
