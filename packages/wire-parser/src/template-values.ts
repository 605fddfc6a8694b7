// SPDX-License-Identifier: Apache-2.0
import { isToken } from './subject.ts'

/** What the placeholders of a template stand for. */
export interface TemplateValues {
  /** Values of the request by name; a list is what `{name*}` takes, one token an entry. */
  readonly request?: ReadonlyMap<string, string | readonly string[]>
  readonly id?: string
  readonly name?: string
  readonly ip?: string
  readonly claims?: Readonly<Record<string, unknown>>
}

/**
 * The text behind a placeholder of the principal. A claim's text is a string, or a whole number in decimal digits; a
 * list of these is a list; anything else is undefined.
 */
export function principalValue(values: TemplateValues, name: string): string | readonly string[] | undefined {
  if (name === 'id' || name === 'name' || name === 'ip') return values[name]
  const claim = claimAt(values.claims, name.slice('claim.'.length))
  if (!Array.isArray(claim)) return scalar(claim)
  const list: string[] = []
  for (const entry of claim) {
    const text = scalar(entry)
    if (text === undefined) return undefined
    list.push(text)
  }
  return list
}

/**
 * The same where it becomes part of a subject: undefined unless each value is one literal token. The dots of an IPv4
 * address, which no token can hold, are written `-`.
 */
export function principalTokens(values: TemplateValues, name: string): string | readonly string[] | undefined {
  const value = name === 'ip' ? values.ip?.replaceAll('.', '-') : principalValue(values, name)
  if (value === undefined) return undefined
  return (typeof value === 'string' ? isToken(value) : value.every(isToken)) ? value : undefined
}

/** Claims may be named by URLs, so a claim of exactly that name comes first; else the dots lead into nested claims. */
function claimAt(claims: unknown, path: string): unknown {
  if (!isRecord(claims)) return undefined
  if (Object.hasOwn(claims, path)) return claims[path]
  let value: unknown = claims
  for (const key of path.split('.')) {
    if (!isRecord(value) || !Object.hasOwn(value, key)) return undefined
    value = value[key]
  }
  return value
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function scalar(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  return Number.isSafeInteger(value) ? String(value) : undefined
}
