// SPDX-License-Identifier: Apache-2.0
import { isSubset, type Pattern } from './pattern.ts'
import type { Subject } from './subject.ts'

/** The rules of one allow or deny list, asked with a pattern (a subject is one) and the asker's queue group. */
export interface RuleSet {
  /** Which rules match everything the pattern matches. */
  covering(pattern: Pattern, queue: Subject | undefined): Hits
  /** Which rules match something the pattern matches. */
  touching(pattern: Pattern, queue: Subject | undefined): Hits
}

/** Kinds of rules that were found, as a sum of `hit`. */
export type Hits = number

export const hit = {
  /** A rule for everybody. */
  plain: 1,
  /** A rule for the asker's queue group. */
  queue: 2,
  /** A rule for other queue groups than the asker's. */
  otherQueue: 4,
} as const

/** What one rule counts as for this asker; rules for queue groups say nothing about one without. */
export function hitOf(ruleQueue: Pattern | undefined, queue: Subject | undefined): Hits {
  if (ruleQueue === undefined) return hit.plain
  if (queue === undefined) return 0
  return isSubset(queue, ruleQueue) ? hit.queue : hit.otherQueue
}

/** Whether nothing that could still be found changes the answer. */
export function isSettled(hits: Hits, queue: Subject | undefined): boolean {
  return queue === undefined ? hits === hit.plain : hits === (hit.plain | hit.queue | hit.otherQueue)
}
