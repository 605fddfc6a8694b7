// SPDX-License-Identifier: Apache-2.0
import { createServer } from 'node:https'
import { describe, expect, it } from 'vitest'
import { codeOf, failureOf, requestOf } from '../middleware/request.test-support.ts'
import { cert, key } from '../upgrade/tls.test-support.ts'
import { WsError } from '../ws-error.ts'
import { httpBackend } from './http-backend.ts'
import { httpPool, type HttpPool } from './http-pool.ts'
import { answer, serviceOf, startService, until } from './service.test-support.ts'

describe('httpPool', () => {
  it('keeps connections alive, and closes those that idle', async () => {
    const service = await startService((_incoming, outgoing) => answer(outgoing, 'x'))
    const backendOf = (dispatcher: HttpPool): ReturnType<typeof httpBackend> =>
      httpBackend({ dispatcher, request: () => ({ path: '/' }) })
    const hasty = httpPool({ origin: service.origin, keepAliveMs: 100 })
    expect(await backendOf(hasty)(requestOf())).toBe('x')
    await until('the idle connection is closed', () => service.open() === 0)
    expect(await backendOf(hasty)(requestOf())).toBe('x')
    expect(service.connections()).toBe(2)
    hasty.close()
    await until('all are closed', () => service.open() === 0)
    const patient = httpPool({ origin: service.origin, keepAliveMs: 60_000 })
    for (let call = 0; call < 5; call++) expect(await backendOf(patient)(requestOf())).toBe('x')
    expect([service.connections(), service.open()]).toStrictEqual([3, 1])
    patient.close()
    await until('all are closed', () => service.open() === 0)
  })

  it.each([
    ['GET', 'again'],
    ['PUT', 'again'],
    ['POST', 'bad_reply'],
    ['PATCH', 'bad_reply'],
  ])('after a connection that was closed while idle, %s: %s', async (method, expected) => {
    let requests = 0
    const service = await startService((incoming, outgoing) => {
      requests += 1
      // The second one finds the connection closed, as when keep-alive has just run out.
      if (requests === 2) incoming.socket.destroy()
      else answer(outgoing, requests === 1 ? 'first' : 'again')
    })
    const backend = httpBackend({ origin: service.origin, connections: 1, request: () => ({ method, path: '/' }) })
    expect(await backend(requestOf())).toBe('first')
    const ended = await codeOf(async () => expect(await backend(requestOf())).toBe('again'))
    expect(ended).toBe(expected === 'again' ? 'ok' : expected)
    expect(await backend(requestOf())).toBe('again')
    backend.close()
  })

  it('does not ask a new connection twice', async () => {
    let requests = 0
    const service = await startService((incoming) => {
      requests += 1
      incoming.socket.destroy()
    })
    const backend = httpBackend({ origin: service.origin, request: () => ({ path: '/' }) })
    expect(await codeOf(() => backend(requestOf()))).toBe('bad_reply')
    expect(requests).toBe(1)
    backend.close()
  })

  it('opens no connection for a request that has left before its turn', async () => {
    const held: (() => void)[] = []
    const service = await startService((_incoming, outgoing) => held.push(() => answer(outgoing, 'x')))
    const backend = httpBackend({ origin: service.origin, connections: 1, request: () => ({ path: '/' }) })
    const first = backend(requestOf())
    const leaving = [requestOf(), requestOf()]
    const codes = leaving.map((request) => codeOf(() => backend(request)))
    const last = backend(requestOf())
    for (const request of leaving) request.abort(new WsError('closed'))
    expect(await Promise.all(codes)).toStrictEqual(['closed', 'closed'])
    for (const reply of [first, last]) {
      await until('a request has come', () => held.length > 0)
      held.shift()?.()
      expect(await reply).toBe('x')
    }
    expect(service.connections()).toBe(1)
    backend.close()
  })

  it('speaks TLS, and trusts what it is told to (D9)', async () => {
    const server = createServer({ key, cert }, (_incoming, outgoing) => outgoing.end('secret'))
    const service = await serviceOf(server, 'https')
    const trusting = httpPool({ origin: service.origin, tls: { ca: cert } })
    const reply = httpBackend({ dispatcher: trusting, request: () => ({ path: '/' }), as: 'text' })(requestOf())
    expect(await reply).toBe('secret')
    trusting.close()
    const strict = httpBackend({ origin: service.origin, request: () => ({ path: '/' }) })
    expect((await failureOf(() => strict(requestOf()))).cause).toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
    strict.close()
  })

  it('reaches an IPv6 address', () => {
    expect(httpPool({ origin: 'http://[::1]:8080' }).origin).toBe('http://[::1]:8080')
    expect(httpPool({ origin: 'https://example.com/' }).origin).toBe('https://example.com')
  })

  it.each([
    [{ origin: 'http://a/b' }, 'httpPool.origin: "http://a/b" is not an origin'],
    [{ origin: 'http://user@a' }, 'httpPool.origin'],
    [{ origin: 'http://a?x' }, 'httpPool.origin'],
    [{ origin: 'http://a', connections: 0 }, 'httpPool.connections: 0'],
    [{ origin: 'http://a', keepAliveMs: -1 }, 'httpPool.keepAliveMs: -1'],
    [{ origin: 'http://a', sockets: 1 } as never, 'there is no option "sockets"'],
  ])('refuses %j', (options, message) => {
    expect(() => httpPool(options)).toThrow(message)
  })
})
