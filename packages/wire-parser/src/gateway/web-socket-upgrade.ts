// SPDX-License-Identifier: Apache-2.0
import type { Context, MiddlewareHandler } from 'hono'
import type { Admission } from '../admission.ts'
import { show } from '../policy/option-check.ts'
import type { Principal } from '../principal.ts'

/** What the gateway uses of a `ws` socket. */
export interface RawWebSocket {
  readonly readyState: number
  readonly bufferedAmount: number
  on(event: 'message', listener: (data: unknown, isBinary: boolean) => void): unknown
  on(event: 'close', listener: (code: number) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  send(data: Uint8Array, options: { binary: boolean }, sent?: (error?: Error) => void): void
  close(code: number): void
  terminate(): void
  pause(): void
  resume(): void
}

export interface WebSocketCompression {
  /** zlib level, 1 to 9. Default 1. */
  readonly level?: number
  /** Shorter messages go out as they are. Default 1024. */
  readonly thresholdBytes?: number
  /** Keeps the zlib window between messages, about 300 KiB a socket. Default false. */
  readonly contextTakeover?: boolean
}

/** The handlers of one socket: exactly one of both is called. */
export interface WireSocketEvents {
  onOpen(event: Event, context: { readonly raw?: unknown }): void
  onAbort(): void
}

export interface WireSocketOptions {
  readonly maxMessageBytes: number
  readonly maxFragments: number
  readonly origins: 'same' | '*' | readonly string[]
  readonly missingOrigin: 'no-cookie' | 'deny' | 'allow'
  readonly compression: false | WebSocketCompression
  readonly surface: string
  readonly admission: Admission
  readonly principal: (c: Context) => Principal | undefined
  readonly upgradeTimeoutMs: number
}

/** `upgradeWebSocket` of `@nats-edge/ws-toolkit/upgrade`, by its shape: that package stands above this one. */
export type WireUpgrade = (
  createEvents: (c: Context) => Promise<WireSocketEvents | Response>,
  options: WireSocketOptions,
) => MiddlewareHandler

const brand: unique symbol = Symbol.for('nats-edge.upgrade') as never

/** Throws TypeError for a helper that hands out sockets without the checks and the stream the gateway relies on. */
export function checkUpgrade(upgrade: WireUpgrade | undefined): void {
  if (upgrade === undefined) return
  if (typeof upgrade === 'function' && Reflect.get(upgrade, brand) === true) return
  throw new TypeError(
    `upgradeWebSocket must be that of @nats-edge/ws-toolkit/upgrade, not ${typeof upgrade === 'function' ? 'that of another package' : show(upgrade)}`,
  )
}
