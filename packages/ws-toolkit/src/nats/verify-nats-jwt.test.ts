// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto'
import { parseSubject } from '@nats-edge/wire-parser'
import * as fc from 'fast-check'
import { describe, expect, inject, it, onTestFinished, vi } from 'vitest'
import { bearer } from '../http/bearer.ts'
import { verifyNatsJwt } from '../nats.ts'
import { testGateway } from '../testing.ts'
import { wsGateway } from '../ws-gateway.ts'
import { decodePublicKey } from './nkey.ts'

// Made by nkeys 2.0.3: the seed of the account is `SAAIGXL5Z2YXP3QK5RXEMBEC4EGKHAQFO7M2TZ7KVWAPEUP7QMD6Q3HJQI`.
const account = 'ADTOV4AU4Y4IYJWPVQNK6EVIG2YWI2I6WITEXBLBZUN3VL2ZOPQCM7QI'
const user = 'UDN3S746RXYLTK6AQYGLRND5RB2QINMMWGGU5367TGSJKWF3UEDHULEE'
const accountSeed = Buffer.from('835d7dceb177ee0aec6e460482e10ca3820577d9a9e7eaad80f251ff8307e86c', 'hex')
const ownKey = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), accountSeed]),
  format: 'der',
  type: 'pkcs8',
})

const verify = verifyNatsJwt({ issuers: [account] })
const nowSeconds = Math.floor(Date.now() / 1000)

interface Parts {
  readonly head?: object
  readonly claims?: object
  readonly nats?: object
  readonly key?: typeof ownKey
}

function base64(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function tokenOf({ head, claims, nats, key = ownKey }: Parts = {}): string {
  const body = {
    jti: 'X',
    iat: nowSeconds,
    iss: account,
    sub: user,
    name: 'ada',
    exp: nowSeconds + 3600,
    nats: { type: 'user', version: 2, bearer_token: true, pub: {}, sub: {}, ...nats },
    ...claims,
  }
  const signed = `${base64({ typ: 'JWT', alg: 'ed25519-nkey', ...head })}.${base64(body)}`
  return `${signed}.${sign(null, Buffer.from(signed), key).toString('base64url')}`
}

const foreign = generateKeyPairSync('ed25519').privateKey

describe('verifyNatsJwt', () => {
  it('knows the user, its time and its permissions', () => {
    const nats = { pub: { allow: ['orders.>'], deny: ['orders.secret'] }, sub: { allow: ['news.*'] } }
    const principal = verify(tokenOf({ nats }))
    expect(principal).toMatchObject({ id: `nats:${user}`, name: 'ada', expiresAt: (nowSeconds + 3600) * 1000 })
    const allows = (action: 'publish' | 'subscribe', subject: string): boolean | undefined =>
      principal?.permissions.allows(action, parseSubject(subject) ?? '')
    expect([allows('publish', 'orders.new'), allows('publish', 'orders.secret'), allows('publish', 'x')]).toEqual([
      true,
      false,
      false,
    ])
    expect([allows('subscribe', 'news.a'), allows('subscribe', 'x')]).toEqual([true, false])
    expect(principal?.permissions.allows('manage', 'stream.A.purge')).toBe(false)
  })

  it.each<[string, Parts]>([
    ['never ends', { claims: { exp: 0 } }],
    ['says no end', { claims: { exp: undefined } }],
    ['began before', { claims: { nbf: nowSeconds - 1 } }],
    ['has no name', { claims: { name: undefined } }],
    ['is for WebSockets', { nats: { allowed_connection_types: ['STANDARD', 'WEBSOCKET'] } }],
    ['limits nothing', { nats: { src: [], times: null, allowed_connection_types: [], pub: { allow: [] } } }],
  ])('takes a token that %s', (_what, parts) => {
    expect(verify(tokenOf(parts))?.id).toBe(`nats:${user}`)
  })

  it.each<[string, Parts]>([
    ['another account has signed', { claims: { iss: user } }],
    ['another key has signed', { key: foreign }],
    ['says another algorithm', { head: { alg: 'none' } }],
    ['says HS256', { head: { alg: 'HS256' } }],
    ['is over', { claims: { exp: nowSeconds - 1 } }],
    ['ends at no time', { claims: { exp: 'soon' } }],
    ['has not begun', { claims: { nbf: nowSeconds + 3600 } }],
    ['begins at no time', { claims: { nbf: 'soon' } }],
    ['was issued at no time', { claims: { iat: undefined } }],
    ['needs the key of its user', { nats: { bearer_token: false } }],
    ['does not say that it needs no key', { nats: { bearer_token: undefined } }],
    ['is of an account', { nats: { type: 'account' } }],
    ['is about an account', { claims: { sub: account } }],
    ['is about nobody', { claims: { sub: undefined } }],
    ['has no part for NATS', { claims: { nats: undefined } }],
    ['is for other connections', { nats: { allowed_connection_types: ['MQTT'] } }],
    ['is for some addresses only', { nats: { src: ['10.0.0.0/8'] } }],
    ['is for some hours only', { nats: { times: [{ start: '08:00:00', end: '17:00:00' }] } }],
    ['allows what is no subject', { nats: { pub: { allow: ['a..b'] } } }],
    ['denies no list', { nats: { pub: { deny: 'a' } } }],
    ['has a list of permissions', { nats: { sub: ['a'] } }],
    ['is too long', { claims: { name: 'x'.repeat(8192) } }],
  ])('takes no token that %s', (_what, parts) => {
    expect(verify(tokenOf(parts))).toBeUndefined()
  })

  it.each(['', '.', '..', '...', 'a.b.c', `${tokenOf()}.`, `.${tokenOf()}`, tokenOf().slice(0, -2), tokenOf() + 'AA'])(
    'takes no text such as %j',
    (text) => {
      expect(verify(text)).toBeUndefined()
    },
  )

  it('takes no token of which a single character was changed', () => {
    const token = tokenOf()
    const character = fc.constantFrom('A', 'B', 'a', 'b', '0', '9', '-', '_', '.', '=')
    fc.assert(
      fc.property(fc.nat(token.length - 2), character, (at, other) => {
        const changed = token.slice(0, at) + other + token.slice(at + 1)
        expect(verify(changed) === undefined).toBe(changed !== token)
      }),
      { numRuns: inject('propertyRuns') },
    )
  })

  it('takes no token of a user who was revoked', () => {
    const since = verifyNatsJwt({ issuers: [account], isRevoked: (who, at) => who === user && at <= nowSeconds })
    expect(since(tokenOf())).toBeUndefined()
    expect(since(tokenOf({ claims: { iat: nowSeconds + 1 } }))?.name).toBe('ada')
  })

  it.each([[{ issuers: [] }], [{ issuers: [user] }], [{ issuers: [`${account.slice(0, -1)}A`] }], [{ issuers: 'A' }]])(
    'throws at %j',
    (options) => {
      expect(() => verifyNatsJwt(options as { issuers: string[] })).toThrow(/^verifyNatsJwt\.issuers: /)
    },
  )

  it('lets a bearer into a channel, until its token ends', async () => {
    const gateway = wsGateway()
    gateway
      .channel('/', { heartbeatMs: 40 })
      .http(bearer({ verify }))
      .default(({ connection }) => connection.principal?.name)
    const rig = testGateway(gateway)
    onTestFinished(() => rig.close())
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const exp = Math.floor(Date.now() / 1000) + 60
    const soon = { claims: { exp } }
    const client = await rig.connect('/', { headers: { Authorization: `Bearer ${tokenOf(soon)}` } })
    client.send('who')
    expect(await client.next()).toBe('ada')
    vi.setSystemTime(exp * 1000)
    expect(await client.closed).toMatchObject({ code: 4201 })
    await expect(rig.connect('/', { headers: { Authorization: `Bearer ${tokenOf(soon)}` } })).rejects.toMatchObject({
      status: 401,
    })
  })
})

describe('decodePublicKey', () => {
  it('reads keys of its kind, and no other text', () => {
    expect(decodePublicKey('account', account)?.toString('hex')).toMatch(/^[0-9a-f]{64}$/)
    expect(decodePublicKey('user', account)).toBeUndefined()
    expect(decodePublicKey('account', account.toLowerCase())).toBeUndefined()
    for (const text of ['', account.slice(1), `${account}A`, `${account.slice(0, 20)}B${account.slice(21)}`]) {
      expect(decodePublicKey('account', text)).toBeUndefined()
    }
  })
})
