// SPDX-License-Identifier: Apache-2.0
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { inspect } from 'node:util'
import { array, assert, constantFrom, oneof, property, string, webPath } from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { fullRequest, lightRequest } from './handshake-request.ts'

interface Shape {
  readonly url?: string
  readonly host?: string
  readonly headers?: readonly string[]
  readonly isEncrypted?: boolean
}

function incomingOf({ url = '/chat?room=1', host, headers = [], isEncrypted = false }: Shape = {}): IncomingMessage {
  const socket = new Socket()
  if (isEncrypted) Object.assign(socket, { encrypted: true })
  const incoming = new IncomingMessage(socket)
  incoming.url = url
  if (host !== undefined) incoming.headers.host = host
  incoming.rawHeaders = [...(host === undefined ? [] : ['Host', host]), ...headers]
  return incoming
}

function lightOf(shape?: Shape): Request {
  const request = lightRequest(incomingOf(shape))
  if (request === undefined) throw new TypeError('malformed')
  return request
}

const kinds = [
  { kind: 'full', requestOf: fullRequest },
  { kind: 'light', requestOf: lightRequest },
]

describe.each(kinds)('a $kind request', ({ requestOf }) => {
  it.each([
    ['/chat?room=1', 'example.com', 'http://example.com/chat?room=1'],
    ['/', 'EXAMPLE.com:80', 'http://example.com/'],
    ['/v1.2/a', '127.1:8080', 'http://127.0.0.1:8080/v1.2/a'],
    ['/a/../b/./c', 'example.com', 'http://example.com/b/c'],
    ['/a/%2e%2e/b', 'example.com', 'http://example.com/b'],
    ['/.hidden', 'example.com', 'http://example.com/.hidden'],
    ['/..', 'example.com', 'http://example.com/'],
    ["/it's?it's", 'example.com', "http://example.com/it's?it%27s"],
    ['/a{b}|c', 'example.com', 'http://example.com/a%7Bb%7D|c'],
    ['//other.example/a', 'example.com', 'http://example.com//other.example/a'],
    ['/a#b', '[::1]:9', 'http://[::1]:9/a#b'],
  ])('has the URL of %s at %s as a parser writes it', (url, host, expected) => {
    expect(requestOf(incomingOf({ url, host }))?.url).toBe(expected)
  })

  it('is of https over TLS, and of localhost without a Host', () => {
    expect(requestOf(incomingOf({ url: '/a', host: 'example.com', isEncrypted: true }))?.url).toBe(
      'https://example.com/a',
    )
    expect(requestOf(incomingOf({ url: '/a' }))?.url).toBe('http://localhost/a')
  })

  it.each([
    ['/a', 'user@example.com'],
    ['/a', 'example.com/b'],
    ['/a', 'example.com:99999'],
    ['/a', 'a b'],
    ['/a\\b', 'example.com'],
  ])('is none where the target is %s and the Host %s', (url, host) => {
    expect(requestOf(incomingOf({ url, host }))).toBeUndefined()
  })

  it('has every header, repeated ones joined', () => {
    const headers = ['X-Token', 'a', 'x-token', 'b', 'Cookie', 'c=1']
    const request = requestOf(incomingOf({ host: 'example.com', headers }))
    expect([...(request?.headers ?? [])]).toEqual([
      ['cookie', 'c=1'],
      ['host', 'example.com'],
      ['x-token', 'a, b'],
    ])
  })

  it('is what it says it is', async () => {
    const request = requestOf(incomingOf({ host: 'example.com', headers: ['X-Token', 'a'] }))
    expect(request).toBeInstanceOf(Request)
    expect(request?.method).toBe('GET')
    expect(request?.body).toBeNull()
    expect(request?.bodyUsed).toBe(false)
    expect(request?.redirect).toBe('follow')
    expect(request?.signal.aborted).toBe(false)
    expect(await request?.text()).toBe('')
    expect((await request?.arrayBuffer())?.byteLength).toBe(0)
    await expect(request?.json()).rejects.toThrow(SyntaxError)
  })

  it('is cloned with its headers, also those that were added to it', () => {
    const request = requestOf(incomingOf({ url: '/a', host: 'example.com', headers: ['X-Token', 'a'] }))
    request?.headers.set('X-Added', 'b')
    const clone = request?.clone()
    expect(clone?.url).toBe('http://example.com/a')
    expect(clone?.headers.get('x-token')).toBe('a')
    expect(clone?.headers.get('x-added')).toBe('b')
    request?.headers.set('X-Added', 'c')
    expect(request?.headers.get('x-added')).toBe('c')
    expect(clone?.headers.get('x-added')).toBe('b')
    expect(new Request('http://other.example', clone).headers.get('x-token')).toBe('a')
  })
})

describe('a light request', () => {
  it('has the members that a Request has, and answers as one does', () => {
    const [light, full] = [lightOf({ host: 'example.com' }), fullRequest(incomingOf({ host: 'example.com' }))]
    const names = Object.getOwnPropertyNames(Request.prototype)
    expect(names).toContain('url')
    for (const name of names) {
      const [value, expected]: unknown[] = [Reflect.get(light, name), Reflect.get(full ?? {}, name)]
      expect(typeof value, name).toBe(typeof expected)
      if (typeof expected !== 'object' && typeof expected !== 'function') expect(value, name).toBe(expected)
    }
  })

  it('is shown with its URL', () => {
    expect(inspect(lightOf({ url: '/shown', host: 'example.com' }))).toContain('http://example.com/shown')
  })

  it('fills in another request when it is given as its options, and cannot become one itself', () => {
    const light = lightOf({ host: 'example.com', headers: ['X-Token', 'a'] })
    expect(new Request('http://other.example', light).headers.get('x-token')).toBe('a')
    expect(() => new Request(light)).toThrow(TypeError)
  })

  it('follows the class of requests when it is replaced', () => {
    const Before = globalThis.Request
    class Replaced extends Before {}
    globalThis.Request = Replaced
    try {
      const light = lightOf({ host: 'example.com' })
      expect(light).toBeInstanceOf(Replaced)
      expect(light.clone()).toBeInstanceOf(Before)
      expect(light.url).toBe('http://example.com/chat?room=1')
    } finally {
      globalThis.Request = Before
    }
    expect(lightOf({ host: 'example.com' })).not.toBeInstanceOf(Replaced)
  })

  it(
    'has the URL of a full one whatever the target is',
    () => {
      const target = array(
        constantFrom('/', '.', '..', 'a', '%2e', '%', '?', '&', "'", '"', ' ', '#', '@', ':', 'é', '\t', '{'),
      ).map((parts) => `/${parts.join('')}`)
      assert(
        property(oneof(target, webPath(), string({ unit: 'binary-ascii' })), (url) => {
          const incoming = incomingOf({ url: url.startsWith('/') ? url : `/${url}`, host: 'example.com:8080' })
          expect(lightRequest(incoming)?.url).toBe(fullRequest(incoming)?.url)
        }),
        { numRuns: inject('propertyRuns') },
      )
    },
    60_000 + inject('propertyRuns'),
  )
})
