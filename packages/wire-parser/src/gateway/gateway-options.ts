// SPDX-License-Identifier: Apache-2.0
import type { Context } from 'hono'
import type { Admission } from '../admission.ts'
import type { Authorize } from '../authorize.ts'
import type { Connect, ServerInfo } from '../connect-json.ts'
import {
  checkFunction,
  checkKeys,
  checkTexts,
  checkWhole,
  checkWord,
  checkWords,
  show,
} from '../policy/option-check.ts'
import { type Policies, type PolicyOptions, resolvePolicies } from '../policy/policy-options.ts'
import type { Principal } from '../principal.ts'
import { AddressList, type AddressOptions, AddressRules } from './address-rules.ts'
import { type Backend, type BackendOptions, resolveBackend } from './backend-options.ts'
import type { Deny } from './decision.ts'
import type { GatewayEvent } from './gateway-event.ts'
import { type ResolvedLimits, resolveLimits, type WireGatewayLimits } from './gateway-limits.ts'
import { resolveHooks, type WireHooks } from './hooks.ts'
import { checkUpgrade, type WireUpgrade, type WebSocketCompression } from './web-socket-upgrade.ts'
import type { WireConnection } from './wire-connection.ts'

/** Fields of INFO that a client can do without. */
export type HiddenInfoField = Extract<
  keyof ServerInfo,
  'server_name' | 'server_id' | 'git_commit' | 'go' | 'cluster' | 'domain' | 'client_ip' | 'xkey' | 'remote_account'
>

/** Who a client is, by what its CONNECTs have said so far; nothing refuses it. */
export type WireAuthenticate = (
  connect: Connect,
  connection: WireConnection,
) => Principal | Deny | undefined | Promise<Principal | Deny | undefined>

/** How a gateway is set up; everything but `backends` has a default. */
export interface WireGatewayOptions {
  /** The server behind the gateway; one for now. */
  readonly backends: readonly BackendOptions[]
  /** `upgradeWebSocket` of `@nats-edge/ws-toolkit/upgrade`. Default: none, and the WebSocket route answers 501. */
  readonly upgradeWebSocket?: WireUpgrade
  /** Default: none. */
  readonly hooks?: WireHooks
  /** Default: none; what clients may do is the server's business alone. */
  readonly policies?: PolicyOptions
  readonly limits?: WireGatewayLimits
  /** Says who a client is. With it a client has to begin with CONNECT. Default: clients are who the server takes them for. */
  readonly authenticate?: WireAuthenticate
  /** Decides in place of the principal's permissions. Default: these. */
  readonly authorize?: Authorize
  /** Who the client of a WebSocket is before CONNECT. Default: the context variable `principal`. */
  readonly principal?: (c: Context) => Principal | undefined
  /** Whether there is room for a connection. Default: the gateway's own limits. */
  readonly admission?: Admission
  /** Addresses that may connect. Default: all. */
  readonly addresses?: AddressOptions
  /** Gateways' `host:port` for INFO's `connect_urls`. Default none: clients come back to where they were. */
  readonly advertise?: readonly string[]
  /** The same for clients on WebSockets. Default none. */
  readonly advertiseWebSocket?: readonly string[]
  /** Fields taken out of INFO. The server's own address is never in it. Default none. */
  readonly hideInfo?: readonly HiddenInfoField[]
  /** Proxies whose `X-Forwarded-For` is believed on the WebSocket route: addresses and ranges. Default none. */
  readonly trustedProxies?: readonly string[]
  /** The client's address on the WebSocket route. Default: that of the socket, or what a trusted proxy says. */
  readonly clientIp?: (c: Context) => string
  /** Pages that may open a WebSocket. Default `same`: those of the own origin. */
  readonly origins?: 'same' | '*' | readonly string[]
  /** What a WebSocket without Origin, not from a browser, may do. Default `no-cookie`: connect without a Cookie header. */
  readonly missingOrigin?: 'no-cookie' | 'deny' | 'allow'
  /** permessage-deflate. Default false. */
  readonly compression?: false | WebSocketCompression
  /** Messages to WebSockets. Default `binary`: payloads need not be text. */
  readonly outputFrames?: 'binary' | 'text'
  /** Reports one in so many published messages, by subject and size. Default 0: none. */
  readonly samplePublishes?: number
  /** Called for what happens; a throw is counted and ignored. */
  readonly observe?: (event: GatewayEvent) => void
  /** Aborting it is `close({ drainMs: 0 })`. */
  readonly signal?: AbortSignal
}

/** The options checked, policies compiled. */
export interface ResolvedOptions {
  readonly backend: Backend
  readonly hooks: WireHooks
  readonly policies: Policies
  readonly limits: ResolvedLimits
  readonly authenticate: WireAuthenticate | undefined
  readonly authorize: Authorize | undefined
  readonly principal: (c: Context) => Principal | undefined
  readonly admission: Admission | undefined
  readonly addresses: AddressRules
  readonly advertise: readonly string[]
  readonly advertiseWebSocket: readonly string[]
  readonly hideInfo: readonly HiddenInfoField[]
  readonly trustedProxies: AddressList
  readonly clientIp: ((c: Context) => string) | undefined
  readonly outputFrames: 'binary' | 'text'
  readonly samplePublishes: number
  readonly observe: ((event: GatewayEvent) => void) | undefined
}

export const optionKeys: readonly (keyof WireGatewayOptions)[] = [
  'backends',
  'upgradeWebSocket',
  'hooks',
  'policies',
  'limits',
  'authenticate',
  'authorize',
  'principal',
  'admission',
  'addresses',
  'advertise',
  'advertiseWebSocket',
  'hideInfo',
  'trustedProxies',
  'clientIp',
  'origins',
  'missingOrigin',
  'compression',
  'outputFrames',
  'samplePublishes',
  'observe',
  'signal',
]

const hidable: readonly HiddenInfoField[] = [
  'server_name',
  'server_id',
  'git_commit',
  'go',
  'cluster',
  'domain',
  'client_ip',
  'xkey',
  'remote_account',
]

/** Throws TypeError or RangeError naming the option and its value; `options` is left as it is. */
export function resolveOptions(options: WireGatewayOptions, previous?: ResolvedOptions): ResolvedOptions {
  checkKeys('wireGateway options', options, optionKeys)
  checkUpgrade(options.upgradeWebSocket)
  checkAdmission(options.admission)
  return Object.freeze({
    backend: onlyBackend(options.backends),
    hooks: resolveHooks('hooks', options.hooks ?? {}),
    policies: resolvePolicies('policies', options.policies ?? {}, previous?.policies),
    limits: resolveLimits('limits', options.limits ?? {}),
    authenticate: checkFunction('authenticate', options.authenticate),
    authorize: checkFunction('authorize', options.authorize),
    principal:
      checkFunction('principal', options.principal) ?? ((c: Context): Principal | undefined => c.get('principal')),
    admission: options.admission,
    addresses: new AddressRules('addresses', options.addresses ?? {}),
    advertise: addresses('advertise', options.advertise),
    advertiseWebSocket: addresses('advertiseWebSocket', options.advertiseWebSocket),
    hideInfo: checkWords('hideInfo', options.hideInfo, hidable, []),
    trustedProxies: new AddressList('trustedProxies', checkTexts('trustedProxies', options.trustedProxies, [])),
    clientIp: checkFunction('clientIp', options.clientIp),
    outputFrames: checkWord('outputFrames', options.outputFrames, ['binary', 'text'], 'binary'),
    samplePublishes: checkWhole('samplePublishes', options.samplePublishes, 0, { least: 0 }),
    observe: checkFunction('observe', options.observe),
  })
}

function onlyBackend(backends: readonly BackendOptions[]): Backend {
  const first: BackendOptions | undefined = Array.isArray(backends) ? backends[0] : undefined
  if (first === undefined || backends.length !== 1) {
    throw new TypeError(`backends must be a list of one server, such as [{ url: 'nats://127.0.0.1:4222' }]`)
  }
  return resolveBackend('backends[0]', first)
}

function checkAdmission(admission: Admission | undefined): void {
  if (admission === undefined || typeof admission.admit === 'function') return
  throw new TypeError(`admission must have a function admit, not be ${show(admission)}`)
}

function addresses(where: string, value: readonly string[] | undefined): readonly string[] {
  const list = checkTexts(where, value, [])
  const wrong = list.find((entry) => !/^(\[[0-9a-f:.]+\]|[^\s:/@[\]]+):\d{1,5}$/i.test(entry))
  if (wrong === undefined) return list
  throw new TypeError(`${where}: ${JSON.stringify(wrong)} is not host:port`)
}
