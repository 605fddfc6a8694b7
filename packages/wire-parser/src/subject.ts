// SPDX-License-Identifier: Apache-2.0
import { inspect } from './gate.ts'
import type { SubjectFault, SubjectLimits } from './limits.ts'
import type { Pattern } from './pattern.ts'

declare const subject: unique symbol

/** A checked, literal subject: safe to publish on, and a pattern that matches itself only. */
export type Subject = Pattern & { readonly [subject]: true }

const oneToken: SubjectLimits = { maxBytes: Infinity, maxTokens: 1 }

/** The text as a subject, or undefined where `subjectFault()` finds something. */
export function parseSubject(text: string, limits?: SubjectLimits): Subject | undefined {
  return inspect(text, limits, false) === undefined ? (text as Subject) : undefined
}

/**
 * What keeps the text from being a subject, for callers that answer each reason differently. A text beyond `maxBytes` is
 * `too_long` whatever it holds.
 */
export function subjectFault(text: string, limits?: SubjectLimits): SubjectFault | undefined {
  return inspect(text, limits, false)
}

/** Joins tokens; undefined if one of them is not exactly one token or the whole does not fit the limits. */
export function subjectFromTokens(tokens: readonly string[], limits?: SubjectLimits): Subject | undefined {
  for (const token of tokens) if (token === '' || token.includes('.')) return undefined
  return parseSubject(tokens.join('.'), limits)
}

/** Whether the text can stand between two dots of a subject: not empty, no dot, wildcard, white space or control. */
export function isToken(text: string): boolean {
  return inspect(text, oneToken, false) === undefined
}
