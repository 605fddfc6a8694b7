// SPDX-License-Identifier: Apache-2.0
import { isIP } from 'node:net'
import type { Context } from 'hono'
import type { AddressList } from './address-rules.ts'

/** An address in its one form: IPv4 in IPv6 as IPv4, without zone; '' where there is none. */
export function canonicalIp(address: string | undefined): string {
  if (address === undefined) return ''
  const bare = address.split('%')[0] ?? ''
  const mapped = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(bare)
  return mapped?.[1] ?? bare.toLowerCase()
}

/**
 * The client's address of a WebSocket handshake. `X-Forwarded-For` counts only from a trusted proxy, from right to left up
 * to the first hop that is none.
 */
export function handshakeIp(c: Context, trusted: AddressList): string {
  const peer = canonicalIp(peerAddress(c))
  if (!trusted.has(peer)) return peer
  const hops = (c.req.header('x-forwarded-for') ?? '').split(',').map((hop) => canonicalIp(hop.trim()))
  let ip = peer
  for (const hop of hops.toReversed()) {
    if (isIP(hop) === 0) break
    ip = hop
    if (!trusted.has(hop)) break
  }
  return ip
}

function peerAddress(c: Context): string | undefined {
  const incoming: unknown = c.env?.incoming
  if (typeof incoming !== 'object' || incoming === null) return undefined
  const socket: unknown = Reflect.get(incoming, 'socket')
  if (typeof socket !== 'object' || socket === null) return undefined
  const address: unknown = Reflect.get(socket, 'remoteAddress')
  return typeof address === 'string' ? address : undefined
}
