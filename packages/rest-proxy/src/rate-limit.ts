// SPDX-License-Identifier: Apache-2.0
import type { Principal } from '@nats-edge/wire-parser'
import { TokenBucketTable } from '@nats-edge/wire-parser'
import { checkKeys, checkWhole, show } from './option-check.ts'
import { ProxyError } from './proxy-error.ts'

/** A rate with bursts for everyone who shares a key. */
export interface RateLimitOptions {
  /** What is counted: the client's address, the authenticated caller, or the value of a request header. */
  readonly by: 'ip' | 'principal' | { readonly header: string }
  readonly ratePerSecond: number
  /** Requests that may come at once. Default: `ratePerSecond`, at least 1. */
  readonly burst?: number
  /** Default 10000: the least recently used key starts afresh. */
  readonly maxKeys?: number
}

export type RateLimitScope = 'ip' | 'principal' | 'header'

/** What a limit is asked with. */
export interface RateLimitSource {
  readonly ip: string
  readonly principal: Principal | undefined
  header(lowerName: string): string | undefined
}

export interface RateLimitVerdict {
  /** The error to answer with; undefined where the request may go on. */
  readonly refusal: ProxyError | undefined
  readonly remaining: number
  /** RateLimit-* as name, value, name, value. */
  readonly headers: readonly string[]
}

/** One limit of one route, with its own buckets. */
export class RateLimit {
  readonly scope: RateLimitScope
  readonly #header: string
  readonly #burst: number
  readonly #buckets: TokenBucketTable

  /** Throws TypeError or RangeError naming the option. */
  constructor(where: string, options: RateLimitOptions) {
    checkKeys(where, options, ['by', 'ratePerSecond', 'burst', 'maxKeys'])
    const { by, ratePerSecond } = options
    if (by !== 'ip' && by !== 'principal' && typeof by?.header !== 'string') {
      throw new TypeError(`${where}.by must be "ip", "principal" or { header }, not ${show(by)}`)
    }
    if (!(ratePerSecond > 0 && ratePerSecond < Infinity)) {
      throw new RangeError(`${where}.ratePerSecond must be a number above 0, not ${show(ratePerSecond)}`)
    }
    this.scope = typeof by === 'string' ? by : 'header'
    this.#header = typeof by === 'string' ? '' : by.header.toLowerCase()
    this.#burst = checkWhole(`${where}.burst`, options.burst, Math.max(1, Math.ceil(ratePerSecond)))
    const maxKeys = checkWhole(`${where}.maxKeys`, options.maxKeys, 10_000)
    this.#buckets = new TokenBucketTable({ ratePerSecond, burst: this.#burst, maxKeys })
  }

  /** Keys that have a bucket. */
  get keys(): number {
    return this.#buckets.size
  }

  /** Takes one request from the bucket of whoever asks. */
  take(source: RateLimitSource, nowMs: number): RateLimitVerdict {
    const { waitMs, remaining, resetMs } = this.#buckets.take(this.#key(source), nowMs)
    const headers = [
      'RateLimit-Limit',
      String(this.#burst),
      'RateLimit-Remaining',
      String(remaining),
      'RateLimit-Reset',
      String(Math.ceil(resetMs / 1000)),
    ]
    if (waitMs === 0) return { refusal: undefined, remaining, headers }
    // Jitter, so that everyone who was refused now does not come back in the same second.
    const retryAfter = Math.ceil(waitMs / 1000) + Math.floor(Math.random() * 2)
    const refusal = new ProxyError('rate_limited', { headers: ['Retry-After', String(retryAfter), ...headers] })
    return { refusal, remaining, headers }
  }

  // Without a caller or the header the address counts, under a prefix of its own: leaving it out gains nothing.
  #key(source: RateLimitSource): string {
    if (this.scope === 'principal' && source.principal !== undefined) return `p:${source.principal.id}`
    const value = this.scope === 'header' ? source.header(this.#header) : undefined
    return value === undefined ? `i:${source.ip}` : `h:${value.slice(0, 256)}`
  }
}
