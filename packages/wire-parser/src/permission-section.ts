// SPDX-License-Identifier: Apache-2.0
import type { SubjectLimits } from './limits.ts'
import { parsePattern, type Pattern } from './pattern.ts'
import type { PermissionRule } from './permission-rule.ts'
import { hit, type Hits, type RuleSet } from './rule-hit.ts'
import { fewRules, ruleSet } from './rule-set.ts'
import { parseSubject, type Subject } from './subject.ts'
import { VerdictTable } from './verdict-table.ts'

/** How much of what a pattern matches is allowed. */
export type Coverage = 'all' | 'some' | 'none'

// What may be published is the gate's business; here a long resource is compared like any other.
const unlimited: SubjectLimits = { maxBytes: Infinity, maxTokens: Infinity, embeddedWildcards: true }

/** One allow list and one deny list, asked about one resource after the other. Without an allow list all is allowed. */
export class PermissionSection {
  readonly #allow: RuleSet | undefined
  readonly #deny: RuleSet
  readonly #verdicts: VerdictTable | undefined
  #lastResource = ''
  #lastVerdict = false

  constructor(allow: readonly PermissionRule[] | undefined, deny: readonly PermissionRule[]) {
    this.#allow = allow && ruleSet(allow)
    this.#deny = ruleSet(deny)
    // Few rules are asked faster than a table.
    this.#verdicts = Math.max(allow?.length ?? 0, deny.length) > fewRules ? new VerdictTable() : undefined
  }

  /** Whether everything the resource matches is allowed. */
  allowsWhole(resource: string, queue: string | undefined): boolean {
    if (queue !== undefined) return this.#decide(resource, queue)
    if (resource === this.#lastResource) return this.#lastVerdict
    let verdict = this.#verdicts?.get(resource)
    if (verdict === undefined) {
      verdict = this.#decide(resource, undefined)
      this.#verdicts?.set(resource, verdict)
    }
    this.#lastResource = resource
    this.#lastVerdict = verdict
    return verdict
  }

  /** Whether the server would take a subscription: all within one allowed pattern, not all within a denied one. */
  allowsSubscription(resource: string, queue: string | undefined): boolean {
    const pattern = parsePattern(resource, unlimited)
    return pattern !== undefined && this.subscription(pattern, queue) !== 'none'
  }

  /** As `coverage()`, but `none` where the subscription itself is refused. */
  subscription(pattern: Pattern, queue: string | undefined): Coverage {
    const group = groupOf(queue)
    return group !== null && this.#isCovered(pattern, group) ? this.coverage(pattern, queue) : 'none'
  }

  coverage(pattern: Pattern, queue: string | undefined): Coverage {
    const group = groupOf(queue)
    return group === null ? 'none' : this.#coverage(pattern, group)
  }

  #decide(resource: string, queue: string | undefined): boolean {
    const pattern = parsePattern(resource, unlimited)
    const group = groupOf(queue)
    if (pattern === undefined || group === null) return false
    return !concerns(this.#deny.touching(pattern, group)) && this.#isWholeAllowed(pattern, group)
  }

  #coverage(pattern: Pattern, group: Subject | undefined): Coverage {
    if (concerns(this.#deny.covering(pattern, group))) return 'none'
    const allowed = this.#allowedPart(pattern, group)
    return allowed === 'all' && concerns(this.#deny.touching(pattern, group)) ? 'some' : allowed
  }

  #allowedPart(pattern: Pattern, group: Subject | undefined): Coverage {
    if (this.#allow === undefined || this.#isWholeAllowed(pattern, group)) return 'all'
    return concerns(this.#allow.touching(pattern, group)) ? 'some' : 'none'
  }

  #isWholeAllowed(pattern: Pattern, group: Subject | undefined): boolean {
    if (this.#allow === undefined) return true
    const covering = this.#allow.covering(pattern, group)
    if ((covering & hit.queue) !== 0) return true
    if ((covering & hit.plain) === 0) return false
    return group === undefined || (this.#allow.touching(pattern, group) & hit.otherQueue) === 0
  }

  #isCovered(pattern: Pattern, group: Subject | undefined): boolean {
    if (this.#allow === undefined) return true
    const covering = this.#allow.covering(pattern, group)
    // As in nats-server, rules for queue groups on a subject decide alone on queue groups there.
    return (covering & hit.otherQueue) === 0 ? covering !== 0 : (covering & hit.queue) !== 0
  }
}

function concerns(hits: Hits): boolean {
  return (hits & (hit.plain | hit.queue)) !== 0
}

/** The queue group, null for a name that rules could not tell from a pattern: such a group is refused. */
function groupOf(queue: string | undefined): Subject | undefined | null {
  return queue === undefined ? undefined : (parseSubject(queue, unlimited) ?? null)
}
