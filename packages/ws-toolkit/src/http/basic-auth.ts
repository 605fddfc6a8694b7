// SPDX-License-Identifier: Apache-2.0
import { isUtf8 } from 'node:buffer'
import type { Context, MiddlewareHandler } from 'hono'
import { checkKeys, hook } from '../option-check.ts'
import { CredentialTable, maxCredentialBytes } from './credential.ts'
import { challengeFor, enter, namedPrincipal, type Verified } from './verified.ts'

/** One of `users` and `verify`. */
export interface BasicAuthOptions {
  /** Passwords by user, as `hashCredential(password)` writes them. */
  readonly users?: Readonly<Record<string, string>>
  /** Says who it is, in the place of `users`. A throw of WsError refuses with its code. */
  readonly verify?: (user: string, password: string, c: Context) => Verified | Promise<Verified>
  /** What browsers show when they ask. Default `Restricted`. */
  readonly realm?: string
}

const header = /^basic +([a-z0-9+/]+={0,2}) *$/i

/** Lets in who knows a password (RFC 7617), and sets the context variable `principal`: `basic:<user>` for `users`. */
export function basicAuth(options: BasicAuthOptions): MiddlewareHandler {
  checkKeys('basicAuth', options, ['users', 'verify', 'realm'])
  const verify = verifierOf(options)
  const challenge = `Basic realm="${realmOf(options.realm ?? 'Restricted')}", charset="UTF-8"`
  return async (c, next) => {
    const credentials = parseBasic(c.req.header('authorization'))
    if (credentials === undefined) return challengeFor(c, 'send Authorization: Basic with user and password', challenge)
    const { user, password } = credentials
    return enter(c, next, () => verify(user, password, c), challenge)
  }
}

/** Checks text that stands between quotes in a header. */
export function realmOf(realm: string): string {
  if (typeof realm === 'string' && /^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/.test(realm)) return realm
  throw new TypeError(`realm: ${JSON.stringify(realm)} is not printable ASCII without " and \\`)
}

function verifierOf({ users, verify }: BasicAuthOptions): NonNullable<BasicAuthOptions['verify']> {
  hook('basicAuth.verify', verify)
  if ((users === undefined) === (verify === undefined)) throw new TypeError('basicAuth: give one of users and verify')
  // RFC 7617, 2: the first colon ends the name.
  const strange = Object.keys(users ?? {}).find((name) => name.includes(':'))
  if (strange !== undefined) throw new TypeError(`basicAuth.users: the name ${JSON.stringify(strange)} holds a colon`)
  if (verify !== undefined) return verify
  const table = new CredentialTable('basicAuth.users', users ?? {})
  return (user, password) => (table.holds(user, password) ? namedPrincipal('basic', user) : undefined)
}

function parseBasic(text: string | undefined): { user: string; password: string } | undefined {
  if (text === undefined || text.length > maxCredentialBytes) return undefined
  const encoded = header.exec(text)?.[1]
  if (encoded === undefined) return undefined
  const bytes = Buffer.from(encoded, 'base64')
  if (!isUtf8(bytes)) return undefined
  const pair = bytes.toString()
  const colon = pair.indexOf(':')
  return colon === -1 ? undefined : { user: pair.slice(0, colon), password: pair.slice(colon + 1) }
}
