// SPDX-License-Identifier: Apache-2.0
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { wsGateway } from '../index.ts'
import { principalOf } from '../middleware/request.test-support.ts'
import { hosts, open } from '../upgrade/hosts.test-support.ts'
import { WsError } from '../ws-error.ts'
import { bearer, type BearerOptions } from './bearer.ts'
import type { TokenSource } from './token-source.ts'
import type { Verified } from './verified.ts'

const token = 'abc.DEF-123_~+/=='

function verify(given: string): Verified {
  return given === token ? principalOf('user:jo') : undefined
}

interface Asked {
  readonly path?: string
  readonly headers?: Record<string, string>
}

async function ask(options: Partial<BearerOptions>, { path = '/', headers = {} }: Asked = {}): Promise<Response> {
  const app = new Hono()
  app.get('/', bearer({ verify, ...options }), (c) => c.json({ principal: c.get('principal' as never) }))
  return app.request(`http://api.example.com${path}`, { headers })
}

async function statusFor(options: Partial<BearerOptions>, asked: Asked = {}): Promise<number> {
  return (await ask(options, asked)).status
}

const own = { origin: 'http://api.example.com' }

describe('bearer', () => {
  it.each(['Bearer', 'bearer', 'BEARER', 'Bearer  '])('takes the token behind %j', async (scheme) => {
    const response = await ask({}, { headers: { authorization: `${scheme} ${token}` } })
    expect(await response.json()).toMatchObject({ principal: { id: 'user:jo' } })
  })

  // A header of under 7 bytes, another scheme of 6 letters, and what else a token is not.
  it.each([
    '',
    ' ',
    'B',
    'Bearer',
    'Bearer ',
    'Bearer\t',
    'Bear',
    'Basic! x',
    'Basic abc',
    'Bearerabc',
    'BearerX abc',
    'Bearer: abc',
    'Bearer,abc',
    'Bearer a b',
    'Bearer "abc"',
    'Bearer a"b',
    'Bearer a,b',
    'Bearer a;b',
    'Bearer a\\b',
    'Bearer a%20b',
    'Bearer a=b',
    'Bearer =',
    'Bearer ==abc',
    'Bearer a:b',
    'Bearer <abc>',
    'Bearer {abc}',
    'Bearer a|b',
    'Bearer a!b',
    'Bearer a@b',
    'Bearer a#b',
    'Bearer a$b',
    'Bearer a&b',
    'Bearer a(b)',
    'Bearer a*b',
    'Bearer a?b',
    'Bearer a[b]',
    'Bearer a^b',
    'Bearer a`b',
    "Bearer a'b",
    'Bearer é',
    `Bearer ${'a'.repeat(8193)}`,
    `Bearer ${token}x`,
    `Bearer ${token.toLowerCase()}`,
    `Token ${token}`,
  ])('refuses %j (D24)', async (authorization) => {
    expect(await statusFor({}, { headers: { authorization } })).toBe(401)
  })

  it('asks nobody about a token that is malformed, or has more than 8 KiB', async () => {
    const asked: string[] = []
    const options = {
      from: ['query:t'] as const,
      verify: (given: string): Verified => {
        asked.push(given)
        return principalOf('user:any')
      },
    }
    const longest = 'a'.repeat(8192)
    for (const given of ['a b', 'a"b', '=', `${longest}a`, 'a'.repeat(100_000)]) {
      expect(await statusFor(options, { path: `/?t=${encodeURIComponent(given)}` })).toBe(401)
    }
    expect(asked).toStrictEqual([])
    expect(await statusFor(options, { path: `/?t=${longest}` })).toBe(200)
    expect(asked).toStrictEqual([longest])
  })

  it('says whether a token is missing or invalid', async () => {
    const missing = await ask({ realm: 'api' })
    expect(missing.headers.get('www-authenticate')).toBe('Bearer realm="api"')
    const invalid = await ask({ realm: 'api' }, { headers: { authorization: 'Bearer wrong' } })
    expect(invalid.headers.get('www-authenticate')).toBe('Bearer realm="api", error="invalid_token"')
    expect(await invalid.json()).toMatchObject({ status: 401, code: 'unauthorized', detail: 'not accepted' })
  })

  it.each([
    [['query:t'], { path: `/?t=${encodeURIComponent(token)}` }, 200],
    [['query:t'], { path: `/?u=${encodeURIComponent(token)}` }, 401],
    [['query:t'], { headers: { authorization: `Bearer ${token}` } }, 401],
    [['header'], { path: `/?t=${encodeURIComponent(token)}` }, 401],
    [['subprotocol'], { headers: { 'sec-websocket-protocol': `chat, bearer.${token}` } }, 200],
    [['subprotocol'], { headers: { 'sec-websocket-protocol': `chat, bearer.wrong` } }, 401],
    [['subprotocol'], { headers: { 'sec-websocket-protocol': token } }, 401],
    [['cookie:s'], { headers: { cookie: `a=b; s=${token}`, ...own } }, 200],
    [['cookie:s'], { headers: { cookie: `s="${token}"`, ...own } }, 200],
    [['cookie:s'], { headers: { cookie: `xs=${token}`, ...own } }, 401],
    [['cookie:s'], { headers: { cookie: `S=${token}`, ...own } }, 401],
    [['header', 'query:t'], { path: `/?t=${encodeURIComponent(token)}` }, 200],
    [['header', 'query:t'], { path: `/?t=${encodeURIComponent(token)}`, headers: { authorization: 'Basic x' } }, 200],
    // The first token that is there counts, and no other.
    [['header', 'query:t'], { path: `/?t=${encodeURIComponent(token)}`, headers: { authorization: 'Bearer x' } }, 401],
  ] as [TokenSource[], Asked, number][])('from %j of %j: %i', async (from, asked, status) => {
    expect(await statusFor({ from }, asked)).toBe(status)
  })

  it.each([
    ['the own origin', { origin: 'http://api.example.com' }, 200],
    ['the own origin in capitals', { origin: 'HTTP://API.EXAMPLE.COM' }, 200],
    ['another scheme', { origin: 'https://api.example.com' }, 401],
    ['another port', { origin: 'http://api.example.com:8080' }, 401],
    ['a sibling', { origin: 'http://evil.example.com' }, 401],
    ['a host that begins alike', { origin: 'http://api.example.com.evil.com' }, 401],
    ['null', { origin: 'null' }, 401],
    ['none', {}, 401],
  ])('counts a cookie from %s: %j', async (_page, headers, status) => {
    expect(await statusFor({ from: ['cookie:s'] }, { headers: { cookie: `s=${token}`, ...headers } })).toBe(status)
  })

  it('counts cookies of the pages it is told', async () => {
    const options: Partial<BearerOptions> = { from: ['cookie:s'], origins: ['https://app.example.com'] }
    const headers = { cookie: `s=${token}`, origin: 'https://app.example.com' }
    expect(await statusFor(options, { headers })).toBe(200)
    expect(await statusFor(options, { headers: { ...headers, origin: 'https://evil.com' } })).toBe(401)
  })

  it('refuses with the code verify throws', async () => {
    const forbidding = (): never => {
      throw new WsError('forbidden')
    }
    expect(await statusFor({ verify: forbidding }, { headers: { authorization: 'Bearer a' } })).toBe(403)
    const failing = (): Promise<never> => Promise.reject(new Error('key server is down'))
    const app = new Hono()
    app.onError((error, c) => c.text(error.message, 500))
    app.get('/', bearer({ verify: failing }))
    const response = await app.request('/', { headers: { authorization: 'Bearer a' } })
    expect([response.status, await response.text()]).toStrictEqual([500, 'key server is down'])
  })

  it.each([
    [{ from: [] }, 'bearer.from: names no place'],
    [{ from: ['body' as never] }, 'bearer.from: "body" is not \'header\''],
    [{ from: ['query:' as never] }, 'bearer.from: "query:"'],
    [{ from: ['cookie:a b' as never] }, 'bearer.from: "cookie:a b"'],
    [{ from: [7 as never] }, 'bearer.from: 7'],
    [{ from: ['cookie:s' as const], origins: '*' as const }, "origins: '*' would let every page in"],
    [{ from: ['cookie:s' as const], origins: ['not an origin'] }, 'is not an origin'],
    [{ verify: undefined as never }, 'bearer.verify: is missing'],
    [{ realm: '"' }, 'realm:'],
    [{ scheme: 1 } as object, 'there is no option "scheme"'],
  ])('throws at %j', (options, message) => {
    expect(() => bearer({ verify, ...options })).toThrow(message)
  })
})

describe.each(hosts)('a channel with bearer() under $name', ({ start }) => {
  const startChannel = async (from: TokenSource[]): ReturnType<typeof start> => {
    const gateway = wsGateway()
    gateway
      .channel('/', { subprotocols: ['chat'] })
      .http(bearer({ verify: (given) => (given === 'ok' ? principalOf('user:jo') : undefined), from }))
      .default(({ connection }) => `${connection.principal?.id} ${connection.protocol}`)
    return start(new Hono().route('/', gateway.routes))
  }

  it('knows whose connection it is (D24)', async () => {
    const host = await startChannel(['header'])
    await expect(open(host, '/')).rejects.toThrow('401')
    await expect(open(host, '/', { headers: { authorization: 'Bearer no' } })).rejects.toThrow('401')
    const { ws, next } = await open(host, '/', { headers: { authorization: 'Bearer ok' } })
    ws.send('?')
    expect(await next()).toBe('user:jo ')
  })

  it('never answers with the subprotocol that is the token', async () => {
    const host = await startChannel(['subprotocol'])
    const { ws, next, response } = await open(host, '/', { protocols: ['bearer.ok', 'chat'] })
    ws.send('?')
    expect(await next()).toBe('user:jo chat')
    expect(response.headers['sec-websocket-protocol']).toBe('chat')
    await expect(open(host, '/', { protocols: ['bearer.no', 'chat'] })).rejects.toThrow('401')
  })
})
