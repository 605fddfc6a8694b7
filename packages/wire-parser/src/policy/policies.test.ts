// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { viewOf } from '../gateway/seen-operation.ts'
import type { OperationView } from '../operation.ts'
import { RateCheck, RateLimit } from './rate-policy.ts'
import { ResponsePermission } from './response-permission.ts'
import { SubjectVerdicts } from './subject-verdicts.ts'

const pub = (subject: string, bytes = 0): OperationView =>
  viewOf({ verb: 'PUB', subject, payload: new Uint8Array(bytes) }, 'client')

describe('ResponsePermission', () => {
  it('allows as many replies as it may, in time', () => {
    let nowMs = 0
    const responses = new ResponsePermission({ max: 2, ttlMs: 100, maxReplies: 10 }, () => nowMs)
    responses.note('r')
    expect([responses.take('r'), responses.take('x'), responses.take('r'), responses.take('r')]).toEqual([
      true,
      false,
      true,
      false,
    ])
    responses.note('r')
    nowMs = 100
    expect(responses.take('r')).toBe(false)
    expect(responses.size).toBe(0)
  })

  it('begins anew where the same subject comes again', () => {
    let nowMs = 0
    const responses = new ResponsePermission({ max: 1, ttlMs: 100, maxReplies: 10 }, () => nowMs)
    responses.note('r')
    nowMs = 90
    responses.note('r')
    nowMs = 150
    expect(responses.take('r')).toBe(true)
  })

  it('is bounded: the oldest leaves, and what has expired', () => {
    let nowMs = 0
    const responses = new ResponsePermission({ max: 1, ttlMs: 100, maxReplies: 3 }, () => nowMs)
    for (const reply of ['a', 'b', 'c', 'd']) responses.note(reply)
    expect(responses.size).toBe(3)
    expect(responses.take('a')).toBe(false)
    nowMs = 1000
    responses.note('e')
    expect(responses.size).toBe(1)
  })
})

describe('RateLimit', () => {
  it('counts messages and bytes, and takes neither where one is missing', () => {
    const limit = new RateLimit('x', {
      by: 'connection',
      messagesPerSecond: 1,
      burstMessages: 3,
      bytesPerSecond: 10,
      burstBytes: 10,
    })
    const check = new RateCheck(limit, { user: undefined, ip: '' })
    expect(check.take(pub('a', 8), 0)).toBe(0)
    expect(check.take(pub('a', 8), 0)).toBeGreaterThan(0)
    expect(check.take(pub('a', 2), 0)).toBe(0)
    expect(check.take(pub('a', 0), 0)).toBe(0)
    expect(check.take(pub('a', 0), 0)).toBeGreaterThan(0)
  })

  it('lets a message larger than the burst pass when all of it is there', () => {
    const limit = new RateLimit('x', { by: 'all', bytesPerSecond: 10, burstBytes: 10 })
    const check = new RateCheck(limit, { user: undefined, ip: '' })
    expect(check.take(pub('a', 1000), 0)).toBe(0)
    expect(check.take(pub('a', 1), 0)).toBeGreaterThan(0)
    expect(check.take(pub('a', 1000), 1000)).toBe(0)
  })

  it('shares buckets by user, by address, by all, or with nobody', () => {
    const left = (by: 'connection' | 'user' | 'ip' | 'all'): boolean[] => {
      const limit = new RateLimit('x', { by, messagesPerSecond: 1, burstMessages: 1 })
      const who = [
        ['u1', '1'],
        ['u1', '2'],
        ['u2', '1'],
        ['u1', '1'],
      ] as const
      return who.map(([user, ip]) => new RateCheck(limit, { user, ip }).take(pub('a'), 0) === 0)
    }
    expect(left('connection')).toEqual([true, true, true, true])
    expect(left('user')).toEqual([true, false, true, false])
    expect(left('ip')).toEqual([true, true, false, false])
    expect(left('all')).toEqual([true, false, false, false])
  })

  it('concerns the subjects it names, and what is no subject at all', () => {
    const limit = new RateLimit('x', { by: 'all', subjects: ['a.*', 'b.>'], messagesPerSecond: 1 })
    expect(['a.1', 'a.1.2', 'b.1.2', 'c', 'c..d', 'a.*'].map((subject) => limit.concerns(subject))).toEqual([
      true,
      false,
      true,
      false,
      true,
      true,
    ])
  })

  it('forgets the key that was asked for longest ago', () => {
    const limit = new RateLimit('x', { by: 'ip', messagesPerSecond: 0.001, burstMessages: 1, maxKeys: 2 })
    const take = (ip: string): boolean => new RateCheck(limit, { user: undefined, ip }).take(pub('a'), 0) === 0
    expect([take('1'), take('2'), take('1'), take('3'), take('1'), take('2')]).toEqual([
      true,
      true,
      false,
      true,
      false,
      true,
    ])
  })
})

describe('SubjectVerdicts', () => {
  it('asks once for a subject that repeats, by its bytes', () => {
    const asked: string[] = []
    const verdicts = new SubjectVerdicts((subject) => asked.push(subject) > 0 && subject !== 'no')
    const subjects = ['a', 'a', 'no', 'no', 'a', 'ab', 'x'.repeat(300), 'x'.repeat(300)]
    expect(subjects.map((subject) => verdicts.of(pub(subject)))).toEqual([
      true,
      true,
      false,
      false,
      true,
      true,
      true,
      true,
    ])
    expect(asked).toEqual(['a', 'no', 'a', 'ab', 'x'.repeat(300)])
  })

  it('never allows what is not UTF-8, nor takes it for what reads alike', () => {
    const verdicts = new SubjectVerdicts(() => true)
    const view = pub('\u00e9')
    expect(verdicts.of(view)).toBe(true)
    const bytes = Buffer.from('PUB \u00e9 0\r\n\r\n', 'latin1')
    expect(
      verdicts.of(Object.assign(Object.create(view), { bytes, subjectStart: 4, subjectEnd: 5 }) as OperationView),
    ).toBe(false)
  })
})
