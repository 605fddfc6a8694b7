// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { contextFor } from './context.test-support.ts'
import type { StandardSchema } from './standard-schema.ts'

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'))
const badRequest = expect.objectContaining({ name: 'ServiceError', code: 'bad_request' })
const urlencoded = 'application/x-www-form-urlencoded'

function thrownBy(run: () => unknown): unknown {
  try {
    return run()
  } catch (error) {
    return error
  }
}

describe('a request', () => {
  it('carries every field of the envelope', () => {
    const c = contextFor({
      url: '/a?x=1',
      method: 'POST',
      remoteAddr: '[::1]:9',
      body: bytes('\0\xff'),
      headers: ['X-A', 'caf\xe9'],
      webSocketId: 'id',
    })
    const { url, method, remoteAddr, body, headers, webSocketId } = c.request
    expect([url, method, remoteAddr, [...body], headers.get('x-a'), webSocketId]).toEqual([
      '/a?x=1',
      'POST',
      '[::1]:9',
      [0, 255],
      'caf\u00e9',
      'id',
    ])
    expect([c.isWebSocket, c.websocketId]).toEqual([true, 'id'])
  })

  it('is no WebSocket handshake without an id', () => {
    const c = contextFor({})
    expect([c.isWebSocket, c.websocketId]).toEqual([false, ''])
  })

  it('owns its body', () => {
    const body = bytes('mine')
    const c = contextFor({ body })
    body.fill(0)
    expect(Buffer.from(c.request.body).toString()).toBe('mine')
  })

  it('gives headers in any case', () => {
    const c = contextFor({ headers: ['x-b3-TRACEID', '1', 'X-B3-Traceid', '2'] })
    expect(c.headerVariable('X-B3-TraceId')).toBe('1')
    expect(c.headerVariable('absent')).toBe('')
  })
})

describe('pathVariable', () => {
  it.each([
    ['/u/:id', '/u/7', 'id', '7'],
    ['/u/:id', '/u/7/', 'id', '7'],
    ['/u/:id', '/u/7?id=8', 'id', '7'],
    ['/u/:id/x', '/u/a%2Fb/x', 'id', 'a'],
    ['/u/:id', '/u/a%3Fb%23c', 'id', 'a?b#c'],
    ['/u/:id', '/u/a.b', 'id', 'a.b'],
    ['/u/:id', '/u/%C3%A9', 'id', '\u00e9'],
    ['/u/:id', '/u/%E9', 'id', '\u00e9'],
    ['/u/:id', '/u/%252F', 'id', '%2F'],
    ['/f/:name.json', '/f/x.json', 'name.json', 'x.json'],
    ['/u/:user-id/x', '/u/7/x', 'user-id', '7'],
    ['/:a/>', '/1/2/3', 'a', '1'],
    ['/u/:id', '/u/7', 'other', ''],
    ['/u/:id', '/u', 'id', ''],
    ['/u/:id', '/u/%zz', 'id', ''],
    ['/u/:id', '', 'id', ''],
    ['/u/:id', '/u/7', '__proto__', ''],
  ])('of %s in %s is, for %s, %j', (pattern, url, name, value) => {
    expect(contextFor({ url }, pattern).pathVariable(name)).toBe(value)
  })
})

describe('forms', () => {
  const post = (body: string, type = urlencoded, url = '/?a=query&q=1') =>
    contextFor({ method: 'POST', url, body: bytes(body), headers: ['Content-Type', type] })

  it('reads the query of a GET', () => {
    const c = contextFor({ url: '/x?a=1&a=2&b=%C3%A9&c=+' })
    c.parseForm()
    expect([c.formVariable('a'), c.formVariable('b'), c.formVariable('c'), c.formVariable('d')]).toEqual([
      '1',
      '\u00e9',
      ' ',
      '',
    ])
    expect(c.formValues('a')).toEqual(['1', '2'])
    expect(c.formValues('d')).toEqual([])
  })

  it.each(['POST', 'PUT', 'PATCH'])('lets the body of a %s win over the query', (method) => {
    const c = contextFor({
      method,
      url: '/?a=query&q=1',
      body: bytes('a=1&a=2'),
      headers: ['Content-Type', urlencoded],
    })
    c.parseForm()
    expect([c.formVariable('a'), c.formVariable('q')]).toEqual(['1', '1'])
    expect(c.formValues('a')).toEqual(['1', '2', 'query'])
  })

  it('leaves the body of a DELETE alone', () => {
    const c = contextFor({ method: 'DELETE', url: '/?a=1', body: bytes('a=2'), headers: ['Content-Type', urlencoded] })
    c.parseForm()
    expect(c.formValues('a')).toEqual(['1'])
  })

  it.each(['application/x-www-form-urlencoded; charset=utf-8', 'Application/X-WWW-Form-UrlEncoded ;x'])(
    'takes %s',
    (type) => {
      const c = post('a=1', type)
      c.parseForm()
      expect(c.formVariable('a')).toBe('1')
    },
  )

  it.each([
    ['another type', 'a=1', 'application/json'],
    ['no type', 'a=1', ''],
    ['an empty body', '', urlencoded],
  ])('refuses %s, yet sets the query', (_, body, type) => {
    const c = post(body, type)
    expect(thrownBy(() => c.parseForm())).toEqual(badRequest)
    expect([c.formVariable('a'), c.formVariable('q')]).toEqual(['query', '1'])
  })

  it('takes a body of 10 MiB and no more', () => {
    const c = post(`a=${'x'.repeat(10 * 1024 * 1024 - 2)}`)
    c.parseForm()
    expect(c.formVariable('a')).toHaveLength(10 * 1024 * 1024 - 2)
    const tooLarge = post(`a=${'x'.repeat(10 * 1024 * 1024 - 1)}`)
    expect(thrownBy(() => tooLarge.parseForm())).toMatchObject({ code: 'body_too_large' })
    expect(tooLarge.formVariable('a')).toBe('query')
  })

  it('gives a form that the sender has parsed, until parseForm() replaces it', () => {
    const c = contextFor({ url: '/?b=2', form: ['a', 'caf\xc3\xa9', 'a', '2'] })
    expect(c.formValues('a')).toEqual(['caf\u00e9', '2'])
    c.parseForm()
    expect([c.formVariable('a'), c.formVariable('b')]).toEqual(['', '2'])
  })

  it('hands out lists that cannot change it', () => {
    const c = contextFor({ url: '/?a=1' })
    c.parseForm()
    c.formValues('a').push('2')
    expect(c.formValues('a')).toEqual(['1'])
  })
})

const json = (text: string) => contextFor({ method: 'POST', body: bytes(text) })
const schema = (validate: StandardSchema<number>['~standard']['validate']): StandardSchema<number> => ({
  '~standard': { version: 1, vendor: 'test', validate },
})

describe('bindJSON', () => {
  it('parses without a schema', () => {
    expect(json('{"a":1}').bindJSON()).toEqual({ a: 1 })
  })

  it('refuses what is no JSON', async () => {
    expect(thrownBy(() => json('{').bindJSON())).toEqual(badRequest)
    await expect(json('{').bindJSON(schema(() => ({ value: 1 })))).rejects.toEqual(badRequest)
  })

  it('gives what the schema makes of it, also asynchronously', async () => {
    expect(await json('20').bindJSON(schema((value) => ({ value: Number(value) + 1 })))).toBe(21)
    expect(await json('20').bindJSON(schema((value) => Promise.resolve({ value: Number(value) + 2 })))).toBe(22)
  })

  it('says where the schema disagrees', async () => {
    const issues = [{ message: 'must be a number', path: ['a', { key: 0 }] }, { message: 'is too old' }]
    await expect(json('{}').bindJSON(schema(() => ({ issues })))).rejects.toMatchObject({
      code: 'bad_request',
      message: 'a.0: must be a number; is too old',
    })
  })
})

describe('a response', () => {
  it('is 200 without headers and body at first', () => {
    const { response } = contextFor({})
    expect([response.statusCode, response.headersToSend(), response.body.length]).toEqual([200, [], 0])
  })

  it('carries JSON with its type', () => {
    const c = contextFor({})
    c.json(201, { name: '\u20ac' })
    expect(c.response.statusCode).toBe(201)
    expect(c.response.body).toBe('{"name":"\u20ac"}')
    expect(c.response.headers.get('content-type')).toBe('application/json; charset=utf-8')
  })

  it('keeps a Content-Type that is set', () => {
    const c = contextFor({})
    c.response.headers.set('content-type', 'application/hal+json')
    c.json(200, {})
    expect(c.response.headers.getAll('content-type')).toEqual(['application/hal+json'])
  })

  it('does not hide what JSON cannot hold', () => {
    const c = contextFor({})
    const circular: { self?: unknown } = {}
    circular.self = circular
    for (const value of [undefined, () => 1, 1n, circular]) expect(() => c.json(200, value)).toThrow(TypeError)
    expect(c.response.body).toHaveLength(0)
  })

  it('is aborted with JSON, by default as 500', () => {
    const [c, other] = [contextFor({}), contextFor({})]
    c.abortWithJSON({ why: 1 })
    other.abortWithJSON({ why: 2 }, 403)
    expect([c.aborted, c.response.statusCode, c.response.body]).toEqual([true, 500, '{"why":1}'])
    expect([other.aborted, other.response.statusCode]).toEqual([true, 403])
  })

  it('drops the headers that belong to the connection', () => {
    const { response } = contextFor({})
    for (const name of [
      'connection',
      'Content-Length',
      'TRANSFER-ENCODING',
      'Keep-Alive',
      'te',
      'trailer',
      'Upgrade',
    ]) {
      response.headers.set(name, '1')
    }
    response.headers.set('X-Kept', '2')
    expect(response.headersToSend()).toEqual(['X-Kept', '2'])
  })

  it('forgets an error once JSON is answered', () => {
    const c = contextFor({})
    c.error(409, 'taken')
    expect([c.response.statusCode, c.response.errorAnswer?.text]).toEqual([409, 'taken'])
    c.json(200, {})
    expect(c.response.errorAnswer).toBeUndefined()
  })

  it('answers 500 for an error code that is no status', () => {
    const c = contextFor({})
    c.error(1234, 'odd')
    expect([c.response.statusCode, c.response.errorAnswer?.status]).toEqual([500, 1234])
  })
})
