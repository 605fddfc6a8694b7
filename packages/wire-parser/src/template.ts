// SPDX-License-Identifier: Apache-2.0
import type { SubjectLimits } from './limits.ts'
import { isToken, parseSubject, type Subject } from './subject.ts'
import { parseTemplateParts, type Placeholder, type TemplatePart } from './template-part.ts'
import { principalTokens, principalValue, type TemplateValues } from './template-values.ts'

/** A text with placeholders, parsed once and filled per request. */
export interface Template {
  readonly source: string
  /** The names of `{name}` and `{name*}`, in order, each once. */
  readonly names: readonly string[]
  /** The names of `{{id}}`, `{{claim.x}}` and so on, in order, each once, without braces. */
  readonly principalNames: readonly string[]
  /**
   * The subject with every value in its place; undefined if a value is missing or not exactly one token, or the whole is
   * no subject within the limits.
   */
  fill(values: TemplateValues, limits?: SubjectLimits): Subject | undefined
  /**
   * The text with every value as it is, for what is no subject (a header, a role); undefined if a value is missing. The
   * caller checks the result by the rules of the place it goes to.
   */
  fillText(values: TemplateValues): string | undefined
}

/** Parses a template; throws TypeError naming the fault and its position. */
export function parseTemplate(text: string): Template {
  const parts = parseTemplateParts(text)
  const names = new Set<string>()
  const principalNames = new Set<string>()
  for (const part of parts) {
    if (part.kind === 'request') names.add(part.name)
    else if (part.kind === 'principal') principalNames.add(part.name)
  }
  const constant = parts.every((part) => part.kind === 'text')
  return Object.freeze({
    source: text,
    names: Object.freeze([...names]),
    principalNames: Object.freeze([...principalNames]),
    fill: (values: TemplateValues, limits?: SubjectLimits) => {
      const filled = constant ? text : join(parts, values, true)
      return filled === undefined ? undefined : parseSubject(filled, limits)
    },
    fillText: (values: TemplateValues) => join(parts, values, false),
  })
}

function join(parts: readonly TemplatePart[], values: TemplateValues, asTokens: boolean): string | undefined {
  let text = ''
  for (const part of parts) {
    const value = part.kind === 'text' ? part.text : valueOf(part, values, asTokens)
    if (value === undefined) return undefined
    text += value
  }
  return text
}

function valueOf(part: Placeholder, values: TemplateValues, asTokens: boolean): string | undefined {
  if (part.kind === 'principal') {
    const value = asTokens ? principalTokens(values, part.name) : principalValue(values, part.name)
    return typeof value === 'string' ? value : undefined
  }
  const value = values.request?.get(part.name)
  if (typeof value === 'string') return !asTokens || isToken(value) ? value : undefined
  if (value === undefined || !part.rest || value.length === 0) return undefined
  return !asTokens || value.every(isToken) ? value.join('.') : undefined
}
