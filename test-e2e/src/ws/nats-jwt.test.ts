// SPDX-License-Identifier: Apache-2.0
import { verifyNatsJwt } from '@nats-edge/ws-toolkit/nats'
import { type Authenticator, jwtAuthenticator } from '@nats-io/nats-core'
import { createAccount, createOperator, createUser, type KeyPair } from '@nats-io/nkeys'
import { startNatsServer } from '@nats-edge/embedded-nats'
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { type Addresses, connectBy, directly } from '../wire/client-rig.ts'
import { token, unlimited } from '../wire/clients/credentials.ts'

const operator = createOperator()
const system = createAccount()
const account = createAccount()
const signingKey = createAccount()
const stranger = createAccount()
const user = createUser()
const revokedUser = createUser()

const nowSeconds = Math.floor(Date.now() / 1000)
const hour = 3600
const day = 24 * hour

/** A server that knows one account, its signing key and whom it has revoked. */
function config(): string {
  const clients = token(operator, account, {
    name: 'clients',
    type: 'account',
    limits: unlimited,
    signing_keys: [signingKey.getPublicKey()],
    revocations: { [revokedUser.getPublicKey()]: nowSeconds + day },
  })
  const own = token(operator, system, { name: 'system', type: 'account', limits: unlimited })
  return [
    `operator: ${token(operator, operator, { name: 'jwt', type: 'operator' })}`,
    'resolver: MEMORY',
    `resolver_preload: { ${account.getPublicKey()}: ${clients}, ${system.getPublicKey()}: ${own} }`,
    `system_account: ${system.getPublicKey()}`,
  ].join('\n')
}

interface Made {
  readonly issuer?: KeyPair
  readonly subject?: KeyPair
  readonly claims?: Readonly<Record<string, unknown>>
}

/** What a user shows who needs no key: with everything as it should be, but for what is said. */
function bearerToken({ issuer = account, subject = user, claims = {} }: Made = {}): string {
  const limits = { subs: -1, data: -1, payload: -1 }
  return token(issuer, subject, {
    name: 'ada',
    type: 'user',
    bearer_token: true,
    pub: {},
    sub: {},
    ...limits,
    ...claims,
  })
}

/** Another claim of the token itself, signed like the others. */
function withClaims(change: object, issuer: KeyPair = account): string {
  const [head = '', body = ''] = bearerToken().split('.')
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as object
  const signed = `${head}.${Buffer.from(JSON.stringify({ ...claims, ...change })).toString('base64url')}`
  return `${signed}.${Buffer.from(issuer.sign(Buffer.from(signed))).toString('base64url')}`
}

function withHead(head: object): string {
  const body = bearerToken().split('.')[1]
  const signed = `${Buffer.from(JSON.stringify(head)).toString('base64url')}.${body}`
  return `${signed}.${Buffer.from(account.sign(Buffer.from(signed))).toString('base64url')}`
}

function damaged(): string {
  const text = bearerToken()
  const at = text.lastIndexOf('.') + 10
  return `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`
}

/** Nobody is let in on less than the server asks for; on more where `isLetIn` is for the server alone. */
type LetIn = boolean | 'by the server' | 'by some servers'

const tokens: readonly (readonly [name: string, isLetIn: LetIn, text: string])[] = [
  ['as it should be', true, bearerToken()],
  [
    'with permissions',
    true,
    bearerToken({ claims: { pub: { allow: ['a.>'], deny: ['a.b'] }, sub: { allow: ['*'] } } }),
  ],
  ['for an hour', true, bearerToken({ claims: { exp: nowSeconds + hour } })],
  ['that is over', false, bearerToken({ claims: { exp: nowSeconds - 10 } })],
  ['that has begun', true, withClaims({ nbf: nowSeconds - hour })],
  ['that has not begun', false, withClaims({ nbf: nowSeconds + hour })],
  [
    'by the signing key of the account',
    true,
    bearerToken({ issuer: signingKey, claims: { issuer_account: account.getPublicKey() } }),
  ],
  ['by another account', false, bearerToken({ issuer: stranger })],
  [
    'by another account for this one',
    false,
    bearerToken({ issuer: stranger, claims: { issuer_account: account.getPublicKey() } }),
  ],
  ['by another key than it says', false, withClaims({}, stranger)],
  ['by the user itself', false, bearerToken({ issuer: user })],
  ['by the operator', false, bearerToken({ issuer: operator })],
  ['about an account', 'by the server', bearerToken({ subject: createAccount() })],
  ['about an operator', 'by the server', bearerToken({ subject: createOperator() })],
  ['about nobody', 'by the server', withClaims({ sub: '' })],
  ['that is of an account', false, bearerToken({ claims: { type: 'account' } })],
  ['of a user who was revoked', false, bearerToken({ subject: revokedUser })],
  ['for WebSockets', true, bearerToken({ claims: { allowed_connection_types: ['WEBSOCKET', 'MQTT'] } })],
  ['for other connections', false, bearerToken({ claims: { allowed_connection_types: ['STANDARD'] } })],
  ['for other addresses', false, bearerToken({ claims: { src: ['10.0.0.0/8'] } })],
  ['that allows what is no subject', 'by some servers', bearerToken({ claims: { pub: { allow: ['a..b'] } } })],
  ['without a signature', false, `${bearerToken().split('.').slice(0, 2).join('.')}.`],
  ['with a signature that was changed', false, damaged()],
  ['with another algorithm', false, withHead({ typ: 'JWT', alg: 'none' })],
  ['that says HS256', false, withHead({ typ: 'JWT', alg: 'HS256' })],
]

describe.each(inject('natsServers'))('reliability T7: verifyNatsJwt and nats-server $version', (binary) => {
  const verify = verifyNatsJwt({
    issuers: [account.getPublicKey(), signingKey.getPublicKey()],
    isRevoked: (who, issuedAt) => who === revokedUser.getPublicKey() && issuedAt <= nowSeconds + day,
  })
  let addresses: Addresses
  let stop: (() => Promise<void>) | undefined

  beforeAll(async () => {
    const broker = await startNatsServer({ binary, config: config(), websocket: true, jetstream: false })
    addresses = directly(broker)
    stop = () => broker.stop()
  })
  afterAll(() => stop?.())

  async function isServed(authenticator: Authenticator): Promise<boolean> {
    try {
      const nats = await connectBy('ws', addresses, { authenticator })
      await nats.flush()
      await nats.close()
      return true
    } catch {
      return false
    }
  }

  it.each(tokens)('agree on a token %s, let in: %s', async (_name, isLetIn, text) => {
    const served = await isServed(jwtAuthenticator(text))
    expect(verify(text) !== undefined).toBe(isLetIn === true)
    if (isLetIn !== 'by some servers') expect(served).toBe(isLetIn !== false)
  })

  it('agree on what is allowed', async () => {
    const text = bearerToken({ claims: { pub: { allow: ['a.>'], deny: ['a.b'] } } })
    const nats = await connectBy('ws', addresses, { authenticator: jwtAuthenticator(text) })
    const denied = new Set<string>()
    void (async () => {
      for await (const status of nats.status()) {
        if (status.type === 'error') denied.add(/"([^"]+)"/.exec(status.error.message)?.[1] ?? '')
      }
    })()
    const subjects = ['a.c', 'a.b', 'b', 'a.c.d', 'a']
    for (const subject of subjects) nats.publish(subject)
    const permissions = verify(text)?.permissions
    const refused = subjects.filter((subject) => permissions?.allows('publish', subject) === false)
    await nats.flush()
    await vi.waitFor(() => expect([...denied].toSorted()).toEqual(refused.toSorted()))
    expect(refused).not.toEqual([])
    await nats.close()
  })

  // Whoever shows a token over HTTP proves no key: without it the token is anybody's.
  it('do not take a token for its user without the key, which only the server can ask for', async () => {
    const text = bearerToken({ claims: { bearer_token: false } })
    const signedBy = (key: KeyPair, nonceOf = (nonce?: string) => nonce): Authenticator => {
      const seed = key.getSeed()
      const right = jwtAuthenticator(text, seed)
      return (nonce) => right(nonceOf(nonce))
    }
    expect(await isServed(signedBy(user))).toBe(true)
    expect(await isServed(signedBy(user, () => 'another nonce'))).toBe(false)
    expect(await isServed(signedBy(createUser()))).toBe(false)
    expect(await isServed(jwtAuthenticator(text))).toBe(false)
    expect(verify(text)).toBeUndefined()
  })
})
