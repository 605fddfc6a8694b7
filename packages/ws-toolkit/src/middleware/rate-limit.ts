// SPDX-License-Identifier: Apache-2.0
import { TokenBucketTable } from '@nats-edge/wire-parser'
import type { Middleware, Reply } from '../chain.ts'
import { checkKeys, hook, whole } from '../option-check.ts'
import { WsError } from '../ws-error.ts'
import { isPromise } from '../promise.ts'
import { scopeKey, type Scope } from './scope.ts'

/** What a store needs to know of the limit. */
export interface Rate {
  readonly limit: number
  readonly windowMs: number
  readonly burst: number
}

/** Keeps the buckets, for one process or for several. */
export interface RateLimitStore {
  /** Takes one token: 0, or the milliseconds until there is one. A rejection refuses the request. */
  take(key: string, rate: Rate): number | Promise<number>
  close?(): void | Promise<void>
}

export interface RateLimitOptions<U = unknown> {
  /** Requests of one key in `windowMs`; 0 refuses all. */
  readonly limit: number
  /** Default 1,000. */
  readonly windowMs?: number
  /** Requests that may come at once. Default `limit`. */
  readonly burst?: number
  /** Whose requests are counted together. Default `principal`: or else the address. */
  readonly key?: Scope<U>
  /** Keys that are remembered here, the least recently used is dropped. Default 100,000. */
  readonly maxKeys?: number
  /** Default: the buckets of this process. */
  readonly store?: RateLimitStore
}

/** Refuses requests above a rate with `rate_limited` and the time to wait. */
export function rateLimit<U>(options: RateLimitOptions<U>): Middleware<U> {
  checkKeys('rateLimit', options, ['limit', 'windowMs', 'burst', 'key', 'maxKeys', 'store'])
  const limit = whole('rateLimit.limit', options.limit, 0)
  if (limit === 0) return () => refuse(Infinity)
  const windowMs = whole('rateLimit.windowMs', options.windowMs ?? 1000)
  const rate = Object.freeze({ limit, windowMs, burst: whole('rateLimit.burst', options.burst ?? limit) })
  const maxKeys = whole('rateLimit.maxKeys', options.maxKeys ?? 100_000)
  const keyOf = scopeKey('rateLimit.key', options.key ?? 'principal')
  const store = options.store ?? new LocalRateLimitStore(rate, maxKeys)
  if (hook('rateLimit.store.take', store.take) === undefined) throw new TypeError('rateLimit.store: has no take()')

  const middleware: Middleware<U> = (request, next) => {
    const waitMs = store.take(keyOf(request), rate)
    const goOn = (ms: number): Reply => (ms === 0 ? next() : refuse(ms))
    return isPromise(waitMs) ? waitMs.then(goOn) : goOn(waitMs)
  }
  return Object.assign(middleware, { close: () => store.close?.() })
}

function refuse(waitMs: number): never {
  throw new WsError('rate_limited', waitMs < Infinity ? { retryAfterMs: Math.ceil(waitMs) } : {})
}

class LocalRateLimitStore implements RateLimitStore {
  readonly #options: ConstructorParameters<typeof TokenBucketTable>[0]
  #buckets: TokenBucketTable

  constructor({ limit, windowMs, burst }: Rate, maxKeys: number) {
    this.#options = { ratePerSecond: (limit * 1000) / windowMs, burst, maxKeys }
    this.#buckets = new TokenBucketTable(this.#options)
  }

  take(key: string): number {
    return this.#buckets.take(key, performance.now()).waitMs
  }

  close(): void {
    this.#buckets = new TokenBucketTable(this.#options)
  }
}
