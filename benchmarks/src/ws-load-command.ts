// SPDX-License-Identifier: Apache-2.0
import type { WsClientOptions } from './ws-client.ts'

/** What the process of a WebSocket load does next. */
export type WsLoadCommand =
  | { readonly kind: 'grow'; readonly count: number }
  | {
      readonly kind: 'echo'
      readonly message: string
      readonly outstanding: number
      readonly durationMs: number
    }
  | {
      readonly kind: 'broadcast'
      readonly message: string
      readonly burst: number
      readonly everyMs?: number
      readonly durationMs: number
    }
  /** Nothing is sent: operations are pings of the server that were answered. */
  | { readonly kind: 'rest'; readonly durationMs: number }
  /** The last `count` clients are cut and come back at once, while all others go on sending. */
  | { readonly kind: 'reconnect'; readonly count: number; readonly message: string }
  | { readonly kind: 'accept'; readonly parallel: number; readonly durationMs: number }

/** Reads the first argument of the process, as JSON: the server all its clients connect to. */
export function parseWsTarget(text: string | undefined): WsClientOptions {
  const target: unknown = JSON.parse(text ?? 'null')
  const port: unknown = typeof target === 'object' && target !== null ? Reflect.get(target, 'port') : undefined
  if (typeof port === 'number') return target as WsClientOptions
  throw new TypeError(`a WebSocket load cannot connect to ${text}`)
}
