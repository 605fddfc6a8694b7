// SPDX-License-Identifier: Apache-2.0
import { createAccount, createOperator, createUser, type KeyPair } from '@nats-io/nkeys'

export const unlimited = {
  subs: -1,
  data: -1,
  payload: -1,
  imports: -1,
  exports: -1,
  wildcards: true,
  conn: -1,
  leaf: -1,
}
const storage = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 }

/** An operator with one account for clients, as a server without a directory of accounts is told of them. */
export class Operator {
  readonly #account: KeyPair = createAccount()
  /** Configuration for a server that trusts this operator. */
  readonly config: string

  constructor() {
    const operator = createOperator()
    const system = createAccount()
    const tokenOf = (account: KeyPair, name: string, limits: object): string =>
      `${account.getPublicKey()}: ${token(operator, account, { name, type: 'account', limits })}`
    const clients = tokenOf(this.#account, 'clients', { ...unlimited, ...storage })
    this.config = [
      `operator: ${token(operator, operator, { name: 'flows', type: 'operator' })}`,
      'resolver: MEMORY',
      `resolver_preload: { ${clients}, ${tokenOf(system, 'system', unlimited)} }`,
      `system_account: ${system.getPublicKey()}`,
    ].join('\n')
  }

  /** A user of the account. */
  user(name: string, claims: UserClaims = {}): { readonly jwt: string; readonly seed: Uint8Array } {
    const user = createUser()
    const { expiresAt, deny = [] } = claims
    const permissions = { pub: { deny }, sub: { deny } }
    const jwt = token(this.#account, user, {
      name,
      type: 'user',
      ...(expiresAt === undefined ? {} : { exp: expiresAt }),
      subs: -1,
      data: -1,
      payload: -1,
      ...permissions,
    })
    return { jwt, seed: user.getSeed() }
  }
}

export interface UserClaims {
  /** Seconds since the epoch. */
  readonly expiresAt?: number
  /** Subjects that may be neither published nor subscribed. */
  readonly deny?: readonly string[]
}

/** JWT and seed as a file of credentials holds them. */
export function credsFile(jwt: string, seed: Uint8Array): string {
  return `${block('NATS USER JWT', jwt)}\n${block('USER NKEY SEED', Buffer.from(seed).toString())}`
}

function block(what: string, text: string): string {
  return `-----BEGIN ${what}-----\n${text}\n------END ${what}------\n`
}

interface Claims extends Readonly<Record<string, unknown>> {
  readonly name: string
  readonly exp?: number
}

/** A JWT, version 2 of NATS: signed with Ed25519 by the key whose public half is the issuer. */
export function token(issuer: KeyPair, subject: KeyPair, { name, exp, ...nats }: Claims): string {
  const claims = {
    jti: Buffer.from(subject.getPublicKey()).toString('hex'),
    iat: Math.floor(Date.now() / 1000),
    ...(exp === undefined ? {} : { exp }),
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name,
    nats: { ...nats, version: 2 },
  }
  const signed = `${encoded({ typ: 'JWT', alg: 'ed25519-nkey' })}.${encoded(claims)}`
  return `${signed}.${Buffer.from(issuer.sign(Buffer.from(signed))).toString('base64url')}`
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
