// SPDX-License-Identifier: Apache-2.0
import { compilePermissions, type Principal } from '@nats-edge/wire-parser'
import {
  basicAuth,
  bearer,
  breaker,
  cache,
  exponential,
  hashCredential,
  linear,
  rateLimit,
  retry,
  throttle,
  timeout,
  type BearerOptions,
  type Delay,
  type Middleware,
  type Scope,
  type WsRequest,
} from '@nats-edge/ws-toolkit'
import type { MiddlewareHandler } from 'hono'
import type { ConfigPath } from '../config/tree.ts'
import type { DelayConfig, HttpUseConfig, UseConfig } from '../config/ws-middleware-schema.ts'
import type { CacheBasis } from './cache-basis.ts'
import type { ClientData } from './client-data.ts'
import { placed } from './option-place.ts'
import { requestText } from './request-text.ts'

/** Makes the middleware of a list, for routes that take `basis` from clients; throws OptionFault. */
export function middlewareOf(
  path: ConfigPath,
  list: readonly UseConfig[] | undefined,
  basis: CacheBasis,
): Middleware<ClientData>[] {
  return (list ?? []).map((each, index) => {
    const name = Object.keys(each)[0] ?? ''
    return placed([...path, index, name], () => oneMiddleware(each, basis))
  })
}

/** Makes the pauses between tries. */
export function delayOf(config: DelayConfig | undefined): Delay | undefined {
  if (config === undefined) return undefined
  return typeof config === 'number' ? linear(config) : exponential(config)
}

function oneMiddleware(config: UseConfig, basis: CacheBasis): Middleware<ClientData> {
  if (config.rateLimit !== undefined) {
    const { key, ...options } = config.rateLimit
    return rateLimit({ ...options, ...(key !== undefined && { key: scopeOf(key) }) })
  }
  if (config.throttle !== undefined) {
    const { scope, ...options } = config.throttle
    return throttle({ ...options, ...(scope !== undefined && { scope: scopeOf(scope) }) })
  }
  if (config.timeout !== undefined) return timeout(config.timeout)
  if (config.retry !== undefined) {
    const { delay, ...options } = config.retry
    const pause = delayOf(delay)
    return retry({ ...options, ...(pause && { delay: pause }) })
  }
  if (config.breaker !== undefined) {
    const { key, ...options } = config.breaker
    return breaker<ClientData>({ ...options, ...(key !== undefined && { key: requestText(key) }) })
  }
  if (config.cache !== undefined) {
    const { key, ...options } = config.cache
    return cache<ClientData>({ ...options, key: cacheKey(key === undefined ? messageKey : requestText(key), basis) })
  }
  throw new TypeError('names no middleware')
}

function scopeOf(text: string): Scope<ClientData> {
  if (text === 'global' || text === 'connection' || text === 'principal') return text
  return requestText(text)
}

/** What the configuration says an answer depends on, and what it also does; '' passes by the cache. */
function cacheKey(
  keyOf: (request: WsRequest) => string,
  basis: CacheBasis,
): (request: WsRequest<ClientData>) => string {
  return (request) => {
    const based = basis(request)
    if (based === undefined) return ''
    const key = keyOf(request)
    return key === '' ? '' : based + key
  }
}

/** The message itself; bytes are told from a text of the same characters. */
function messageKey({ data }: WsRequest): string {
  if (data instanceof Uint8Array) return `b${Buffer.from(data).toString('latin1')}`
  return typeof data === 'string' ? `t${data}` : `j${JSON.stringify(data)}`
}

/** Makes the middleware before the upgrade; `rules` say for which pages a cookie counts. */
export function httpMiddlewareOf(
  path: ConfigPath,
  list: readonly HttpUseConfig[] = [],
  rules: Pick<BearerOptions, 'origins' | 'missingOrigin'> = {},
): MiddlewareHandler[] {
  return list.map((each, index) => {
    const name = Object.keys(each)[0] ?? ''
    return placed([...path, index, name], () => oneHttpMiddleware(each, rules))
  })
}

function oneHttpMiddleware(
  config: HttpUseConfig,
  rules: Pick<BearerOptions, 'origins' | 'missingOrigin'>,
): MiddlewareHandler {
  if (config.basicAuth !== undefined) return basicAuth(config.basicAuth)
  if (config.bearer === undefined) throw new TypeError('names no middleware')
  const { tokens, ...options } = config.bearer
  // Looked up by its hash: how long that takes says nothing about a token.
  const principals = new Map(Object.entries(tokens).map(([name, hash]) => [hash, principalOf(name)]))
  return bearer({ ...options, ...rules, verify: (token) => principals.get(hashCredential(token)) })
}

function principalOf(name: string): Principal {
  return { id: `bearer:${name}`, name, claims: {}, permissions: compilePermissions({}) }
}
