// SPDX-License-Identifier: Apache-2.0
import type { Pattern } from './pattern.ts'
import type { PermissionRule } from './permission-rule.ts'
import { hitOf, type Hits, isSettled, type RuleSet } from './rule-hit.ts'
import type { Subject } from './subject.ts'

interface Node {
  /** Children by token; `*` stands here too, a last `>` in `rest`. */
  readonly next: Map<string, Node>
  /** Queue patterns of the rules that end here, undefined for a rule for everybody. */
  readonly rules: (Pattern | undefined)[]
  /** The same of rules that go on with `>`. */
  readonly rest: (Pattern | undefined)[]
}

/** Walks a tree of tokens: an answer costs the tokens of the question, not the number of rules. */
export class RuleTrie implements RuleSet {
  readonly #root = node()

  constructor(rules: readonly PermissionRule[]) {
    for (const { pattern, queue } of rules) {
      const tokens = pattern.split('.')
      const rest = tokens.at(-1) === '>'
      if (rest) tokens.pop()
      let at = this.#root
      for (const token of tokens) at = child(at, token)
      const ends = rest ? at.rest : at.rules
      if (!ends.includes(queue)) ends.push(queue)
    }
  }

  covering(pattern: Pattern, queue: Subject | undefined): Hits {
    return covering(this.#root, pattern, 0, queue)
  }

  touching(pattern: Pattern, queue: Subject | undefined): Hits {
    return touching(this.#root, pattern, 0, queue)
  }
}

function covering(at: Node, pattern: Pattern, from: number, queue: Subject | undefined): Hits {
  if (from > pattern.length) return hitsOf(at.rules, queue)
  let hits = hitsOf(at.rest, queue)
  if (isSettled(hits, queue)) return hits
  const end = tokenEnd(pattern, from)
  const token = pattern.slice(from, end)
  if (token === '>') return hits
  const literal = token === '*' ? undefined : at.next.get(token)
  if (literal !== undefined) hits |= covering(literal, pattern, end + 1, queue)
  const star = isSettled(hits, queue) ? undefined : at.next.get('*')
  return star === undefined ? hits : hits | covering(star, pattern, end + 1, queue)
}

function touching(at: Node, pattern: Pattern, from: number, queue: Subject | undefined): Hits {
  if (from > pattern.length) return hitsOf(at.rules, queue)
  let hits = hitsOf(at.rest, queue)
  const end = tokenEnd(pattern, from)
  const token = pattern.slice(from, end)
  if (token === '>') {
    for (const next of at.next.values()) hits |= anyBelow(next, queue)
    return hits
  }
  if (token === '*') {
    for (const next of at.next.values()) {
      if (isSettled(hits, queue)) break
      hits |= touching(next, pattern, end + 1, queue)
    }
    return hits
  }
  const literal = at.next.get(token)
  if (literal !== undefined) hits |= touching(literal, pattern, end + 1, queue)
  const star = isSettled(hits, queue) ? undefined : at.next.get('*')
  return star === undefined ? hits : hits | touching(star, pattern, end + 1, queue)
}

function anyBelow(at: Node, queue: Subject | undefined): Hits {
  let hits = hitsOf(at.rules, queue) | hitsOf(at.rest, queue)
  for (const next of at.next.values()) {
    if (isSettled(hits, queue)) break
    hits |= anyBelow(next, queue)
  }
  return hits
}

function hitsOf(queues: readonly (Pattern | undefined)[], queue: Subject | undefined): Hits {
  let hits = 0
  for (const ruleQueue of queues) hits |= hitOf(ruleQueue, queue)
  return hits
}

function tokenEnd(pattern: Pattern, from: number): number {
  const dot = pattern.indexOf('.', from)
  return dot < 0 ? pattern.length : dot
}

function child(at: Node, token: string): Node {
  let next = at.next.get(token)
  if (next === undefined) {
    next = node()
    at.next.set(token, next)
  }
  return next
}

function node(): Node {
  return { next: new Map(), rules: [], rest: [] }
}
