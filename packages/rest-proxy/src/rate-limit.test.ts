// SPDX-License-Identifier: Apache-2.0
import type { Principal } from '@nats-edge/wire-parser'
import { compilePermissions } from '@nats-edge/wire-parser'
import { describe, expect, it } from 'vitest'
import { RateLimit, type RateLimitOptions, type RateLimitSource } from './rate-limit.ts'

function principal(id: string): Principal {
  return { id, name: id, claims: {}, permissions: compilePermissions({}) }
}

function from(ip: string, id?: string, header?: string): RateLimitSource {
  return { ip, principal: id === undefined ? undefined : principal(id), header: () => header }
}

function rates(limited: string, remaining: string, reset: string): string[] {
  return ['RateLimit-Limit', limited, 'RateLimit-Remaining', remaining, 'RateLimit-Reset', reset]
}

function refused(limit: RateLimit, source: RateLimitSource, nowMs: number): boolean {
  return limit.take(source, nowMs).refusal !== undefined
}

describe('RateLimit', () => {
  it('lets the burst through and then the rate', () => {
    const limit = new RateLimit('limit', { by: 'ip', ratePerSecond: 2, burst: 3 })
    expect([0, 0, 0, 0].map((nowMs) => refused(limit, from('a'), nowMs))).toEqual([false, false, false, true])
    expect([499, 500, 501, 999, 1000].map((nowMs) => refused(limit, from('a'), nowMs))).toEqual([
      true,
      false,
      true,
      true,
      false,
    ])
    expect([10_000, 10_000, 10_000, 10_000].map((nowMs) => refused(limit, from('a'), nowMs))).toEqual([
      false,
      false,
      false,
      true,
    ])
  })

  it('says what is left and when to come back', () => {
    const limit = new RateLimit('limit', { by: 'ip', ratePerSecond: 0.5, burst: 2 })
    expect(limit.take(from('a'), 0).headers).toEqual(rates('2', '1', '2'))
    expect(limit.take(from('a'), 0).headers).toEqual(rates('2', '0', '4'))
    const { refusal } = limit.take(from('a'), 0)
    expect(refusal).toMatchObject({ code: 'rate_limited', status: 429 })
    expect(refusal?.headers.slice(2)).toEqual(rates('2', '0', '4'))
    expect(['2', '3']).toContain(refusal?.headers[1])
  })

  it('counts addresses apart', () => {
    const limit = new RateLimit('limit', { by: 'ip', ratePerSecond: 1 })
    expect(['a', 'b', 'a', 'b'].map((ip) => refused(limit, from(ip), 0))).toEqual([false, false, true, true])
  })

  it('counts callers apart, whatever their address, and strangers by address', () => {
    const limit = new RateLimit('limit', { by: 'principal', ratePerSecond: 1 })
    expect(
      [from('a', 'x'), from('b', 'x'), from('a', 'y'), from('a'), from('a')].map((source) => refused(limit, source, 0)),
    ).toEqual([false, true, false, false, true])
  })

  it('counts values of a header apart, and the address where it is missing or looks like one', () => {
    const limit = new RateLimit('limit', { by: { header: 'X-Key' }, ratePerSecond: 1 })
    const sources = [
      from('a', undefined, 'k1'),
      from('b', undefined, 'k1'),
      from('a', undefined, 'k2'),
      from('a'),
      from('c', undefined, 'a'),
    ]
    expect(sources.map((source) => refused(limit, source, 0))).toEqual([false, true, false, false, false])
  })

  it('keeps no more keys than it may', () => {
    const limit = new RateLimit('limit', { by: 'ip', ratePerSecond: 1, maxKeys: 3 })
    for (let index = 0; index < 100; index++) limit.take(from(`ip${index}`), 0)
    expect(limit.keys).toBe(3)
  })

  it.each<[unknown, string]>([
    [{ by: 'host', ratePerSecond: 1 }, 'limit.by'],
    [{ ratePerSecond: 1 }, 'limit.by'],
    [{ by: 'ip', ratePerSecond: 0 }, 'limit.ratePerSecond'],
    [{ by: 'ip', ratePerSecond: Infinity }, 'limit.ratePerSecond'],
    [{ by: 'ip', ratePerSecond: 1, burst: 0 }, 'limit.burst'],
    [{ by: 'ip', ratePerSecond: 1, maxKeys: 1.5 }, 'limit.maxKeys'],
    [{ by: 'ip', rate: 1 }, '"rate"'],
  ])('refuses %j at mount, naming %s', (options, named) => {
    expect(() => new RateLimit('limit', options as RateLimitOptions)).toThrow(named)
  })
})
