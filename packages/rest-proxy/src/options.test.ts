// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { restProxy, type RestProxyOptions } from './index.ts'
import { resolveOptions } from './options.ts'
import { isSame } from './same.ts'

const nats = (): never => {
  throw new Error('not asked for')
}

function options(rest: object): RestProxyOptions {
  return { nats, ...rest }
}

function route(rest: object): RestProxyOptions {
  return options({ routes: [{ path: '/a', subject: 'a', ...rest }] })
}

describe('resolveOptions', () => {
  it('has a finite default for every limit', () => {
    const resolved = resolveOptions({ nats })
    expect(resolved).toMatchObject({
      maxUrlBytes: 8192,
      maxHeaderBytes: 16_384,
      maxHeaders: 100,
      maxInFlight: 10_000,
      maxUnconfirmedBytes: 1_048_576,
    })
    expect(resolved.defaultRoute).toMatchObject({
      envelope: 'nats-proxy',
      timeoutMs: 10_000,
      maxBodyBytes: 1_048_576,
      auth: false,
    })
    expect(resolveOptions(route({ envelope: 'headers' })).table.routes[0]).toMatchObject({ timeoutMs: 5000 })
    expect(Object.isFrozen(resolved)).toBe(true)
  })

  it('hands timeouts and limits of the proxy down to its routes', () => {
    const resolved = resolveOptions({ ...route({ timeoutMs: 7 }), timeoutMs: 9, maxBodyBytes: 11 })
    expect(resolved.table.routes[0]).toMatchObject({ timeoutMs: 7, maxBodyBytes: 11 })
    expect(resolved.defaultRoute).toMatchObject({ timeoutMs: 9, maxBodyBytes: 11 })
  })

  it('leaves what it was given as it is', () => {
    const given = Object.freeze(
      route({ retry: Object.freeze({ attempts: 1 }), rateLimit: Object.freeze({ by: 'ip', ratePerSecond: 1 }) }),
    )
    const before = JSON.stringify(given)
    resolveOptions(given)
    expect(JSON.stringify(given)).toBe(before)
  })

  it.each<[RestProxyOptions, string]>([
    [options({ rutes: [] }), 'no option "rutes"'],
    [options({ routes: {} }), 'routes must be a list'],
    [options({ timeoutMs: 0 }), 'timeoutMs must be a whole number of at least 1, not 0'],
    [options({ timeoutMs: '5s' }), 'timeoutMs'],
    [options({ maxBodyBytes: -1 }), 'maxBodyBytes'],
    [options({ maxInFlight: 0 }), 'maxInFlight'],
    [options({ maxUrlBytes: 1.5 }), 'maxUrlBytes'],
    [options({ trailingSlash: 'keep' }), 'trailingSlash must be one of reject, strip, not "keep"'],
    [options({ dangerouslyAllowReserved: 1 }), 'dangerouslyAllowReserved must be true or false'],
    [options({ authorize: {} }), 'authorize must be a function'],
    [options({ principal: 'x' }), 'principal must be a function'],
    [options({ clientIp: '::1' }), 'clientIp must be a function'],
    [options({ observe: [] }), 'observe must be a function'],
    [options({ defaultRoute: { envelope: 'headers' } }), 'defaultRoute.prefix is required'],
    [options({ defaultRoute: { prefix: 'a' } }), 'defaultRoute.prefix has no effect'],
    [options({ defaultRoute: { envelope: 'headers', prefix: 'a b' } }), 'defaultRoute.prefix'],
    [options({ defaultRoute: { path: '/a' } }), 'no option "path"'],
    [route({ pathh: 1 }), 'routes[0] has no option "pathh"'],
    [route({ path: 'a' }), 'must begin with "/"'],
    [route({ method: 'get' }), 'routes[0].method'],
    [route({ method: ['GET', 7] }), 'routes[0].method'],
    [route({ envelope: 'json' }), 'routes[0].envelope must be one of nats-proxy, headers, publish'],
    [route({ subject: undefined, envelope: 'headers' }), 'routes[0].subject is required'],
    [route({ subject: 7 }), 'routes[0].subject must be a text'],
    [route({ subject: 'a.{id}' }), 'uses {id}, which the path does not have'],
    [route({ subject: 'a.*' }), 'routes[0].subject'],
    [route({ subject: 'a.>' }), 'routes[0].subject'],
    [route({ subject: 'a..b' }), 'routes[0].subject'],
    [route({ subject: 'a.*.{method}' }), 'routes[0].subject'],
    [route({ subject: '{{nobody}}' }), 'nobody'],
    [route({ subject: '$SYS.x' }), 'dangerouslyAllowReserved'],
    [route({ subject: '_INBOX.x' }), 'dangerouslyAllowReserved'],
    [route({ params: { id: {} } }), 'routes[0].params has no option "id"'],
    [route({ path: '/{id}', params: { id: { pattern: 'x' } } }), 'routes[0].params.id.pattern must be a RegExp'],
    [route({ path: '/{id}', params: { id: { encode: 'hex' } } }), 'routes[0].params.id.encode'],
    [
      route({ path: '/{id}', params: { id: { pattern: /([a-z]+-?)+/ } } }),
      'routes[0].params.id.pattern "([a-z]+-?)+" repeats',
    ],
    [route({ path: '/{id}', subject: undefined, params: { id: { encode: 'base64url' } } }), 'encode has no effect'],
    [route({ publish: {} }), 'routes[0].publish has no effect'],
    [route({ envelope: 'publish', onReply: () => {} }), 'routes[0].onReply has no effect'],
    [route({ envelope: 'publish', replyHeaders: {} }), 'routes[0].replyHeaders has no effect'],
    [route({ retry: { attempts: -1 } }), 'routes[0].retry.attempts'],
    [route({ retry: { attempts: 1, backoffMs: 0 } }), 'routes[0].retry.backoffMs'],
    [route({ retry: { tries: 1 } }), 'no option "tries"'],
    [route({ method: ['POST', 'PATCH'], retry: { attempts: 1 } }), 'POST, PATCH are never sent twice'],
    [route({ auth: 'yes' }), 'routes[0].auth'],
    [
      route({
        rateLimit: [
          { by: 'ip', ratePerSecond: 1 },
          { by: 'x', ratePerSecond: 1 },
        ],
      }),
      'routes[0].rateLimit[1].by',
    ],
    [route({ envelope: 'headers', requestHeaders: { allow: ['Nats-Msg-Id'] } }), 'routes[0].requestHeaders'],
  ])('refuses case %# at mount, naming the option', (given, named) => {
    expect(() => resolveOptions(given)).toThrow(named)
  })

  it.each([undefined, null, 7, 'nats://127.0.0.1'])('refuses %j for a connection', (given) => {
    expect(() => restProxy({ nats: given as never })).toThrow('nats must be')
  })
})

function f(): void {}

describe('isSame', () => {
  it.each([
    [{ a: [1, { b: /x/g }], f }, { a: [1, { b: /x/g }], f }, true],
    [{ a: undefined }, {}, true],
    [{ a: 1 }, { a: 2 }, false],
    [{ a: [1] }, { a: [1, 2] }, false],
    [{ f }, { f: (): void => {} }, false],
    [/x/, /x/g, false],
    [[], {}, false],
    [null, {}, false],
    [new Map(), new Map(), false],
  ])('compares %j with %j', (a, b, same) => {
    expect(isSame(a, b)).toBe(same)
  })
})
