// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { jsonCodec } from '../codec/json.ts'
import type { Connection } from '../connection.ts'
import { startGateway } from '../gateway.test-support.ts'
import { CacheScope } from './cache-scope.ts'
import { cache } from './cache.ts'
import { principalOf, requestOf } from './request.test-support.ts'

describe('the key of an answer', () => {
  it.each([{ shared: false }, { shared: true }])(
    'holds the parameters of the path, whatever they hold, with %j',
    async (options) => {
      const tenants = ['a', 'b', 'a%22%2C%22b', 'a%0A1%3Ab', '%5B%5D']
      const middleware = cache<undefined>({ key: () => 'price', ttlMs: 60_000, ...options })
      const { connect } = await startGateway((gateway) => {
        gateway
          .channel('/shop/:tenant/:part', { codec: jsonCodec() })
          .route('price', middleware, ({ connection }) => connection.params)
      })
      for (const round of [1, 2]) {
        for (const tenant of tenants) {
          const client = await connect(`/shop/${tenant}/x`)
          client.send({ type: 'price', id: round })
          expect(await client.nextJson()).toMatchObject({
            data: { tenant: decodeURIComponent(tenant), part: 'x' },
          })
          client.ws.terminate()
        }
      }
      expect(middleware.stats()).toMatchObject({ hits: tenants.length, misses: tenants.length })
    },
  )

  it('holds what the wildcards of the route stand for', async () => {
    const middleware = cache<undefined>({ key: () => 'same', ttlMs: 60_000 })
    const { connect } = await startGateway((gateway) => {
      gateway.channel('/', { codec: jsonCodec() }).route('order.*', middleware, ({ params }) => params[0])
    })
    const client = await connect('/')
    for (const match of ['get', 'list', 'get']) {
      client.send({ type: `order.${match}`, id: 1 })
      expect(await client.nextJson()).toMatchObject({ data: match })
    }
    expect(middleware.stats()).toMatchObject({ hits: 1, misses: 2 })
  })

  it('is that of another request only where all parts are the same', () => {
    const word = fc.string({ unit: fc.constantFrom('"', ',', ':', '1', '\n', '[', ']', '\\', 'a'), maxLength: 4 })
    const facts = fc.tuple(word, word, word, word, word, fc.option(word))
    const scope = new CacheScope(false)
    const keyOf = ([path, param, route, key, asked, id]: readonly (string | null)[]): string => {
      const principal = id === null || id === undefined ? undefined : principalOf(id)
      const connection = { path: path ?? '', params: { param: param ?? '' }, principal }
      return scope.keyOf(requestOf({ route: route ?? '', key: key ?? '', connection }), asked ?? '')
    }
    fc.assert(
      fc.property(facts, facts, (one, other) => {
        expect(keyOf(one) === keyOf(other)).toBe(JSON.stringify(one) === JSON.stringify(other))
      }),
      { numRuns: inject('propertyRuns') },
    )
  })

  it('follows the principal of a connection', () => {
    const scope = new CacheScope(false)
    const request = requestOf({ connection: { principal: principalOf('jo') } })
    const connection: Connection = request.connection
    const before = scope.keyOf(request, 'k')
    expect(scope.keyOf(request, 'k')).toBe(before)
    Object.assign(connection, { principal: principalOf('al') })
    expect(scope.keyOf(request, 'k')).not.toBe(before)
    Object.assign(connection, { principal: principalOf('jo') })
    expect(scope.keyOf(request, 'k')).toBe(before)
  })
})
