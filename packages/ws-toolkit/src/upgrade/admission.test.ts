// SPDX-License-Identifier: Apache-2.0
import { isRefusal, type Permit, type Refusal } from '@nats-edge/wire-parser'
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { limitedAdmission } from './admission.ts'

const who = { surface: 'ws', transport: 'ws', ip: '192.0.2.1' }

function permitOf(decision: Permit | Refusal): Permit {
  if (isRefusal(decision)) throw new Error(`refused: ${decision.code}`)
  return decision
}

describe('limitedAdmission', () => {
  it('refuses above the limit of an address and still admits another', () => {
    const admission = limitedAdmission({ maxConnectionsPerIp: 2 })
    const first = permitOf(admission.admit(who))
    permitOf(admission.admit(who))
    expect(admission.admit(who)).toMatchObject({ code: 'too_many_connections' })
    permitOf(admission.admit({ ...who, ip: '192.0.2.2' }))
    expect(admission.connections).toBe(3)
    first.release()
    permitOf(admission.admit(who))
  })

  it('refuses above the limit of all', () => {
    const admission = limitedAdmission({ maxConnections: 2 })
    permitOf(admission.admit(who))
    permitOf(admission.admit({ ...who, ip: '192.0.2.2' }))
    expect(isRefusal(admission.admit({ ...who, ip: '192.0.2.3' }))).toBe(true)
  })

  it('gives a place back once, however often it is released', () => {
    const admission = limitedAdmission()
    const permit = permitOf(admission.admit(who))
    permitOf(admission.admit(who))
    permit.release()
    permit.release()
    expect(admission.connections).toBe(1)
  })

  it('does not count addresses that are not known together', () => {
    const admission = limitedAdmission({ maxConnectionsPerIp: 1 })
    permitOf(admission.admit({ ...who, ip: '' }))
    permitOf(admission.admit({ ...who, ip: '' }))
    expect(admission.connections).toBe(2)
  })

  it('spreads the time to come back', () => {
    const admission = limitedAdmission({ maxConnections: 1 })
    permitOf(admission.admit(who))
    const waits = Array.from({ length: 50 }, () => {
      const decision = admission.admit(who)
      return isRefusal(decision) ? decision.retryAfterMs : 0
    })
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(1000)
    expect(Math.max(...waits)).toBeLessThan(5000)
    expect(new Set(waits).size).toBeGreaterThan(10)
  })

  it('has no limit of a principal unless it is given', () => {
    const admission = limitedAdmission()
    for (let each = 0; each < 50; each += 1) {
      expect(permitOf(admission.admit(who)).identify('jwt:ada')).toBeUndefined()
    }
  })

  it('refuses above the limit of a principal, wherever it comes from, and still admits another', () => {
    const admission = limitedAdmission({ maxConnectionsPerPrincipal: 2 })
    const permits = ['a', 'b', 'c'].map((ip) => permitOf(admission.admit({ ...who, ip })))
    const answers = permits.map((permit) => permit.identify('jwt:ada'))
    expect(answers).toEqual([undefined, undefined, { code: 'rate_limited', retryAfterMs: expect.any(Number) }])
    expect(permits[2]?.identify('jwt:bob')).toBeUndefined()
    permits[0]?.release()
    expect(permitOf(admission.admit(who)).identify('jwt:ada')).toBeUndefined()
  })

  it('counts a principal once, and not after the place was given back', () => {
    const admission = limitedAdmission({ maxConnectionsPerPrincipal: 1 })
    const permit = permitOf(admission.admit(who))
    expect(permit.identify('jwt:ada')).toBeUndefined()
    expect(permit.identify('jwt:ada')).toBeUndefined()
    permit.release()
    permit.release()
    expect(permit.identify('jwt:ada')).toBeUndefined()
    expect(permitOf(admission.admit(who)).identify('jwt:ada')).toBeUndefined()
  })

  it.each([0, -1, 1.5, Number.NaN])('throws for maxConnections %s', (maxConnections) => {
    expect(() => limitedAdmission({ maxConnections })).toThrow(/maxConnections: /)
    expect(() => limitedAdmission({ maxConnectionsPerIp: maxConnections })).toThrow(/maxConnectionsPerIp: /)
    const perPrincipal = { maxConnectionsPerPrincipal: maxConnections }
    expect(() => limitedAdmission(perPrincipal)).toThrow(/maxConnectionsPerPrincipal: /)
  })

  it('holds exactly what was admitted and not released, in any order', () => {
    const step = fc.record({ ip: fc.constantFrom('a', 'b', 'c'), release: fc.boolean(), pick: fc.nat() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const admission = limitedAdmission({ maxConnections: 8, maxConnectionsPerIp: 3 })
        const held: { ip: string; permit: Permit }[] = []
        for (const { ip, release, pick } of steps) {
          const out = release ? held.splice(pick % Math.max(held.length, 1), 1)[0] : undefined
          out?.permit.release()
          if (release) continue
          const decision = admission.admit({ ...who, ip })
          const full = held.length >= 8 || held.filter((other) => other.ip === ip).length >= 3
          expect(isRefusal(decision)).toBe(full)
          if (!isRefusal(decision)) held.push({ ip, permit: decision })
        }
        expect(admission.connections).toBe(held.length)
      }),
      { numRuns: inject('propertyRuns') },
    )
  })
})
