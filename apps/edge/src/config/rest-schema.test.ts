// SPDX-License-Identifier: Apache-2.0
import type {
  DefaultRouteOptions,
  HeaderRules,
  ParamOptions,
  PublishExpectations,
  PublishOptions,
  RateLimitOptions,
  RestProxyOptions,
  RetryOptions,
  RouteOptions,
} from '@nats-edge/rest-proxy'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { loadConfig, parseConfig } from '../config.ts'
import { keysAt } from './json-schema.ts'
import type { RestConfig, RestProgramOption } from './rest-schema.ts'

type Routes = NonNullable<RestConfig['routes']>
type Value<T> = Exclude<T, undefined>
type PlainKeys<T> = { [K in keyof T]-?: Value<T[K]> extends (...args: never[]) => unknown ? never : K }[keyof T]

// Every option of the package, as types; a new one does not compile until it is listed, and fails until it has a key.
const rest: Record<Exclude<keyof RestProxyOptions, RestProgramOption>, string> = {
  routes: 'routes',
  defaultRoute: 'defaultRoute',
  timeoutMs: 'timeout',
  maxBodyBytes: 'maxBody',
  trailingSlash: 'trailingSlash',
  dangerouslyAllowReserved: 'dangerouslyAllowReserved',
  maxUrlBytes: 'maxUrl',
  maxHeaderBytes: 'maxHeader',
  maxHeaders: 'maxHeaders',
  maxSubjectBytes: 'maxSubject',
  maxSubjectTokens: 'maxSubjectTokens',
  maxInFlight: 'maxInFlight',
  maxUnconfirmedBytes: 'maxUnconfirmed',
}
const behaviour: Record<Exclude<PlainKeys<DefaultRouteOptions>, 'prefix'>, string> = {
  envelope: 'envelope',
  timeoutMs: 'timeout',
  maxBodyBytes: 'maxBody',
  auth: 'auth',
  requestHeaders: 'requestHeaders',
  replyHeaders: 'replyHeaders',
  publish: 'publish',
  retry: 'retry',
  rateLimit: 'rateLimit',
}
const route: Record<PlainKeys<RouteOptions>, string> = {
  ...behaviour,
  path: 'path',
  method: 'method',
  subject: 'subject',
  params: 'params',
}
const headers: Record<keyof HeaderRules, string> = { allow: 'allow', drop: 'drop', set: 'set', rename: 'rename' }
const publish: Record<keyof PublishOptions, string> = { confirm: 'confirm', expect: 'expect' }
const expectations: Record<keyof PublishExpectations, string> = {
  stream: 'stream',
  lastSequence: 'lastSequence',
  lastSubjectSequence: 'lastSubjectSequence',
  lastMessageId: 'lastMessageId',
}
const retry: Record<keyof RetryOptions, string> = { attempts: 'attempts', backoffMs: 'backoff', onTimeout: 'onTimeout' }
const rateLimit: Record<keyof RateLimitOptions, string> = {
  by: 'by',
  ratePerSecond: 'ratePerSecond',
  burst: 'burst',
  maxKeys: 'maxKeys',
}
const param: Record<keyof ParamOptions, string> = { pattern: 'pattern', encode: 'encode' }

describe('the section rest', () => {
  it.each([
    [['rest'], { ...rest, path: 'path' }],
    [['rest', 'defaultRoute'], { ...behaviour, prefix: 'prefix' }],
    [['rest', 'routes', 0], route],
    [['rest', 'routes', 0, 'requestHeaders'], headers],
    [['rest', 'routes', 0, 'replyHeaders'], headers],
    [['rest', 'routes', 0, 'publish'], publish],
    [['rest', 'routes', 0, 'publish', 'expect'], expectations],
    [['rest', 'routes', 0, 'retry'], retry],
    [['rest', 'routes', 0, 'rateLimit'], rateLimit],
    [['rest', 'routes', 0, 'rateLimit', 0], rateLimit],
    [['rest', 'routes', 0, 'params', 'id'], param],
    [['rest', 'defaultRoute', 'retry'], retry],
  ] as const)('has a key for every plain option below %j, and no other', (path, options) => {
    const keys = new Set(keysAt(path))
    expect([...keys].sort()).toEqual(Object.values(options).sort())
  })

  it('leaves nothing out but what only a program can pass', () => {
    expectTypeOf<Exclude<keyof RestProxyOptions, PlainKeys<RestProxyOptions>>>().toExtend<RestProgramOption>()
    expectTypeOf<Omit<RestConfig, 'path'>>().toExtend<Partial<RestProxyOptions>>()
    expectTypeOf<Routes>().toEqualTypeOf<Value<RestProxyOptions['routes']>>()
  })

  it('gives the options the names and units of the package', () => {
    const { config } = parseConfig({
      rest: {
        timeout: '2s',
        maxBody: '64KiB',
        defaultRoute: { envelope: 'headers', prefix: 'api', timeout: 250 },
        routes: [
          {
            path: '/orders/{id}',
            method: 'GET',
            subject: 'orders.{id}.get',
            envelope: 'headers',
            timeout: '1s',
            maxBody: '1KiB',
            params: { id: { pattern: '[0-9]+' } },
            retry: { attempts: 2, backoff: '20ms' },
            rateLimit: { by: { header: 'X-Key' }, ratePerSecond: 0.5 },
          },
        ],
      },
    })
    expect(config.rest).toEqual({
      path: '/',
      timeoutMs: 2000,
      maxBodyBytes: 65_536,
      defaultRoute: { envelope: 'headers', prefix: 'api', timeoutMs: 250 },
      routes: [
        {
          path: '/orders/{id}',
          method: 'GET',
          subject: 'orders.{id}.get',
          envelope: 'headers',
          timeoutMs: 1000,
          maxBodyBytes: 1024,
          params: { id: { pattern: /[0-9]+/u } },
          retry: { attempts: 2, backoffMs: 20 },
          rateLimit: { by: { header: 'X-Key' }, ratePerSecond: 0.5 },
        },
      ],
    })
  })

  it('leaves out what is not set, so that the package has its own defaults', () => {
    expect(loadConfig({ files: [], env: {} }).config.rest).toEqual({ path: '/' })
  })
})
