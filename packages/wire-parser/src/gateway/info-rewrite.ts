// SPDX-License-Identifier: Apache-2.0
import type { ServerInfo } from '../connect-json.ts'
import { patchJson } from '../json-patch.ts'

/** What a client is told instead of what the server says about itself. */
export interface InfoChanges {
  /** Where the client has connected to. */
  readonly host: string
  readonly port: number
  /** Addresses of gateways; those of servers would lead clients around them. */
  readonly connectUrls: readonly string[]
  /** What the listener does, whatever the server does with the gateway. */
  readonly tls: 'none' | 'required' | 'verify'
  readonly maxPayloadBytes: number
  readonly clientIp: string
  /** Whether the gateway asks who the client is, even if the server does not. */
  readonly authRequired: boolean
  /** Fields left out. */
  readonly hidden: readonly string[]
  /** Whether the gateway is going away. */
  readonly isLeaving: boolean
}

/** An INFO for the client, by the bytes of the fields concerned: the rest stays as the server wrote it. */
export function rewriteInfo(json: Uint8Array, info: ServerInfo, changes: InfoChanges): Uint8Array {
  const isTls = changes.tls !== 'none'
  const patched = patchJson(json, {
    host: changes.host,
    port: changes.port,
    connect_urls: changes.connectUrls.length > 0 ? changes.connectUrls : undefined,
    ws_connect_urls: undefined,
    ip: undefined,
    tls_required: isTls ? true : undefined,
    tls_verify: changes.tls === 'verify' ? true : undefined,
    tls_available: undefined,
    ...(changes.maxPayloadBytes < 0 ? {} : { max_payload: changes.maxPayloadBytes }),
    ...(info.client_ip === undefined ? {} : { client_ip: changes.clientIp }),
    ...(changes.authRequired ? { auth_required: true } : {}),
    ...(changes.isLeaving ? { ldm: true } : {}),
    ...Object.fromEntries(changes.hidden.map((field) => [field, undefined])),
  })
  return infoLine(patched ?? json)
}

/** The INFO of a gateway that has no server to speak of, for a client that is turned away. */
export function minimalInfo(maxPayloadBytes: number): Uint8Array {
  const max_payload = maxPayloadBytes < 0 ? 1_048_576 : maxPayloadBytes
  const info = { server_id: 'nats-edge', version: '2.9.10', proto: 1, headers: true, max_payload }
  return infoLine(Buffer.from(JSON.stringify(info)))
}

/** The bound for headers and payload: the lower one of both, -1 for none. */
export function payloadBound(limit: number, info: ServerInfo): number {
  const said = info.max_payload ?? -1
  if (limit < 0 || said < 0) return Math.max(limit, said)
  return Math.min(limit, said)
}

function infoLine(json: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from('INFO '), json, Buffer.from('\r\n')])
}
