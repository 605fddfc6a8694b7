// SPDX-License-Identifier: Apache-2.0
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { wsGateway } from '../index.ts'
import { principalOf } from '../middleware/request.test-support.ts'
import { open, startAttached } from '../upgrade/hosts.test-support.ts'
import { WsError } from '../ws-error.ts'
import { basicAuth, type BasicAuthOptions } from './basic-auth.ts'
import { CredentialTable, hashCredential } from './credential.ts'

const users = { jo: hashCredential('s3cret: with colon'), zoë: hashCredential('pässword') }

function basic(pair: string): string {
  return `Basic ${Buffer.from(pair).toString('base64')}`
}

async function ask(options: BasicAuthOptions, authorization?: string): Promise<Response> {
  const app = new Hono()
  app.get('/', basicAuth(options), (c) => c.json({ principal: c.get('principal' as never) }))
  return app.request('/', authorization === undefined ? {} : { headers: { authorization } })
}

describe('basicAuth', () => {
  it.each([
    ['jo', 's3cret: with colon'],
    ['zoë', 'pässword'],
  ])('lets %s in with the password, and says who it is', async (user, password) => {
    const response = await ask({ users }, basic(`${user}:${password}`))
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ principal: { id: `basic:${user}`, name: user, claims: {} } })
  })

  it('knows the scheme in any case', async () => {
    expect((await ask({ users }, basic('jo:s3cret: with colon').replace('Basic', 'bASIC '))).status).toBe(200)
  })

  it.each([
    ['nothing', undefined],
    ['an empty header', ''],
    ['the scheme alone', 'Basic'],
    ['the scheme and a blank', 'Basic '],
    ['another scheme', `Bearer ${Buffer.from('jo:s3cret: with colon').toString('base64')}`],
    ['a scheme that only begins alike', `Basically ${Buffer.from('jo:x').toString('base64')}`],
    ['no base64', 'Basic ???'],
    ['base64 with something behind', `${basic('jo:s3cret: with colon')} x`],
    ['no colon', basic('jo')],
    ['no UTF-8', `Basic ${Buffer.from([0xff, 0x3a, 0x41]).toString('base64')}`],
    ['a wrong password', basic('jo:s3cret')],
    ['a longer password', basic('jo:s3cret: with colon!')],
    ['an empty password', basic('jo:')],
    ['another user', basic('al:s3cret: with colon')],
    ['no user', basic(':s3cret: with colon')],
    ['the name of a method', basic('constructor:x')],
    ['the hash itself', basic(`jo:${users.jo}`)],
    ['far too much', basic(`jo:${'x'.repeat(10_000)}`)],
  ])('refuses %s', async (_what, authorization) => {
    const response = await ask({ users, realm: 'my api' }, authorization)
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe('Basic realm="my api", charset="UTF-8"')
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(await response.json()).toMatchObject({ status: 401, code: 'unauthorized', title: 'Authentication required' })
  })

  it('asks verify, which says who it is', async () => {
    const asked: string[] = []
    const verify = async (user: string, password: string): Promise<ReturnType<typeof principalOf> | undefined> => {
      asked.push(user, password)
      return password === 'right' ? principalOf(`ldap:${user}`) : undefined
    }
    const response = await ask({ verify }, basic('jo:right'))
    expect(await response.json()).toMatchObject({ principal: { id: 'ldap:jo' } })
    expect((await ask({ verify }, basic('jo:wrong'))).status).toBe(401)
    expect(asked).toStrictEqual(['jo', 'right', 'jo', 'wrong'])
  })

  it('refuses with the code verify throws, and leaves other errors to the application', async () => {
    const throwing = (error: Error) => (): never => {
      throw error
    }
    const forbidden = await ask({ verify: throwing(new WsError('forbidden', { message: 'locked' })) }, basic('a:b'))
    expect([forbidden.status, forbidden.headers.get('www-authenticate')]).toStrictEqual([403, null])
    expect(await forbidden.json()).toMatchObject({ code: 'forbidden', detail: 'locked' })
    const limited = await ask({ verify: throwing(new WsError('rate_limited', { retryAfterMs: 1500 })) }, basic('a:b'))
    expect([limited.status, limited.headers.get('retry-after')]).toStrictEqual([429, '2'])
  })

  it('refuses a principal that has expired', async () => {
    const expiring = (expiresAt: number) => () => ({ ...principalOf('x'), expiresAt })
    expect((await ask({ verify: expiring(Date.now() - 1) }, basic('a:b'))).status).toBe(401)
    expect((await ask({ verify: expiring(Date.now() + 60_000) }, basic('a:b'))).status).toBe(200)
  })

  it.each([
    [{ users: { 'a:b': users.jo } }, 'the name "a:b" holds a colon'],
    [{}, 'basicAuth: give one of users and verify'],
    [{ users, verify: () => undefined }, 'basicAuth: give one of users and verify'],
    [{ verify: 'x' as never }, 'basicAuth.verify: "x" is not a function'],
    [{ users, realm: 'a"b' }, 'realm: "a\\"b" is not printable'],
    [{ users, realm: 'a\r\nb' }, 'realm:'],
    [{ users, user: 1 } as object, 'there is no option "user"'],
  ])('throws at %j', (options, message) => {
    expect(() => basicAuth(options)).toThrow(message)
  })

  it.each(['s3cret', '', users.jo.slice(0, -1), `${users.jo}0`, users.jo.toUpperCase(), 'md5:0'])(
    'keeps no password, only the hash of one: not %j (D23)',
    (password) => {
      const message = 'basicAuth.users.jo: not a hash; write hashCredential(secret), never the secret itself'
      expect(() => basicAuth({ users: { jo: password } })).toThrow(new TypeError(message))
    },
  )

  it('guards a channel', async () => {
    const gateway = wsGateway()
    gateway
      .channel('/', {})
      .http(basicAuth({ users }))
      .default(({ connection }) => connection.principal?.id)
    const host = await startAttached(new Hono().route('/', gateway.routes))
    await expect(open(host, '/')).rejects.toThrow('401')
    const { ws, next } = await open(host, '/', { headers: { authorization: basic('jo:s3cret: with colon') } })
    ws.send('who am I')
    expect(await next()).toBe('basic:jo')
  })
})

describe('CredentialTable', () => {
  it('takes as long for a name that is not there, and for a secret that begins well (D23)', () => {
    const secret = 'x'.repeat(2000)
    const table = new CredentialTable('users', { jo: hashCredential(secret) })
    const near = `${secret.slice(0, -1)}y`
    const far = `y${secret.slice(1)}`
    const asks: Readonly<Record<string, () => boolean>> = {
      unknown: () => table.holds('al', near),
      near: () => table.holds('jo', near),
      far: () => table.holds('jo', far),
    }
    const best: Record<string, number> = { unknown: Infinity, near: Infinity, far: Infinity }
    const ratio = (): number => Math.max(...Object.values(best)) / Math.min(...Object.values(best))
    // The fastest of many rounds, in turn: noise only ever adds, so that more of them come closer to the truth.
    for (let round = 0; round < 60 || (round < 3000 && ratio() >= 1.5); round++) {
      for (const [name, ask] of Object.entries(asks)) {
        const start = process.hrtime.bigint()
        for (let call = 0; call < 50; call++) ask()
        best[name] = Math.min(best[name] ?? Infinity, Number(process.hrtime.bigint() - start))
      }
    }
    expect(ratio()).toBeLessThan(1.5)
  })
})
