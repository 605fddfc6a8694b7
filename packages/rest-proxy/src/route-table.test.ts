// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { resolveOptions } from './options.ts'
import { pathSegments } from './request-target.ts'
import type { RouteOptions } from './route.ts'
import type { RouteTable } from './route-table.ts'

// The long job runs a hundred times as many cases.
const patience = 20_000 + inject('propertyRuns')

const unused = { nats: () => Promise.reject(new Error('not asked for')) }

function tableOf(...routes: readonly (string | RouteOptions)[]): RouteTable {
  const options = routes.map((route) => (typeof route === 'string' ? { path: route } : route))
  return resolveOptions({ ...unused, routes: options }).table
}

function taking(...method: string[]): RouteOptions {
  return { path: '/a', method }
}

function found(table: RouteTable, method: string, path: string): string {
  const match = table.find(method, pathSegments(path))
  if (match.kind === 'route') return `${match.method} ${match.route.label}`
  return match.kind === 'none' ? 'none' : `405 ${match.allow.join(' ')}`
}

describe('RouteTable', () => {
  it.each([
    ['/orders', 'GET /orders'],
    ['/orders/1', 'GET /orders/{id}'],
    ['/orders/new', 'GET /orders/new'],
    ['/orders/n%65w', 'GET /orders/new'],
    ['/orders/1/lines', 'GET /orders/{id}/lines'],
    ['/orders/new/lines', 'GET /orders/{id}/lines'],
    ['/orders/1/2/3', 'GET /orders/{rest*}'],
    ['/orders/1%2F2', 'GET /orders/{id}'],
    ['/orders/%zz', 'GET /orders/{id}'],
    ['/files/a/b', 'GET /files/{rest*}'],
    ['/files', 'none'],
    ['/files/', 'none'],
    ['/files/a/', 'none'],
    ['/files//a', 'none'],
    ['/orders/', 'none'],
    ['//orders', 'none'],
    ['/', 'none'],
    ['/ORDERS', 'none'],
  ])('takes %s to %s: literal text before names, names before the rest', (path, expected) => {
    const table = tableOf(
      '/orders/{rest*}',
      '/orders/{id}',
      '/orders/new',
      '/orders/{id}/lines',
      '/orders',
      '/files/{rest*}',
    )
    expect(found(table, 'GET', path)).toBe(expected)
  })

  it('prefers the route of the method to the one of any method', () => {
    const table = tableOf({ path: '/a' }, { path: '/a', method: 'POST', subject: 'posted' })
    expect(table.find('POST', ['a'])).toMatchObject({ route: { methods: ['POST'] } })
    expect(table.find('DELETE', ['a'])).toMatchObject({ route: { methods: [] } })
  })

  it('looks at less exact paths where the more exact one lacks the method', () => {
    const table = tableOf({ path: '/a/new', method: 'GET' }, { path: '/a/{id}', method: ['GET', 'PUT'] })
    expect(found(table, 'GET', '/a/new')).toBe('GET /a/new')
    expect(found(table, 'PUT', '/a/new')).toBe('PUT /a/{id}')
    expect(found(table, 'DELETE', '/a/new')).toBe('405 GET HEAD OPTIONS PUT')
  })

  it('lets HEAD fall back to GET unless it has a route of its own', () => {
    const table = tableOf(
      { path: '/a', method: 'GET' },
      { path: '/b', method: ['GET', 'HEAD'] },
      { path: '/c', method: 'PUT' },
    )
    expect(found(table, 'HEAD', '/a')).toBe('GET /a')
    expect(found(table, 'HEAD', '/b')).toBe('HEAD /b')
    expect(found(table, 'HEAD', '/c')).toBe('405 OPTIONS PUT')
  })

  it('serves the root as a route of its own', () => {
    expect(found(tableOf('/'), 'GET', '/')).toBe('GET /')
    expect(found(tableOf('/'), 'GET', '/a')).toBe('none')
  })

  it.each([[['/a/{x}', '/a/{y}']], [['/a/{x*}', '/a/{y*}']], [['/a', '/%61']]])(
    'refuses %j, which would answer the same requests',
    (paths) => {
      expect(() => tableOf(...paths)).toThrow(TypeError)
    },
  )

  it('refuses two routes that share one method', () => {
    expect(() => tableOf(taking('GET', 'PUT'), taking('PUT', 'POST'))).toThrow('PUT')
    expect(() => tableOf(taking('GET'), taking('PUT'))).not.toThrow()
  })

  it(
    'finds what a linear search over all routes finds',
    () => {
      const segment = fc.constantFrom('a', 'b', '{x}', '{y}')
      const rest = fc.constantFrom('', '/{r*}')
      const path = fc
        .tuple(fc.array(segment, { minLength: 1, maxLength: 3 }), rest)
        .map(([list, tail]) => unique(list) + tail)
      const request = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 4 })
      fc.assert(
        fc.property(fc.array(path, { maxLength: 6 }), request, (paths, segments) => {
          const distinct = [...new Map(paths.map((each) => [shape(each), each])).values()]
          const expected = distinct.filter((each) => matchesLinear(each, segments)).toSorted(moreExact)[0]
          const match = tableOf(...distinct).find('GET', segments)
          expect(match.kind === 'route' ? match.route.label : undefined).toBe(expected)
        }),
        { numRuns: inject('propertyRuns') },
      )
    },
    patience,
  )
})

// A path may not use a name twice.
function unique(segments: readonly string[]): string {
  return segments.map((segment, index) => `/${segment.replace('}', `${index}}`)}`).join('')
}

function shape(path: string): string {
  return path.replaceAll(/\{[^*}]+\}/g, '{}')
}

function matchesLinear(path: string, segments: readonly string[]): boolean {
  const pattern = path
    .slice(1)
    .split('/')
    .map((part) => (part === '{r*}' ? '.+' : part.startsWith('{') ? '[^/]+' : part))
  return new RegExp(`^${pattern.join('/')}$`).test(segments.join('/'))
}

// Literal text beats a name, a name beats the rest, the first segment that differs decides.
function moreExact(a: string, b: string): number {
  const [left, right] = [a.slice(1).split('/'), b.slice(1).split('/')]
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const difference = rank(left[at]) - rank(right[at])
    if (difference !== 0) return difference
  }
  return 0
}

function rank(part: string | undefined): number {
  if (part === '{r*}') return 2
  return part?.startsWith('{') === true ? 1 : 0
}
