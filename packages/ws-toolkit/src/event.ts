// SPDX-License-Identifier: Apache-2.0
import type { HandlerName, UpgradeEvent } from './upgrade/socket-options.ts'
import type { WsErrorCode } from './ws-error.ts'

/** The code of our hooks, as an event names them. */
export type HookName =
  | 'onConnect'
  | 'onOpen'
  | 'onDisconnect'
  | 'onAbort'
  | 'principalChanged'
  | 'dispatcher'
  | 'handler'
  | 'codec'
  | 'stream'
  | 'room'

/** What a channel could not hold a client to. */
export type LimitName = 'messages' | 'bytes' | 'control' | 'subscriptions' | 'rooms'

/** What happened; `channel` is the path as it was registered, and nothing holds a payload or a credential. */
export type WsEvent =
  | (Extract<UpgradeEvent, { type: 'upgrade.refused' }> & { readonly channel: string })
  | {
      readonly type: 'connection.opened'
      readonly channel: string
      readonly id: string
      readonly ip: string
      readonly principalId: string | undefined
      readonly protocol: string
    }
  | {
      readonly type: 'connection.closed'
      readonly channel: string
      readonly id: string
      readonly code: number
      readonly wasClean: boolean
      readonly ms: number
      readonly bytesIn: number
      readonly bytesOut: number
    }
  | {
      readonly type: 'request.finished'
      readonly channel: string
      readonly route: string
      readonly code: 'ok' | WsErrorCode
      readonly ms: number
      readonly bytesIn: number
      readonly bytesOut: number
    }
  | {
      readonly type: 'handler.failed'
      readonly channel: string
      readonly handler: HookName | HandlerName
      readonly error: unknown
    }
  | { readonly type: 'outbound.dropped'; readonly channel: string; readonly id: string; readonly policy: string }
  | { readonly type: 'outbound.drained'; readonly channel: string; readonly id: string; readonly dropped: number }
  | { readonly type: 'heartbeat.missed'; readonly channel: string; readonly id: string; readonly silentMs: number }
  | { readonly type: 'heartbeat.rtt'; readonly channel: string; readonly id: string; readonly ms: number }
  | { readonly type: 'limit.hit'; readonly channel: string; readonly id: string; readonly limit: LimitName }
  | {
      readonly type: 'breaker.changed'
      readonly channel: string
      readonly route: string | undefined
      readonly state: 'closed' | 'open' | 'half-open'
    }
  | { readonly type: 'room.joined' | 'room.left'; readonly room: string; readonly id: string; readonly size: number }
  | { readonly type: 'room.failed'; readonly room: string; readonly error: unknown }
  | { readonly type: 'stream.reset'; readonly stream: string; readonly reason: string }
  /** Of the NATS connection; restored once the broker has read the subscriptions again. */
  | { readonly type: 'connection.lost' | 'connection.restored' }
  | { readonly type: 'drain.step'; readonly closed: number; readonly remaining: number }
  | {
      readonly type: 'drain.finished'
      /** Connections that said goodbye. */
      readonly closed: number
      /** Connections that were cut. */
      readonly terminated: number
      readonly ms: number
    }
  | { readonly type: 'transport.fallback'; readonly reason: string }
