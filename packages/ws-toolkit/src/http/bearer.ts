// SPDX-License-Identifier: Apache-2.0
import type { Context, MiddlewareHandler } from 'hono'
import { checkKeys, hook } from '../option-check.ts'
import type { MissingOrigin, Origins } from '../upgrade/origin.ts'
import { realmOf } from './basic-auth.ts'
import { isToken, parseTokenSource, type TokenSource } from './token-source.ts'
import { challengeFor, enter, type Verified } from './verified.ts'

export interface BearerOptions {
  /** Says whose token it is. A throw of WsError refuses with its code. */
  readonly verify: (token: string, c: Context) => Verified | Promise<Verified>
  /** Where tokens are looked for, in this order. Default the header: the others end up in logs, or are sent unasked. */
  readonly from?: readonly TokenSource[]
  /** Pages whose cookies count; give the list of the channel. Default `same`: those of the own origin. */
  readonly origins?: Origins
  /** Whether a cookie counts without Origin. Default `no-cookie`, which means no. */
  readonly missingOrigin?: MissingOrigin
  /** Default `Restricted`. */
  readonly realm?: string
}

/** Lets in who brings a token that `verify` knows (RFC 6750), and sets the context variable `principal`. */
export function bearer(options: BearerOptions): MiddlewareHandler {
  checkKeys('bearer', options, ['verify', 'from', 'origins', 'missingOrigin', 'realm'])
  const { verify, from = ['header'] } = options
  if (hook('bearer.verify', verify) === undefined) throw new TypeError('bearer.verify: is missing')
  if (!Array.isArray(from) || from.length === 0) throw new TypeError('bearer.from: names no place of a token')
  const sources = from.map((place: TokenSource) => parseTokenSource(place, options))
  const challenge = `Bearer realm="${realmOf(options.realm ?? 'Restricted')}"`
  const invalid = `${challenge}, error="invalid_token"`
  return async (c, next) => {
    for (const find of sources) {
      const token = find(c)
      if (token === undefined) continue
      if (!isToken(token)) return challengeFor(c, 'the token is malformed', invalid)
      return enter(c, next, () => verify(token, c), invalid)
    }
    return challengeFor(c, 'send a bearer token', challenge)
  }
}
