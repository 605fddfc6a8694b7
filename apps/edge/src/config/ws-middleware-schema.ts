// SPDX-License-Identifier: Apache-2.0
import type {
  BasicAuthOptions,
  BearerOptions,
  BreakerOptions,
  CacheOptions,
  ExponentialOptions,
  RateLimitOptions,
  RetryOptions,
  ThrottleOptions,
  TokenSource,
} from '@nats-edge/ws-toolkit'
import { z } from 'zod'
import { renameKeys } from './rename.ts'
import { count, duration, positive, size } from './value.ts'

/** A pause between two tries: always the same, or growing. */
export type DelayConfig = number | ExponentialOptions

/** One middleware around requests: exactly one of these is set. */
export interface UseConfig {
  readonly rateLimit?: Omit<RateLimitOptions, 'store' | 'key'> & { readonly key?: string }
  readonly throttle?: Omit<ThrottleOptions, 'scope'> & { readonly scope?: string }
  readonly timeout?: number
  readonly retry?: Omit<RetryOptions, 'retryIf' | 'delay'> & { readonly delay?: DelayConfig }
  readonly breaker?: Omit<BreakerOptions, 'key' | 'failureIf'> & { readonly key?: string }
  readonly cache?: Omit<CacheOptions, 'key' | 'ttlMs'> & { readonly key?: string; readonly ttlMs: number }
}

/** One middleware before the upgrade: exactly one of these is set. */
export interface HttpUseConfig {
  readonly basicAuth?: Omit<BasicAuthOptions, 'verify' | 'users'> & { readonly users: Readonly<Record<string, string>> }
  readonly bearer?: Omit<BearerOptions, 'verify' | 'origins' | 'missingOrigin'> & {
    readonly tokens: Readonly<Record<string, string>>
  }
}

const scopes: ReadonlySet<string> = new Set(['global', 'connection', 'principal'])

const scope = z
  .string()
  .refine(
    (text) => scopes.has(text) || text.includes('{'),
    'must be global, connection, principal or a template such as "{tenant}"',
  )

const rateLimit = z
  .strictObject({
    limit: count.describe('Requests of one key in a window; 0 refuses all.'),
    window: duration.exactOptional().describe('Default 1s.'),
    burst: positive.exactOptional().describe('Requests that may come at once. Default limit.'),
    key: scope
      .exactOptional()
      .describe('Whose requests count together: global, connection, principal or a template. Default principal.'),
    maxKeys: positive.exactOptional().describe('Keys remembered. Default 100000.'),
  })
  .transform((value) => renameKeys(value, { window: 'windowMs' }))

const throttle = z
  .strictObject({
    limit: positive.describe('Requests under way at once.'),
    scope: scope.exactOptional().describe('Of whom: global, connection, principal or a template. Default global.'),
    queue: count.exactOptional().describe('Requests that may wait, altogether. Default 1000.'),
    maxWait: duration.exactOptional().describe('Longest wait. Default 1s.'),
  })
  .transform((value) => renameKeys(value, { maxWait: 'maxWaitMs' }))

const exponential = z
  .strictObject({
    base: duration.exactOptional().describe('Pause before the second try. Default 100ms.'),
    factor: z.number().min(1).exactOptional().describe('Growth of the pause. Default 2.'),
    max: duration.exactOptional().describe('Longest pause. Default 5s.'),
    jitter: z.enum(['full', 'none']).exactOptional().describe('full takes any time up to the pause. Default full.'),
  })
  .transform((value) => renameKeys(value, { base: 'baseMs', max: 'maxMs' }))

/** Pauses between tries. */
export const delay: z.ZodType<DelayConfig> = z.union([duration, exponential])

const retry = z
  .strictObject({
    attempts: positive.exactOptional().describe('Tries altogether. Default 3.'),
    delay: delay
      .exactOptional()
      .describe('Pause between two: a duration, or { base, factor, max, jitter }. Default the latter.'),
    perTry: duration.exactOptional().describe('Deadline of each try. Default none.'),
  })
  .transform((value) => renameKeys(value, { perTry: 'perTryMs' }))

const breaker = z
  .strictObject({
    threshold: z.number().gt(0).max(1).exactOptional().describe('Share of failures that opens it. Default 0.5.'),
    window: duration.exactOptional().describe('How far back calls are counted. Default 10s.'),
    minCalls: positive.exactOptional().describe('Calls before the share counts. Default 20.'),
    reset: duration.exactOptional().describe('How long the service is left alone. Default 5s.'),
    halfOpen: positive.exactOptional().describe('Calls that try it afterwards. Default 1.'),
    key: z.string().min(1).exactOptional().describe('Template; equal ones share a circuit. Default one of each route.'),
    maxKeys: positive.exactOptional().describe('Circuits kept. Default 1000.'),
  })
  .transform((value) => renameKeys(value, { window: 'windowMs', reset: 'resetMs' }))

const cache = z
  .strictObject({
    key: z
      .string()
      .min(1)
      .exactOptional()
      .describe('Template of what else the answer depends on. Default the whole message.'),
    ttl: duration.describe('How long an answer is kept; 0 only merges equal requests under way.'),
    stale: duration.exactOptional().describe('How long an older answer is given meanwhile. Default 0.'),
    maxEntries: positive.exactOptional().describe('Answers kept. Default 10000.'),
    max: size.exactOptional().describe('Bytes of all answers. Default 64MiB.'),
    maxEntry: size.exactOptional().describe('Bytes of one answer. Default 1MiB.'),
    shared: z.boolean().exactOptional().describe('Gives one principal what another asked for. Default false.'),
  })
  .transform((value) =>
    renameKeys(value, { ttl: 'ttlMs', stale: 'staleMs', max: 'maxBytes', maxEntry: 'maxEntryBytes' }),
  )

/** One middleware around requests, by its name. */
export const useSchema: z.ZodType<UseConfig> = z
  .strictObject({
    rateLimit: rateLimit.exactOptional().describe('Refuses requests above a rate: rate_limited.'),
    throttle: throttle.exactOptional().describe('Lets so many requests run at once: overloaded.'),
    timeout: duration.exactOptional().describe('Deadline of the answer: timeout.'),
    retry: retry.exactOptional().describe('Tries again what the service did wrong.'),
    breaker: breaker.exactOptional().describe('Leaves a failing service alone: circuit_open.'),
    cache: cache.exactOptional().describe('Gives equal requests one answer.'),
  })
  .refine(
    (value) => Object.keys(value).length === 1,
    'must name one middleware: rateLimit, throttle, timeout, retry, breaker or cache',
  )
  .meta({ id: 'WsMiddleware' })

const hash = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'must be sha256: and 64 hexadecimal digits')
const hashes = z
  .record(z.string().min(1), hash)
  .refine((value) => Object.keys(value).length > 0, 'must name at least one')
const realm = z.string().exactOptional().describe('What browsers show when they ask. Default Restricted.')

const tokenSource: z.ZodType<TokenSource, string> = z.union(
  [
    z.enum(['header', 'subprotocol']),
    z.templateLiteral(['query:', z.string().min(1)]),
    z.templateLiteral(['cookie:', z.string().min(1)]),
  ],
  { error: 'must be header, subprotocol, query:NAME or cookie:NAME' },
)

/** One middleware before the upgrade, by its name. */
export const httpUseSchema: z.ZodType<HttpUseConfig> = z
  .strictObject({
    basicAuth: z
      .strictObject({ users: hashes.describe('SHA-256 of the password of each user, as sha256:<hex>.'), realm })
      .exactOptional()
      .describe('User and password (RFC 7617); 401 without.'),
    bearer: z
      .strictObject({
        tokens: hashes.describe('SHA-256 of the token of each client, as sha256:<hex>.'),
        from: z
          .array(tokenSource)
          .min(1)
          .exactOptional()
          .describe('Where it is looked for: header, subprotocol, query:NAME, cookie:NAME. Default [header].'),
        realm,
      })
      .exactOptional()
      .describe('A token (RFC 6750); 401 without.'),
  })
  .refine((value) => Object.keys(value).length === 1, 'must name one middleware: basicAuth or bearer')
