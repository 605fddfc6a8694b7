// SPDX-License-Identifier: Apache-2.0
import { encodeHeaderLines } from '@nats-edge/wire-parser'
import { checkBoolean, checkFunction, checkKeys, checkWhole, checkWord, show } from './option-check.ts'
import { type ParamOptions, ParamReader } from './path-params.ts'
import { type PublishOptions, type PublishRules, resolvePublish } from './envelope/publish-options.ts'
import { policyOf } from './envelope/header-policy.ts'
import { HeaderFilter, type HeaderRules } from './header-rules.ts'
import { RateLimit, type RateLimitOptions } from './rate-limit.ts'
import type { ReplyHook } from './reply-hook.ts'
import { parseRoutePath, type PathSegment } from './route-path.ts'
import { pathSubject, type RouteSubject, type SubjectRules, templateSubject } from './route-subject.ts'

export type EnvelopeName = 'nats-proxy' | 'headers' | 'publish'

/** When a NATS request is sent again; GET, HEAD, OPTIONS, PUT and DELETE only, within the deadline of the request. */
export interface RetryOptions {
  /** Further attempts after the first. */
  readonly attempts: number
  /** Pause before the second attempt, doubled with each up to a second, with jitter. Default 50. */
  readonly backoffMs?: number
  /** Whether a missing reply is tried again too; each attempt then gets its share of the deadline. Default false. */
  readonly onTimeout?: boolean
}

/** What configured routes and the default route have in common. */
export interface RouteBehaviour {
  /** How request and reply travel. Default `nats-proxy`. */
  readonly envelope?: EnvelopeName
  /** Until when a reply must have come. Default: the proxy's. */
  readonly timeoutMs?: number
  /** Default: the proxy's. */
  readonly maxBodyBytes?: number
  /** Whether an authenticated caller is required. Default false. */
  readonly auth?: boolean
  readonly requestHeaders?: HeaderRules
  readonly replyHeaders?: HeaderRules
  /** Runs after the hooks of `addHook()`. */
  readonly onReply?: ReplyHook
  /** For the envelope `publish` only. */
  readonly publish?: PublishOptions
  readonly retry?: RetryOptions
  readonly rateLimit?: RateLimitOptions | readonly RateLimitOptions[]
}

/** A path of the API and where its requests go. */
export interface RouteOptions extends RouteBehaviour {
  /** `/orders/{id}` or `/orders/:id`; `{rest*}` at the end takes what is left. */
  readonly path: string
  /** Default: any method. */
  readonly method?: string | readonly string[]
  /** `orders.{id}.get`; may use the names of the path, `{method}`, `{{id}}`, `{{name}}` and `{{claim.x}}`. Default: as nats-proxy maps paths. */
  readonly subject?: string
  readonly params?: Readonly<Record<string, ParamOptions>>
}

/** Where requests go that no route takes. */
export interface DefaultRouteOptions extends RouteBehaviour {
  /** The subject is `<prefix>.{method}.{path*}`; required by `headers` and `publish`, not used by `nats-proxy`. */
  readonly prefix?: string
}

/** A route made ready for requests. */
export interface Route {
  /** What it was made from. */
  readonly options: RouteOptions | DefaultRouteOptions
  /** The path as configured: the label of metrics and events. */
  readonly label: string
  readonly segments: readonly PathSegment[]
  /** Empty: any. */
  readonly methods: readonly string[]
  readonly envelope: EnvelopeName
  readonly subject: RouteSubject
  /** `Nats-Edge-Route`, encoded. */
  readonly routeLine: Uint8Array
  readonly params: ParamReader
  readonly timeoutMs: number
  readonly maxBodyBytes: number
  readonly auth: boolean
  readonly requestHeaders: HeaderFilter
  readonly replyHeaders: HeaderFilter
  readonly onReply: ReplyHook | undefined
  readonly publish: PublishRules
  readonly retry: Required<RetryOptions>
  readonly rateLimits: readonly RateLimit[]
}

/** What routes take from the proxy they belong to. */
export interface RouteDefaults extends SubjectRules {
  readonly timeoutMs: number | undefined
  readonly maxBodyBytes: number
}

const behaviourKeys = [
  'envelope',
  'timeoutMs',
  'maxBodyBytes',
  'auth',
  'requestHeaders',
  'replyHeaders',
  'onReply',
  'publish',
  'retry',
  'rateLimit',
]
const envelopes: readonly EnvelopeName[] = ['nats-proxy', 'headers', 'publish']
const idempotentMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

export function isIdempotent(method: string): boolean {
  return idempotentMethods.has(method)
}

/** Throws TypeError or RangeError naming the option. */
export function compileRoute(where: string, options: RouteOptions, defaults: RouteDefaults): Route {
  checkKeys(where, options, ['path', 'method', 'subject', 'params', ...behaviourKeys])
  const segments = parseRoutePath(options.path)
  const methods = checkMethods(`${where}.method`, options.method)
  const params = new ParamReader(`${where}.params`, segments, options.params)
  const behaviour = compileBehaviour(where, options, defaults)
  checkRetry(where, options, methods)
  const { subject } = options
  if (subject === undefined) {
    if (behaviour.envelope !== 'nats-proxy') {
      throw new TypeError(`${where}.subject is required with the envelope "${behaviour.envelope}"`)
    }
    for (const [name, param] of Object.entries(options.params ?? {})) {
      if (param.encode !== undefined)
        throw new TypeError(`${where}.params.${name}.encode has no effect without a subject`)
    }
  } else if (typeof subject !== 'string') throw new TypeError(`${where}.subject must be a text, not ${show(subject)}`)
  return {
    ...behaviour,
    options,
    label: options.path,
    routeLine: encodeRouteLine(options.path),
    segments,
    methods,
    params,
    subject:
      subject === undefined
        ? pathSubject(defaults)
        : templateSubject(`${where}.subject`, subject, params.names, defaults),
  }
}

/** The route of everything that no route takes. */
export function compileDefaultRoute(options: DefaultRouteOptions, defaults: RouteDefaults): Route {
  const where = 'defaultRoute'
  checkKeys(where, options, ['prefix', ...behaviourKeys])
  const behaviour = compileBehaviour(where, options, defaults)
  const { prefix } = options
  const label = '/{path*}'
  const routeLine = encodeRouteLine(label)
  const segments = parseRoutePath(label)
  const params = new ParamReader(where, segments)
  if (behaviour.envelope === 'nats-proxy') {
    if (prefix !== undefined) throw new TypeError(`${where}.prefix has no effect with the envelope "nats-proxy"`)
    const none = new ParamReader(where, [])
    return {
      ...behaviour,
      options,
      label,
      routeLine,
      segments,
      methods: [],
      params: none,
      subject: pathSubject(defaults),
    }
  }
  if (typeof prefix !== 'string') {
    throw new TypeError(`${where}.prefix is required with the envelope "${behaviour.envelope}", not ${show(prefix)}`)
  }
  const subject = templateSubject(`${where}.prefix`, `${prefix}.{method}.{path*}`, params.names, defaults)
  return { ...behaviour, options, label, routeLine, segments, methods: [], params, subject }
}

function encodeRouteLine(label: string): Uint8Array {
  return encodeHeaderLines([['Nats-Edge-Route', label]])
}

type Behaviour = Omit<Route, 'options' | 'label' | 'routeLine' | 'segments' | 'methods' | 'params' | 'subject'>

function compileBehaviour(where: string, options: RouteBehaviour, defaults: RouteDefaults): Behaviour {
  const envelope = checkWord(`${where}.envelope`, options.envelope, envelopes, 'nats-proxy')
  if (envelope === 'publish') {
    for (const key of ['onReply', 'replyHeaders'] as const) {
      if (options[key] !== undefined) throw new TypeError(`${where}.${key} has no effect with the envelope "publish"`)
    }
  } else if (options.publish !== undefined) {
    throw new TypeError(`${where}.publish has no effect with the envelope "${envelope}"`)
  }
  const retry = options.retry ?? { attempts: 0 }
  checkKeys(`${where}.retry`, retry, ['attempts', 'backoffMs', 'onTimeout'])
  const limits: readonly RateLimitOptions[] = [options.rateLimit ?? []].flat()
  return {
    envelope,
    timeoutMs: checkWhole(
      `${where}.timeoutMs`,
      options.timeoutMs ?? defaults.timeoutMs,
      envelope === 'nats-proxy' ? 10_000 : 5000,
    ),
    maxBodyBytes: checkWhole(`${where}.maxBodyBytes`, options.maxBodyBytes, defaults.maxBodyBytes, 0),
    auth: checkBoolean(`${where}.auth`, options.auth, false),
    requestHeaders: new HeaderFilter(`${where}.requestHeaders`, policyOf(envelope, 'request'), options.requestHeaders),
    replyHeaders: new HeaderFilter(`${where}.replyHeaders`, policyOf(envelope, 'reply'), options.replyHeaders),
    onReply: checkFunction(`${where}.onReply`, options.onReply),
    publish: resolvePublish(`${where}.publish`, options.publish),
    retry: {
      attempts: checkWhole(`${where}.retry.attempts`, retry.attempts, 0, 0),
      backoffMs: checkWhole(`${where}.retry.backoffMs`, retry.backoffMs, 50),
      onTimeout: checkBoolean(`${where}.retry.onTimeout`, retry.onTimeout, false),
    },
    rateLimits: limits.map((limit, index) => new RateLimit(`${where}.rateLimit[${index}]`, limit)),
  }
}

function checkRetry(where: string, options: RouteOptions, methods: readonly string[]): void {
  if ((options.retry?.attempts ?? 0) > 0 && methods.length > 0 && !methods.some(isIdempotent)) {
    throw new TypeError(`${where}.retry has no effect: ${methods.join(', ')} are never sent twice`)
  }
}

function checkMethods(where: string, method: string | readonly string[] | undefined): readonly string[] {
  const methods: readonly unknown[] = method === undefined ? [] : [method].flat()
  return methods.map((each) => {
    if (typeof each !== 'string' || !/^[A-Z][A-Z-]*$/.test(each)) {
      throw new TypeError(`${where} must be HTTP methods in upper case, not ${show(each)}`)
    }
    return each
  })
}
