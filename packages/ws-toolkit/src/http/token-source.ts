// SPDX-License-Identifier: Apache-2.0
import type { Context } from 'hono'
import { originAllowed, originPatterns, type MissingOrigin, type Origins } from '../upgrade/origin.ts'
import { maxCredentialBytes } from './credential.ts'

/** Where a token stands: `Authorization: Bearer`, a query parameter, the subprotocol `bearer.<token>`, or a cookie. */
export type TokenSource = 'header' | `query:${string}` | 'subprotocol' | `cookie:${string}`

export type FindToken = (c: Context) => string | undefined

interface CookieRules {
  readonly origins?: Origins
  readonly missingOrigin?: MissingOrigin
}

// RFC 6750, 2.1: b64token.
const tokenSyntax = /^[a-z0-9\-._~+/]+=*$/i
const cookieName = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/i
const subprotocolPrefix = 'bearer.'

/** Whether a text can be a token at all. */
export function isToken(text: string): boolean {
  return text.length <= maxCredentialBytes && tokenSyntax.test(text)
}

/** Checks one entry of `from`; throws TypeError naming it. */
export function parseTokenSource(source: TokenSource, rules: CookieRules): FindToken {
  if (source === 'header') return (c) => headerToken(c.req.header('authorization'))
  if (source === 'subprotocol') return (c) => subprotocolToken(c.req.header('sec-websocket-protocol'))
  const [place, ...rest] = typeof source === 'string' ? source.split(':') : []
  const name = rest.join(':')
  if (place === 'query' && name !== '') return (c) => c.req.query(name)
  if (place === 'cookie' && cookieName.test(name)) return cookieSource(name, rules)
  throw new TypeError(
    `bearer.from: ${JSON.stringify(source)} is not 'header', 'query:NAME', 'subprotocol' or 'cookie:NAME'`,
  )
}

function cookieSource(name: string, { origins = 'same', missingOrigin = 'no-cookie' }: CookieRules): FindToken {
  if (origins === '*') {
    throw new TypeError(
      "bearer.from: a cookie is sent for any page, so origins: '*' would let every page in; list yours",
    )
  }
  if (typeof origins !== 'string') originPatterns(origins)
  // Browsers attach cookies whoever opens the socket: they count only for pages that may (RFC 6455, 10.2).
  return (c) =>
    originAllowed(c.req.raw, origins, missingOrigin) ? cookieToken(c.req.header('cookie'), name) : undefined
}

// Another scheme is no token at all: another middleware may know it.
function headerToken(header: string | undefined): string | undefined {
  if (header === undefined) return undefined
  const space = header.indexOf(' ')
  if (space === -1 || header.slice(0, space).toLowerCase() !== 'bearer') return undefined
  return header.slice(space).trim()
}

function subprotocolToken(header: string | undefined): string | undefined {
  const offers = header?.split(',').map((offer) => offer.trim())
  return offers?.find((offer) => offer.startsWith(subprotocolPrefix))?.slice(subprotocolPrefix.length)
}

function cookieToken(header: string | undefined, name: string): string | undefined {
  const start = `${name}=`
  const pairs = header?.split(';').map((pair) => pair.trim())
  const value = pairs?.find((pair) => pair.startsWith(start))?.slice(start.length)
  return value?.replace(/^"(.*)"$/, '$1')
}
