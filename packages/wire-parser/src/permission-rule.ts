// SPDX-License-Identifier: Apache-2.0
import { parsePattern, type Pattern } from './pattern.ts'
import { parseTemplateParts, type TemplatePart } from './template-part.ts'
import { principalTokens, type TemplateValues } from './template-values.ts'

/** One pattern that a rule grants or refuses, for one kind of queue group only where `queue` is there. */
export interface PermissionRule {
  readonly pattern: Pattern
  readonly queue?: Pattern
}

const maxProduct = 64

/**
 * The rules one entry of an allow or deny list stands for, one for each combination of its values; undefined if a value
 * is missing, not one literal token, or the combinations are more than 64. Throws TypeError for an entry that could
 * never be a pattern, whatever its values.
 */
export function expandEntry(entry: string, values: TemplateValues, queues: boolean): PermissionRule[] | undefined {
  const parts = parseTemplateParts(entry)
  const request = parts.find((part) => part.kind === 'request')
  if (request !== undefined) {
    throw new TypeError(`permission ${JSON.stringify(entry)}: "{${request.name}}" is of a request; use {{…}}`)
  }
  const sample = parseRule(write(parts, new Map(), 'x'), queues)
  if (sample === undefined) {
    const form = queues ? 'a subject pattern, or a pattern, one blank and a queue pattern' : 'a subject pattern'
    throw new TypeError(`permission ${JSON.stringify(entry)}: not ${form} ("*" and a last ">" stand for whole tokens)`)
  }
  if (parts.every((part) => part.kind === 'text')) return [sample]
  const rules: PermissionRule[] = []
  for (const chosen of combinations(parts, values) ?? []) {
    const rule = parseRule(write(parts, chosen, ''), queues)
    if (rule === undefined) return undefined
    rules.push(rule)
  }
  return rules.length > 0 ? rules : undefined
}

/** Every way to give each placeholder one of its values; the same placeholder has one value throughout an entry. */
function combinations(parts: readonly TemplatePart[], values: TemplateValues): Map<string, string>[] | undefined {
  let chosen: Map<string, string>[] = [new Map()]
  const names = new Set(parts.flatMap((part) => (part.kind === 'principal' ? [part.name] : [])))
  for (const name of names) {
    const value = principalTokens(values, name)
    const list = typeof value === 'string' ? [value] : (value ?? [])
    if (chosen.length * list.length > maxProduct) return undefined
    chosen = chosen.flatMap((map) => list.map((text) => new Map(map).set(name, text)))
  }
  return chosen
}

function write(parts: readonly TemplatePart[], chosen: ReadonlyMap<string, string>, missing: string): string {
  return parts.map((part) => (part.kind === 'text' ? part.text : (chosen.get(part.name) ?? missing))).join('')
}

function parseRule(text: string, queues: boolean): PermissionRule | undefined {
  const blank = queues ? text.indexOf(' ') : -1
  const pattern = parsePattern(blank < 0 ? text : text.slice(0, blank))
  if (pattern === undefined || blank < 0) return pattern && { pattern }
  const queue = parsePattern(text.slice(blank + 1))
  return queue && { pattern, queue }
}
