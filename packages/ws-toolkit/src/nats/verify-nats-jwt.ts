// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, verify as verifySignature, type KeyObject } from 'node:crypto'
import { compilePermissions, type PermissionRules, type Principal } from '@nats-edge/wire-parser'
import { checkKeys } from '../option-check.ts'
import { decodePublicKey } from './nkey.ts'

export interface NatsJwtOptions {
  /** Public keys of the accounts whose users may come in, and of their signing keys (`A…`). */
  readonly issuers: readonly string[]
  /** Whether a user was revoked; `issuedAt` in seconds, as in the revocations of an account. Default: nobody was. */
  readonly isRevoked?: (user: string, issuedAt: number) => boolean
}

interface Claims {
  readonly iss: string
  readonly sub: string
  readonly name: string
  readonly iat: number
  readonly exp: number | undefined
  readonly nbf: number
  readonly nats: Readonly<Record<string, unknown>>
}

// SubjectPublicKeyInfo of an Ed25519 key, up to the key itself (RFC 8410).
const keyInfo = Buffer.from('302a300506032b6570032100', 'hex')
const maxTokenLength = 8192

/**
 * Makes the `verify` of `bearer()` for user JWTs of NATS: signed by an issuer, in time, and meant to be shown without
 * the user's key (`bearer_token`). The principal is `nats:<user>` and has the permissions of the token.
 */
export function verifyNatsJwt(options: NatsJwtOptions): (token: string) => Principal | undefined {
  checkKeys('verifyNatsJwt', options, ['issuers', 'isRevoked'])
  const keys = issuerKeys(options.issuers)
  const isRevoked = options.isRevoked ?? (() => false)
  return (token) => {
    const claims = signedClaims(token, keys)
    if (claims === undefined || !isInTime(claims) || !isForBearers(claims.nats)) return undefined
    return isRevoked(claims.sub, claims.iat) ? undefined : principalOf(claims)
  }
}

function issuerKeys(issuers: readonly string[]): ReadonlyMap<string, KeyObject> {
  if (!Array.isArray(issuers) || issuers.length === 0) throw new TypeError('verifyNatsJwt.issuers: names no account')
  return new Map(
    issuers.map((issuer: string) => {
      const raw = decodePublicKey('account', issuer)
      if (raw === undefined) {
        throw new TypeError(`verifyNatsJwt.issuers: ${JSON.stringify(issuer)} is not the public key of an account`)
      }
      return [issuer, createPublicKey({ key: Buffer.concat([keyInfo, raw]), format: 'der', type: 'spki' })]
    }),
  )
}

function signedClaims(token: string, keys: ReadonlyMap<string, KeyObject>): Claims | undefined {
  if (token.length > maxTokenLength) return undefined
  const [head = '', body = '', signature = '', ...rest] = token.split('.')
  if (rest.length > 0 || jsonOf(head)?.['alg'] !== 'ed25519-nkey') return undefined
  const claims = parseClaims(jsonOf(body))
  const key = claims && keys.get(claims.iss)
  if (key === undefined) return undefined
  const isSigned = verifySignature(null, Buffer.from(`${head}.${body}`), key, Buffer.from(signature, 'base64url'))
  return isSigned ? claims : undefined
}

function parseClaims(body: Readonly<Record<string, unknown>> | undefined): Claims | undefined {
  if (body === undefined) return undefined
  const { iss, sub, name, iat, exp, nbf = 0, nats } = body
  if (typeof iss !== 'string' || typeof sub !== 'string' || typeof iat !== 'number' || !isRecord(nats)) return undefined
  if (exp !== undefined && !Number.isSafeInteger(exp)) return undefined
  if (typeof nbf !== 'number' || !Number.isSafeInteger(nbf)) return undefined
  if (nats['type'] !== 'user' || decodePublicKey('user', sub) === undefined) return undefined
  // 0 is never, as without.
  const ends = typeof exp === 'number' && exp !== 0 ? exp : undefined
  return { iss, sub, iat, nbf, nats, name: typeof name === 'string' ? name : sub, exp: ends }
}

function isInTime({ exp, nbf }: Claims): boolean {
  const nowMs = Date.now()
  return nbf * 1000 <= nowMs && (exp === undefined || exp * 1000 > nowMs)
}

/** What a token asks for that is not looked at here, it must not ask for. */
function isForBearers(nats: Readonly<Record<string, unknown>>): boolean {
  const { bearer_token, allowed_connection_types: types, src, times } = nats
  const isAnywhere = isEmpty(src) && isEmpty(times)
  return (
    bearer_token === true && isAnywhere && (isEmpty(types) || (Array.isArray(types) && types.includes('WEBSOCKET')))
  )
}

function principalOf({ sub, name, nats, exp }: Claims): Principal | undefined {
  try {
    const rules = { publish: sectionOf(nats['pub']), subscribe: sectionOf(nats['sub']) } satisfies PermissionRules
    const permissions = compilePermissions(rules, { id: `nats:${sub}`, name })
    const principal = { id: `nats:${sub}`, name, claims: nats, permissions }
    return exp === undefined ? principal : { ...principal, expiresAt: exp * 1000 }
  } catch {
    // A subject that is none: nobody can say what was meant to be allowed.
    return undefined
  }
}

function sectionOf(section: unknown): NonNullable<PermissionRules['publish']> {
  if (section === undefined || section === null) return {}
  if (!isRecord(section)) throw new TypeError('permissions of a user are an object')
  return { ...listOf('allow', section['allow']), ...listOf('deny', section['deny']) }
}

// As for nats-server an empty list is as good as none.
function listOf(name: 'allow' | 'deny', list: unknown): { readonly [K in 'allow' | 'deny']?: readonly string[] } {
  if (isEmpty(list)) return {}
  if (!Array.isArray(list) || !list.every((entry) => typeof entry === 'string')) throw new TypeError(`${name}: no list`)
  return { [name]: list }
}

function jsonOf(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString())
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0)
}
