// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http'
import { clientIp } from '@nats-edge/ws-toolkit'

/** Tells the address of a client, looking through the proxies the operator trusts. */
export interface ClientAddress {
  /** The address of the client behind `incoming`. */
  of(incoming: IncomingMessage): string
  isTrusted(address: string): boolean
}

/** What the operator says about the proxies in front. */
export interface ProxyConfig {
  readonly trustedProxies: readonly string[]
  /** The one header of theirs that is believed. */
  readonly clientAddressHeader: string
}

/** Throws TypeError for a proxy that is neither an address nor a CIDR block, and for what is no header. */
export function clientAddress({ trustedProxies, clientAddressHeader }: ProxyConfig): ClientAddress {
  return clientIp({ trust: trustedProxies, header: clientAddressHeader })
}

/** Looks through nobody: where no proxy is in front. */
export const socketAddress: ClientAddress = clientIp()

/** An address of a socket in one form: IPv4 mapped into IPv6 becomes IPv4, zones go, IPv6 is lower-case. */
export function plainAddress(address: string): string {
  if (!address.includes(':')) return address
  const bare = address.replace(/%.*$/, '').toLowerCase()
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/.test(bare) ? bare.slice(7) : bare
}

/** Tells whether a text is an address or a CIDR block. */
export function isBlock(entry: string): boolean {
  return isMade(() => clientIp({ trust: [entry] }))
}

/** Tells whether a text can be the name of a header. */
export function isHeaderName(name: string): boolean {
  return isMade(() => clientIp({ header: name }))
}

function isMade(make: () => unknown): boolean {
  try {
    make()
    return true
  } catch {
    return false
  }
}
