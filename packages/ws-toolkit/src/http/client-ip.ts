// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http'
import type { Context } from 'hono'
import { checkKeys } from '../option-check.ts'
import { rawRequest } from '../upgrade/raw-request.ts'
import { AddressBlocks, parseAddress, parseHostPort } from './address.ts'

export interface ClientIpOptions {
  /** Addresses and CIDR blocks of the proxies in front. Default none: the address is that of the socket. */
  readonly trust?: readonly string[]
  /**
   * The header these proxies write: `x-forwarded-for`, `forwarded` (RFC 7239), or one with a single address, such as
   * `cf-connecting-ip` or `cloudfront-viewer-address`. No other is believed. Default `x-forwarded-for`.
   */
  readonly header?: string
}

/** Tells the addresses of clients. */
export interface ClientIp {
  (c: Context): string
  /** The address where there is no Context: in front of an app, or after it. */
  of(incoming: IncomingMessage): string
  /** Whether an address is one of the proxies in front. */
  isTrusted(address: string): boolean
}

// Each proxy adds to the end of these; whatever else is there was written by one of them alone.
const lists: ReadonlySet<string> = new Set(['x-forwarded-for', 'forwarded'])

/**
 * Makes the function for the option `clientIp`: the right-most address that is none of the trusted proxies, or the
 * socket's. A header counts only when the socket's other end is trusted.
 */
export function clientIp(options: ClientIpOptions = {}): ClientIp {
  checkKeys('clientIp', options, ['trust', 'header'])
  const { trust = [] } = options
  const trusted = new AddressBlocks('clientIp.trust', trust)
  const header = headerName(options.header ?? 'x-forwarded-for')
  const readHop = readerOf(header)

  function addressOf(socketAddress: string | undefined, rawHeaders: readonly string[]): string {
    let address = parseAddress(socketAddress ?? '')
    if (address === undefined || trust.length === 0 || !trusted.holds(address)) return address ?? ''
    for (const hop of hopsOf(rawHeaders, header).toReversed()) {
      const nearer = readHop(hop)
      // What cannot be read, `unknown` included, was written by nobody who is trusted to know more.
      if (nearer === undefined) return address
      address = nearer
      if (!trusted.holds(address)) return address
    }
    return address
  }

  return Object.assign(
    (c: Context) => {
      const { incoming, rawHeaders } = rawRequest(c)
      return addressOf(incoming?.socket.remoteAddress, rawHeaders)
    },
    {
      of: ({ socket, rawHeaders }: IncomingMessage) => addressOf(socket.remoteAddress, rawHeaders),
      isTrusted: (text: string) => {
        const address = trust.length === 0 ? undefined : parseAddress(text)
        return address !== undefined && trusted.holds(address)
      },
    },
  )
}

function headerName(name: string): string {
  if (typeof name === 'string' && /^[!#$%&'*+\-.^_`|~0-9a-z]+$/i.test(name)) return name.toLowerCase()
  throw new TypeError(`clientIp.header: ${JSON.stringify(name)} is not the name of a header`)
}

function readerOf(header: string): (hop: string) => string | undefined {
  if (header === 'forwarded') return forwardedHop
  return header === 'cloudfront-viewer-address' ? viewerHop : parseHostPort
}

function hopsOf(rawHeaders: readonly string[], header: string): string[] {
  const lines: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() === header) lines.push(rawHeaders[at + 1] ?? '')
  }
  // Split at every comma, quoted or not: an open quote of the client's must not swallow what a proxy wrote behind it.
  if (lists.has(header)) return lines.flatMap((line) => line.split(',')).map((hop) => hop.trim())
  // Of two lines one may be the client's.
  return lines.length === 1 ? lines.map((line) => line.trim()) : []
}

// A port may be hidden, `_name`; an address that is has no meaning here.
function forwardedHop(element: string): string | undefined {
  const pair = element.split(';').find((part) => /^\s*for\s*=/i.test(part))
  if (pair === undefined) return undefined
  const value = pair.slice(pair.indexOf('=') + 1).trim()
  return parseHostPort(value.replace(/^"(.*)"$/, '$1').replace(/:_[\w.-]+$/, ''))
}

// CloudFront writes a port behind every address, and no brackets around IPv6.
function viewerHop(text: string): string | undefined {
  const [, address, bracketed] = /^(?:([^[\]]+)|\[([^\]]+)\]):\d{1,5}$/.exec(text) ?? []
  return parseAddress(bracketed ?? address ?? '')
}
