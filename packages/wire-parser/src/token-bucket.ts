// SPDX-License-Identifier: Apache-2.0
import { LruMap } from './lru-map.ts'

export interface TokenBucketOptions {
  /** Tokens that come back per second. */
  readonly ratePerSecond: number
  /** Tokens a bucket holds at most, and at first. */
  readonly burst: number
}

export interface TokenBucketTableOptions extends TokenBucketOptions {
  /** Default 10000: the least recently used key leaves, and finds its bucket full when it comes back. */
  readonly maxKeys?: number
}

/** What one taking from a table found; `remaining` and `resetMs` are what `RateLimit-*` headers say. */
export interface TakenToken {
  /** 0 where a token was taken, else milliseconds until one will be there. */
  readonly waitMs: number
  /** Whole tokens left. */
  readonly remaining: number
  /** Milliseconds until the bucket is full again. */
  readonly resetMs: number
}

// A bucket is one number, the moment at which it is full again: taking a token moves it one interval on. On a clock that
// has run for years a double is exact to a few nanoseconds, so whoever is a microsecond early counts as in time.
const slackMs = 1e-3

interface Rate {
  readonly intervalMs: number
  readonly burst: number
}

/** A rate with bursts. Times are milliseconds of a monotonic clock of the caller's; there is no timer. */
export class TokenBucket {
  readonly #rate: Rate
  #fullAtMs = -Infinity

  constructor(options: TokenBucketOptions) {
    this.#rate = rateOf(options)
  }

  /** Takes `tokens` and returns 0, or takes none and returns the milliseconds until they are there: Infinity above `burst`. */
  take(nowMs: number, tokens = 1): number {
    if (!(tokens >= 0)) throw new RangeError(`tokens must be a number of at least 0, not ${tokens}`)
    if (tokens > this.#rate.burst) return Infinity
    const waitMs = waitFor(this.#rate, this.#fullAtMs, nowMs, tokens)
    if (waitMs === 0) this.#fullAtMs = fullAfter(this.#rate, this.#fullAtMs, nowMs, tokens)
    return waitMs
  }

  /** Whole tokens that could be taken at `nowMs`. */
  remaining(nowMs: number): number {
    return remainingAt(this.#rate, this.#fullAtMs, nowMs)
  }

  /** Milliseconds from `nowMs` until the bucket is full. */
  resetMs(nowMs: number): number {
    return resetAfter(this.#fullAtMs, nowMs)
  }
}

/** One bucket per key (an address, a principal), of which the most recently used `maxKeys` are kept. */
export class TokenBucketTable {
  readonly #rate: Rate
  readonly #fullAtMs: LruMap<string, number>

  constructor(options: TokenBucketTableOptions) {
    this.#rate = rateOf(options)
    const maxKeys = options.maxKeys ?? 10_000
    if (!Number.isSafeInteger(maxKeys) || maxKeys < 1) {
      throw new RangeError(`maxKeys must be a whole number of at least 1, not ${maxKeys}`)
    }
    this.#fullAtMs = new LruMap(maxKeys)
  }

  /** Keys that have a bucket. */
  get size(): number {
    return this.#fullAtMs.size
  }

  /** Takes one token from the key's bucket. */
  take(key: string, nowMs: number): TakenToken {
    let fullAtMs = this.#fullAtMs.get(key) ?? -Infinity
    const waitMs = waitFor(this.#rate, fullAtMs, nowMs, 1)
    if (waitMs === 0) fullAtMs = fullAfter(this.#rate, fullAtMs, nowMs, 1)
    this.#fullAtMs.set(key, fullAtMs)
    return { waitMs, remaining: remainingAt(this.#rate, fullAtMs, nowMs), resetMs: resetAfter(fullAtMs, nowMs) }
  }
}

function rateOf({ ratePerSecond, burst }: TokenBucketOptions): Rate {
  if (!(ratePerSecond > 0 && ratePerSecond < Infinity)) {
    throw new RangeError(`ratePerSecond must be a finite number above 0, not ${ratePerSecond}`)
  }
  if (!(burst >= 1 && burst < Infinity)) {
    throw new RangeError(`burst must be a finite number of at least 1, not ${burst}`)
  }
  return { intervalMs: 1000 / ratePerSecond, burst }
}

/** Milliseconds until the bucket is full. */
function owedMs(fullAtMs: number, nowMs: number): number {
  return Math.max(0, fullAtMs - nowMs)
}

function fullAfter(rate: Rate, fullAtMs: number, nowMs: number, tokens: number): number {
  return Math.max(fullAtMs, nowMs) + tokens * rate.intervalMs
}

function waitFor(rate: Rate, fullAtMs: number, nowMs: number, tokens: number): number {
  const waitMs = owedMs(fullAtMs, nowMs) - (rate.burst - tokens) * rate.intervalMs
  return waitMs <= slackMs ? 0 : Math.ceil(waitMs)
}

function remainingAt(rate: Rate, fullAtMs: number, nowMs: number): number {
  const owedTokens = Math.max(0, owedMs(fullAtMs, nowMs) - slackMs) / rate.intervalMs
  return Math.max(0, Math.floor(rate.burst - owedTokens))
}

function resetAfter(fullAtMs: number, nowMs: number): number {
  return Math.ceil(Math.max(0, owedMs(fullAtMs, nowMs) - slackMs))
}
