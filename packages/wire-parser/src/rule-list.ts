// SPDX-License-Identifier: Apache-2.0
import { isSubset, overlaps, type Pattern } from './pattern.ts'
import type { PermissionRule } from './permission-rule.ts'
import { hitOf, type Hits, isSettled, type RuleSet } from './rule-hit.ts'
import type { Subject } from './subject.ts'

/** Compares with one rule after the other: for few of them faster than a tree, and without its memory. */
export class RuleList implements RuleSet {
  readonly #rules: readonly PermissionRule[]

  constructor(rules: readonly PermissionRule[]) {
    this.#rules = rules
  }

  covering(pattern: Pattern, queue: Subject | undefined): Hits {
    let hits = 0
    for (const rule of this.#rules) {
      if (isSubset(pattern, rule.pattern)) hits |= hitOf(rule.queue, queue)
      if (isSettled(hits, queue)) break
    }
    return hits
  }

  touching(pattern: Pattern, queue: Subject | undefined): Hits {
    let hits = 0
    for (const rule of this.#rules) {
      if (overlaps(pattern, rule.pattern)) hits |= hitOf(rule.queue, queue)
      if (isSettled(hits, queue)) break
    }
    return hits
  }
}
