// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'

/** Tells the address of a client, looking through the proxies the operator trusts. */
export interface ClientAddress {
  /** The address of the client behind `incoming`. */
  of(incoming: IncomingMessage): string
  isTrusted(address: string): boolean
}

/** Throws TypeError for an entry that is neither an address nor a CIDR block. */
export function clientAddress(trustedProxies: readonly string[]): ClientAddress {
  const trusted = new BlockList()
  for (const entry of trustedProxies) addBlock(trusted, entry)
  const isTrusted = (address: string): boolean => {
    const family = isIP(address)
    return family !== 0 && trusted.check(address, family === 4 ? 'ipv4' : 'ipv6')
  }
  return {
    isTrusted,
    of: (incoming) => {
      const socketAddress = plainAddress(incoming.socket.remoteAddress ?? '')
      if (trustedProxies.length === 0 || !isTrusted(socketAddress)) return socketAddress
      // The right-most hop that is no proxy of ours is the last one somebody of ours has seen.
      let address = socketAddress
      for (const hop of forwardedHops(incoming).toReversed()) {
        if (isIP(hop) === 0) return address
        address = hop
        if (!isTrusted(hop)) return address
      }
      return address
    },
  }
}

/** An address in one form: IPv4 mapped into IPv6 becomes IPv4, zones go, IPv6 is lower-case. */
export function plainAddress(address: string): string {
  if (!address.includes(':')) return address
  const bare = address.replace(/%.*$/, '').toLowerCase()
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/.test(bare) ? bare.slice(7) : bare
}

/** Tells whether a text is an address or a CIDR block. */
export function isBlock(entry: string): boolean {
  try {
    addBlock(new BlockList(), entry)
    return true
  } catch {
    return false
  }
}

function addBlock(list: BlockList, entry: string): void {
  const [address = '', bits, ...rest] = entry.split('/')
  const family = isIP(address)
  const most = family === 4 ? 32 : 128
  const prefix = bits === undefined ? most : Number(bits)
  const digits = bits === undefined || /^\d{1,3}$/.test(bits)
  if (family === 0 || rest.length > 0 || !digits || prefix > most) {
    throw new TypeError(`"${entry}" is neither an address nor a CIDR block`)
  }
  list.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6')
}

// Forwarded (RFC 7239) counts when it is there: a proxy that writes it leaves X-Forwarded-For to its clients.
function forwardedHops(incoming: IncomingMessage): string[] {
  const forwarded = incoming.headers['forwarded']
  if (forwarded !== undefined) return forwarded.split(',').map(forHop)
  const header = incoming.headers['x-forwarded-for']
  const text = Array.isArray(header) ? header.join(',') : (header ?? '')
  return text === '' ? [] : text.split(',').map((hop) => hopAddress(hop.trim()))
}

function forHop(element: string): string {
  const pair = element.split(';').find((part) => /^\s*for\s*=/i.test(part))
  return hopAddress(
    (pair ?? '')
      .replace(/^\s*for\s*=\s*/i, '')
      .trim()
      .replace(/^"(.*)"$/, '$1'),
  )
}

function hopAddress(hop: string): string {
  const bracketed = /^\[([^\]]+)\](?::\d+)?$/.exec(hop)?.[1]
  if (bracketed !== undefined) return plainAddress(bracketed)
  const withPort = /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(hop)?.[1]
  return plainAddress(withPort ?? hop)
}
