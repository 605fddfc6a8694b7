// SPDX-License-Identifier: Apache-2.0
import type { PermissionRule } from './permission-rule.ts'
import type { RuleSet } from './rule-hit.ts'
import { RuleList } from './rule-list.ts'
import { RuleTrie } from './rule-trie.ts'

/** Up to here comparing with each rule costs less than a tree. */
export const fewRules = 8

/** The rules in the form that is fastest to ask for their number. */
export function ruleSet(rules: readonly PermissionRule[]): RuleSet {
  return rules.length <= fewRules ? new RuleList(rules) : new RuleTrie(rules)
}
