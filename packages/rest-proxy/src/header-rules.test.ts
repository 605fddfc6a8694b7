// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { policyOf } from './envelope/header-policy.ts'
import { HeaderFilter, type HeaderRules } from './header-rules.ts'
import type { EnvelopeName } from './route.ts'

function filter(envelope: EnvelopeName, direction: 'request' | 'reply', rules?: HeaderRules): HeaderFilter {
  return new HeaderFilter('rules', policyOf(envelope, direction), rules)
}

describe('HeaderFilter', () => {
  it.each([
    ['accept', 'Accept'],
    ['CONTENT-TYPE', 'Content-Type'],
    ['if-none-match', 'If-None-Match'],
    ['Idempotency-Key', 'Idempotency-Key'],
    ['Traceparent', 'traceparent'],
    ['TraceState', 'tracestate'],
    ['X-Other', undefined],
    ['Cookie', undefined],
    ['Authorization', undefined],
    ['Host', undefined],
    ['Nats-Msg-Id', undefined],
    ['nats-edge-user', undefined],
    ['Status', undefined],
    ['Connection', undefined],
    ['Proxy-Authorization', undefined],
    ['Content-Length', undefined],
    ['a b', undefined],
  ])('passes the request header %s of the envelope headers as %s', (name, target) => {
    expect(filter('headers', 'request').target(name)).toBe(target)
    expect(filter('publish', 'request').target(name)).toBe(target)
  })

  it.each([
    ['x-tenant', 'X-Tenant'],
    ['x-other', 'X-Other'],
    ['cookie', undefined],
    ['authorization', undefined],
    ['x_tenant', undefined],
    ['nats-rollup', undefined],
    ['te', undefined],
  ])('passes %s as %s where everything is allowed by wildcard', (name, target) => {
    expect(filter('headers', 'request', { allow: ['*'] }).target(name)).toBe(target)
  })

  it('passes credentials and names with an underscore only where they are named', () => {
    const named = filter('headers', 'request', { allow: ['Cookie', 'api_key'], rename: { x_real_ip: 'X-Real-Ip' } })
    expect(['cookie', 'API_KEY', 'X_Real_IP', 'authorization'].map((name) => named.target(name))).toEqual([
      'Cookie',
      'Api_key',
      'X-Real-Ip',
      undefined,
    ])
  })

  it('passes by prefix', () => {
    const prefixed = filter('headers', 'request', { allow: ['X-App-*'] })
    expect(prefixed.target('x-app-one')).toBe('X-App-One')
    expect(prefixed.target('x-other')).toBeUndefined()
    expect(prefixed.target('accept')).toBe('Accept')
  })

  it('adds to the list of headers and narrows the everything of nats-proxy', () => {
    expect(filter('nats-proxy', 'request').target('x-any')).toBe('X-Any')
    const narrowed = filter('nats-proxy', 'request', { allow: ['Accept'] })
    expect([narrowed.target('accept'), narrowed.target('x-any')]).toEqual(['Accept', undefined])
  })

  it('drops before it renames or allows, whatever the case', () => {
    const dropping = filter('nats-proxy', 'request', { drop: ['COOKIE'], rename: { cookie: 'X-Cookie' } })
    expect(dropping.target('Cookie')).toBeUndefined()
  })

  it("replaces the client's value of a header that is set", () => {
    const setting = filter('headers', 'request', { allow: ['X-Tenant'], set: { 'X-Tenant': '{{claim.tenant}}' } })
    expect(setting.target('x-tenant')).toBeUndefined()
    expect(setting.fixed(() => ({ claims: { tenant: 'acme' } }))).toEqual(['X-Tenant', 'acme'])
  })

  it('leaves a set header out where the caller has no value, and lets none break the line', () => {
    const setting = filter('headers', 'request', { set: { 'X-Who': '{{id}}', 'X-Name': 'n={{name}}', 'X-Fixed': 'é' } })
    expect(setting.fixed(() => ({ name: 'a\r\nEvil: 1' }))).toEqual(['X-Name', 'n=a  Evil: 1', 'X-Fixed', 'é'])
  })

  it.each([
    ['Content-Type', 'Content-Type'],
    ['ETag', 'ETag'],
    ['Retry-After', 'Retry-After'],
    ['Set-Cookie', undefined],
    ['Location', undefined],
    ['Access-Control-Allow-Origin', undefined],
    ['X-Own', undefined],
    ['Nats-Sequence', undefined],
    ['Content-Length', undefined],
    ['Transfer-Encoding', undefined],
  ])('passes the reply header %s of the envelope headers as %s', (name, target) => {
    expect(filter('headers', 'reply').target(name)).toBe(target)
  })

  it('passes Set-Cookie and Location of a reply only where they are named (reliability T5)', () => {
    const wide = filter('headers', 'reply', { allow: ['*', 'Location'] })
    expect(['location', 'set-cookie', 'x-own'].map((name) => wide.target(name))).toEqual([
      'location',
      undefined,
      'x-own',
    ])
  })

  it.each<[HeaderRules, string]>([
    [{ allow: ['Nats-Msg-Id'] }, 'nats-msg-id'],
    [{ allow: ['Connection'] }, 'connection'],
    [{ rename: { 'X-A': 'Nats-Rollup' } }, 'Nats-Rollup'],
    [{ rename: { 'X-A': 'a b' } }, 'header names'],
    [{ rename: { Host: 'X-Host' } }, 'host'],
    [{ allow: ['a b'] }, 'header names'],
    [{ allow: ['X-*-Y'] }, 'header names'],
    [{ drop: [''] }, 'header names'],
    [{ set: { 'Content-Length': '1' } }, 'Content-Length'],
    [{ set: { 'X-A': '{id}' } }, '{id}'],
    [{ set: { 'X-A': '{{nobody}}' } }, 'nobody'],
    [{ allowed: ['x'] } as unknown as HeaderRules, 'allowed'],
    [{ allow: 'x' } as unknown as HeaderRules, 'list'],
    [{ set: { 'X-A': 1 } } as unknown as HeaderRules, 'texts'],
  ])('refuses %j at mount, naming %s', (rules, named) => {
    expect(() => filter('headers', 'request', rules)).toThrow(TypeError)
    expect(() => filter('headers', 'request', rules)).toThrow(named)
  })

  it('decides a flood of names without remembering all of them', () => {
    const flooded = filter('headers', 'request', { allow: ['X-*'] })
    for (let index = 0; index < 5000; index++) expect(flooded.target(`x-${index}`)).toBe(`X-${index}`)
  })
})
