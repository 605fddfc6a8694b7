// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { parsePattern, type Pattern } from './pattern.ts'
import type { PermissionRule } from './permission-rule.ts'
import { hit } from './rule-hit.ts'
import { RuleList } from './rule-list.ts'
import { fewRules, ruleSet } from './rule-set.ts'
import { RuleTrie } from './rule-trie.ts'
import { parseSubject, type Subject } from './subject.ts'

const runs = { numRuns: inject('propertyRuns') }

function pattern(text: string): Pattern {
  return parsePattern(text) ?? expect.fail(`${text} is no pattern`)
}

function subject(text: string): Subject {
  return parseSubject(text) ?? expect.fail(`${text} is no subject`)
}

function rule(text: string): PermissionRule {
  const [subject = '', queue] = text.split(' ')
  return queue === undefined ? { pattern: pattern(subject) } : { pattern: pattern(subject), queue: pattern(queue) }
}

describe.each([
  ['RuleList', RuleList],
  ['RuleTrie', RuleTrie],
])('%s', (_, Rules) => {
  const rules = new Rules(['a.b', 'a.*.c', 'b.>', 'c.*', 'jobs.* w1', 'jobs.x w.*', 'jobs.x'].map(rule))

  it.each([
    ['a.b', undefined, hit.plain],
    ['a.x', undefined, 0],
    ['a.*', undefined, 0],
    ['a.*.c', undefined, hit.plain],
    ['a.>', undefined, 0],
    ['b', undefined, 0],
    ['b.>', undefined, hit.plain],
    ['c.*', undefined, hit.plain],
    ['c.>', undefined, 0],
    ['*', undefined, 0],
    ['>', undefined, 0],
    ['jobs.y', undefined, 0],
    ['jobs.y', 'w1', hit.queue],
    ['jobs.y', 'w2', hit.otherQueue],
    ['jobs.x', undefined, hit.plain],
    ['jobs.x', 'w1', hit.plain + hit.queue + hit.otherQueue],
    ['jobs.x', 'w.1', hit.plain + hit.queue + hit.otherQueue],
    ['jobs.x', 'z', hit.plain + hit.otherQueue],
  ])('covering %s for queue %s: %i', (text, queue, expected) => {
    expect(rules.covering(pattern(text), queue === undefined ? undefined : subject(queue))).toBe(expected)
  })

  it.each([
    ['a.*', undefined, hit.plain],
    ['a.x', undefined, 0],
    ['a.>', undefined, hit.plain],
    ['*.b', undefined, hit.plain],
    ['*', undefined, 0],
    ['>', undefined, hit.plain],
    ['b.>', undefined, hit.plain],
    ['jobs.y', undefined, 0],
    ['*.y', 'w1', hit.plain + hit.queue],
    ['jobs.>', 'q', hit.plain + hit.otherQueue],
    ['d.>', 'q', 0],
    ['c.>', 'q', hit.plain],
  ])('touching %s for queue %s: %i', (text, queue, expected) => {
    expect(rules.touching(pattern(text), queue === undefined ? undefined : subject(queue))).toBe(expected)
  })

  it('finds nothing without rules', () => {
    expect(new Rules([]).covering(pattern('>'), undefined)).toBe(0)
    expect(new Rules([]).touching(pattern('>'), subject('q'))).toBe(0)
  })
})

describe('a trie', () => {
  const token = fc.constantFrom('a', 'b', '*')
  const anyPattern = fc
    .tuple(fc.array(token, { minLength: 1, maxLength: 3 }), fc.boolean())
    .map(([tokens, rest]) => pattern(tokens.join('.') + (rest ? '.>' : '')))
  const queue = fc.option(fc.constantFrom('q', 'r', 'q.*', '*').map(pattern), { nil: undefined })
  const anyRule = fc
    .tuple(fc.oneof({ weight: 30, arbitrary: anyPattern }, fc.constant(pattern('>'))), queue)
    .map(([pattern, queue]) => {
      return queue === undefined ? { pattern } : { pattern, queue }
    })
  const asker = fc.option(fc.constantFrom('q', 's', 'q.1').map(subject), { nil: undefined })

  it('answers as the comparison with each rule does', () => {
    fc.assert(
      fc.property(fc.array(anyRule, { maxLength: 20 }), anyPattern, asker, (rules, asked, group) => {
        const list = new RuleList(rules)
        const trie = new RuleTrie(rules)
        expect(trie.covering(asked, group)).toBe(list.covering(asked, group))
        expect(trie.touching(asked, group)).toBe(list.touching(asked, group))
      }),
      runs,
    )
  })

  it('stands in for a list of more than a few rules', () => {
    const rules = Array.from({ length: fewRules + 1 }, (_, index) => rule(`a.${index}`))
    expect(ruleSet(rules)).toBeInstanceOf(RuleTrie)
    expect(ruleSet(rules.slice(1))).toBeInstanceOf(RuleList)
  })

  it('reliability T17: answers the worst question over 20,000 rules within 50 ms of CPU', () => {
    const rules = Array.from({ length: 20_000 }, (_, index) => {
      const bits = index.toString(2).padStart(15, '0')
      return rule(Array.from(bits, (bit) => (bit === '1' ? '*' : 'a')).join('.'))
    })
    const trie = new RuleTrie(rules)
    const worst = pattern(`${'a.'.repeat(15)}z`)
    const cpuMs = (): number => {
      const before = process.cpuUsage()
      expect(trie.covering(worst, undefined)).toBe(0)
      expect(trie.touching(pattern('*.'.repeat(15) + 'z'), undefined)).toBe(0)
      const { user, system } = process.cpuUsage(before)
      return (user + system) / 1000
    }
    // The first answers pay for compiling what gives them, any of them may share its core with something else.
    expect(Math.min(...Array.from({ length: 10 }, cpuMs))).toBeLessThan(50)
  })
})
