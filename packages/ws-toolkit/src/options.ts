// SPDX-License-Identifier: Apache-2.0
import type { Admission, Principal } from '@nats-edge/wire-parser'
import type { Context } from 'hono'
import type { WsEvent } from './event.ts'
import { checkKeys, hook, rate, show, whole, word } from './option-check.ts'
import type { RoomBus } from './room-bus.ts'

/** What all channels of a gateway share. */
export interface GatewayOptions {
  /** Connections altogether. Default 10,000. */
  readonly maxConnections?: number
  /** Connections of one address; an address that is not known has no such limit. Default 100. */
  readonly maxConnectionsPerIp?: number
  /** Connections of one principal. Default 10. */
  readonly maxConnectionsPerPrincipal?: number
  /** Default 500, and as many at once. */
  readonly maxUpgradesPerSecond?: number
  /** Decides whether there is room, instead of the four limits above. */
  readonly admission?: Admission
  /** Sheds load: false refuses a client with 503. Default: admits. */
  readonly admit?: () => boolean
  /** The client's address. Default: that of the host, which is the socket's without `::ffff:`. */
  readonly clientIp?: (c: Context) => string
  /** Who is asking. Default `c.get('principal')`. */
  readonly principal?: (c: Context) => Principal | undefined
  /** `plain`: sends through `ws` even where frames could be written directly. Default `auto`. */
  readonly transport?: 'auto' | 'plain'
  /** How long `close()` lets requests finish. Default 10,000. */
  readonly drainMs?: number
  /** Window over which `close()` sends clients away. Default 5,000. */
  readonly spreadMs?: number
  /** Bounds of the delay that clients are asked to wait before they come back. Default 500 to 5,000. */
  readonly retryAfterMs?: readonly [least: number, most: number]
  /** Carries rooms between servers. Default: rooms are local. */
  readonly roomBus?: RoomBus
  /** The name that admission and `connections()` know this gateway by. Default `ws`. */
  readonly surface?: string
  /** Aborting it is `close({ drainMs: 0 })`. */
  readonly signal?: AbortSignal
  readonly observe?: (event: WsEvent) => void
}

type Hooks = 'admission' | 'admit' | 'clientIp' | 'principal' | 'roomBus' | 'signal' | 'observe'

/** GatewayOptions with every default filled in, checked and frozen. */
export type ResolvedGatewayOptions = Readonly<Required<Omit<GatewayOptions, Hooks>>> & Pick<GatewayOptions, Hooks>

const known: readonly (keyof GatewayOptions)[] = [
  'maxConnections',
  'maxConnectionsPerIp',
  'maxConnectionsPerPrincipal',
  'maxUpgradesPerSecond',
  'admission',
  'admit',
  'clientIp',
  'principal',
  'transport',
  'drainMs',
  'spreadMs',
  'retryAfterMs',
  'roomBus',
  'surface',
  'signal',
  'observe',
]

/** Checks the options of a gateway once; throws TypeError or RangeError naming the option and the value. */
export function resolveGatewayOptions(options: GatewayOptions): ResolvedGatewayOptions {
  checkKeys('wsGateway', options, known)
  const { admission, admit, clientIp, principal, roomBus, signal, observe } = options
  if (admission !== undefined && typeof admission.admit !== 'function') throw lacking('admission', admission, 'admit')
  if (roomBus !== undefined && typeof roomBus.subscribe !== 'function') throw lacking('roomBus', roomBus, 'subscribe')
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw new TypeError(`signal: ${show(signal)} is not an AbortSignal`)
  return Object.freeze({
    maxConnections: whole('maxConnections', options.maxConnections ?? 10_000),
    maxConnectionsPerIp: whole('maxConnectionsPerIp', options.maxConnectionsPerIp ?? 100),
    maxConnectionsPerPrincipal: whole('maxConnectionsPerPrincipal', options.maxConnectionsPerPrincipal ?? 10),
    maxUpgradesPerSecond: rate('maxUpgradesPerSecond', options.maxUpgradesPerSecond ?? 500),
    transport: word('transport', options.transport ?? 'auto', ['auto', 'plain']),
    drainMs: whole('drainMs', options.drainMs ?? 10_000, 0),
    spreadMs: whole('spreadMs', options.spreadMs ?? 5000, 0),
    retryAfterMs: range('retryAfterMs', options.retryAfterMs ?? [500, 5000]),
    surface: surfaceOf(options.surface ?? 'ws'),
    ...(admission && { admission }),
    ...(admit && { admit: hook('admit', admit) }),
    ...(clientIp && { clientIp: hook('clientIp', clientIp) }),
    ...(principal && { principal: hook('principal', principal) }),
    ...(roomBus && { roomBus }),
    ...(signal && { signal }),
    ...(observe && { observe: hook('observe', observe) }),
  })
}

/** Checks a pair of bounds. */
export function range(name: string, bounds: readonly [number, number]): readonly [number, number] {
  if (!Array.isArray(bounds) || bounds.length !== 2)
    throw new TypeError(`${name}: ${show(bounds)} is not a pair of bounds`)
  const least = whole(`${name}[0]`, bounds[0], 0)
  return Object.freeze([least, whole(`${name}[1]`, bounds[1], least)] as const)
}

function surfaceOf(surface: string): string {
  if (typeof surface === 'string' && surface !== '') return surface
  throw new TypeError(`surface: ${show(surface)} is not a name`)
}

function lacking(name: string, value: unknown, method: string): TypeError {
  return new TypeError(`${name}: ${show(value)} has no ${method}()`)
}
