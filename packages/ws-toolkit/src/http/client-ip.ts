// SPDX-License-Identifier: Apache-2.0
import type { Context } from 'hono'
import { checkKeys } from '../option-check.ts'
import { rawRequest } from '../upgrade/raw-request.ts'
import { AddressBlocks, parseAddress, parseHostPort } from './address.ts'

export interface ClientIpOptions {
  /** Addresses and CIDR blocks of the proxies in front. Default none: the address is that of the socket. */
  readonly trust?: readonly string[]
  /**
   * The header these proxies write: `x-forwarded-for`, `forwarded` (RFC 7239), `cloudfront-viewer-address`, or one with
   * a bare address such as `cf-connecting-ip`. No other is believed. Default `x-forwarded-for`.
   */
  readonly header?: string
}

/**
 * Makes the function for the option `clientIp`: the right-most address that is none of the trusted proxies, or the
 * socket's. A header counts only when the socket's other end is trusted.
 */
export function clientIp(options: ClientIpOptions = {}): (c: Context) => string {
  checkKeys('clientIp', options, ['trust', 'header'])
  const trusted = new AddressBlocks('clientIp.trust', options.trust ?? [])
  const header = headerName(options.header ?? 'x-forwarded-for')
  const readHop =
    header === 'forwarded' ? forwardedHop : header === 'cloudfront-viewer-address' ? viewerHop : parseHostPort
  return (c) => {
    const { incoming, rawHeaders } = rawRequest(c)
    let address = parseAddress(incoming?.socket.remoteAddress ?? '')
    if (address === undefined || !trusted.holds(address)) return address ?? ''
    for (const hop of hopsOf(rawHeaders, header).toReversed()) {
      const nearer = readHop(hop)
      // What cannot be read, `unknown` included, was written by nobody who is trusted to know more.
      if (nearer === undefined) return address
      address = nearer
      if (!trusted.holds(address)) return address
    }
    return address
  }
}

function headerName(name: string): string {
  if (typeof name === 'string' && /^[a-z0-9-]+$/i.test(name)) return name.toLowerCase()
  throw new TypeError(`clientIp.header: ${JSON.stringify(name)} is not the name of a header`)
}

// Split at every comma, quoted or not: an open quote of the client's must not swallow what a proxy wrote behind it.
function hopsOf(rawHeaders: readonly string[], header: string): string[] {
  const hops: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() === header) hops.push(...(rawHeaders[at + 1] ?? '').split(','))
  }
  return hops.map((hop) => hop.trim())
}

function forwardedHop(element: string): string | undefined {
  const pair = element.split(';').find((part) => /^\s*for\s*=/i.test(part))
  if (pair === undefined) return undefined
  const value = pair.slice(pair.indexOf('=') + 1).trim()
  return parseHostPort(value.replace(/^"(.*)"$/, '$1'))
}

// CloudFront writes a port behind every address, and no brackets around IPv6.
function viewerHop(text: string): string | undefined {
  const colon = text.lastIndexOf(':')
  return colon === -1 ? undefined : parseAddress(text.slice(0, colon).replace(/^\[(.*)\]$/, '$1'))
}
