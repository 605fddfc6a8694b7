// SPDX-License-Identifier: Apache-2.0
import type { Authorize, Principal } from '@nats-edge/wire-parser'
import type { Context } from 'hono'
import type { RestProxySource } from './bus-source.ts'
import type { Observe } from './event.ts'
import { checkBoolean, checkFunction, checkKeys, checkWhole, checkWord, show } from './option-check.ts'
import { isSame } from './same.ts'
import type { RequestLimits } from './proxy-request.ts'
import {
  compileDefaultRoute,
  compileRoute,
  type DefaultRouteOptions,
  type Route,
  type RouteDefaults,
  type RouteOptions,
} from './route.ts'
import { RouteTable } from './route-table.ts'

/** How a proxy is set up; everything but `nats` has a default. */
export interface RestProxyOptions {
  /** A connection, a promise of one, a Bus, or a function, which may be async, that gives each caller one. Never closed here. */
  readonly nats: RestProxySource
  /** Default: none. */
  readonly routes?: readonly RouteOptions[]
  /** Takes every path that no route takes; false answers 404. Default `{ envelope: 'nats-proxy' }`. */
  readonly defaultRoute?: DefaultRouteOptions | false
  /** Default 10000 for `nats-proxy`, as services written for it expect, else 5000. */
  readonly timeoutMs?: number
  /** Never above what fits into the broker's max_payload. Default 1048576. */
  readonly maxBodyBytes?: number
  /** Who is asking. Default: the context variable `principal`. */
  readonly principal?: (c: Context) => Principal | undefined
  /** Decides in place of the principal's permissions. Default: these. */
  readonly authorize?: Authorize
  /** The client's address. Default: the socket's. */
  readonly clientIp?: (c: Context) => string
  /** `strip` serves `/a/` as `/a`, and `/` under the subject `GET:`. Default `reject`: 404, as no service can receive it. */
  readonly trailingSlash?: 'reject' | 'strip'
  /** Lets subjects of configured routes begin with `$` or `_`. Default false: they belong to the server. */
  readonly dangerouslyAllowReserved?: boolean
  /** Default 8192. */
  readonly maxUrlBytes?: number
  /** Default 16384. */
  readonly maxHeaderBytes?: number
  /** Default 100. */
  readonly maxHeaders?: number
  /** Default 1024: a longer subject would break the connection all clients share. */
  readonly maxSubjectBytes?: number
  /** Default 32. */
  readonly maxSubjectTokens?: number
  /** Requests under way at once. Default 10000. */
  readonly maxInFlight?: number
  /** Bytes that `publish` without confirmation may have on their way to the broker. Default 1048576. */
  readonly maxUnconfirmedBytes?: number
  /** Called for what happens to requests; a throw is ignored. */
  readonly observe?: Observe
  /** Aborting it is `close({ drainMs: 0 })`. */
  readonly signal?: AbortSignal
}

/** The options checked, the routes compiled. */
export interface ResolvedOptions extends RequestLimits {
  readonly defaults: RouteDefaults
  readonly table: RouteTable
  readonly defaultRoute: Route | undefined
  readonly trailingSlash: 'reject' | 'strip'
  readonly principal: ((c: Context) => Principal | undefined) | undefined
  readonly authorize: Authorize | undefined
  readonly clientIp: ((c: Context) => string) | undefined
  readonly maxInFlight: number
  readonly maxUnconfirmedBytes: number
  readonly observe: Observe | undefined
}

export const optionKeys: readonly (keyof RestProxyOptions)[] = [
  'nats',
  'routes',
  'defaultRoute',
  'timeoutMs',
  'maxBodyBytes',
  'principal',
  'authorize',
  'clientIp',
  'trailingSlash',
  'dangerouslyAllowReserved',
  'maxUrlBytes',
  'maxHeaderBytes',
  'maxHeaders',
  'maxSubjectBytes',
  'maxSubjectTokens',
  'maxInFlight',
  'maxUnconfirmedBytes',
  'observe',
  'signal',
]

/**
 * Throws TypeError or RangeError naming the option and its value; `options` is left as it is. Routes that are as they
 * were in `previous` are taken over, with the state of their rate limits.
 */
export function resolveOptions(options: RestProxyOptions, previous?: ResolvedOptions): ResolvedOptions {
  checkKeys('restProxy options', options, optionKeys)
  const { routes = [], defaultRoute = {} } = options
  if (!Array.isArray(routes)) throw new TypeError(`routes must be a list, not ${show(routes)}`)
  const defaults = routeDefaults(options)
  const kept = previous !== undefined && isSame(defaults, previous.defaults) ? previous : undefined
  const compiled = routes.map((route: RouteOptions, index) => {
    const known = kept?.table.routes.find((candidate) => isSame(candidate.options, route))
    return known ?? compileRoute(`routes[${index}]`, route, defaults)
  })
  return Object.freeze({
    defaults,
    table: new RouteTable(compiled),
    defaultRoute: resolveDefaultRoute(defaultRoute, defaults, kept?.defaultRoute),
    trailingSlash: defaults.trailingSlash,
    principal: checkFunction('principal', options.principal),
    authorize: checkFunction('authorize', options.authorize),
    clientIp: checkFunction('clientIp', options.clientIp),
    maxUrlBytes: checkWhole('maxUrlBytes', options.maxUrlBytes, 8192),
    maxHeaderBytes: checkWhole('maxHeaderBytes', options.maxHeaderBytes, 16_384),
    maxHeaders: checkWhole('maxHeaders', options.maxHeaders, 100),
    maxInFlight: checkWhole('maxInFlight', options.maxInFlight, 10_000),
    maxUnconfirmedBytes: checkWhole('maxUnconfirmedBytes', options.maxUnconfirmedBytes, 1_048_576),
    observe: checkFunction('observe', options.observe),
  })
}

function resolveDefaultRoute(
  options: DefaultRouteOptions | false,
  defaults: RouteDefaults,
  known: Route | undefined,
): Route | undefined {
  if (options === false) return undefined
  return known !== undefined && isSame(known.options, options) ? known : compileDefaultRoute(options, defaults)
}

function routeDefaults(options: RestProxyOptions): RouteDefaults {
  return {
    timeoutMs: options.timeoutMs === undefined ? undefined : checkWhole('timeoutMs', options.timeoutMs, 0),
    maxBodyBytes: checkWhole('maxBodyBytes', options.maxBodyBytes, 1_048_576, 0),
    trailingSlash: checkWord('trailingSlash', options.trailingSlash, ['reject', 'strip'], 'reject'),
    dangerouslyAllowReserved: checkBoolean('dangerouslyAllowReserved', options.dangerouslyAllowReserved, false),
    maxSubjectBytes: checkWhole('maxSubjectBytes', options.maxSubjectBytes, 1024),
    maxSubjectTokens: checkWhole('maxSubjectTokens', options.maxSubjectTokens, 32),
  }
}
