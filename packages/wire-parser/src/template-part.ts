// SPDX-License-Identifier: Apache-2.0

/** A piece of a template: text as it stands, or a placeholder. */
export type TemplatePart = { readonly kind: 'text'; readonly text: string } | Placeholder

/** What stands for a value of the request, or of the principal. */
export type Placeholder =
  | { readonly kind: 'request'; readonly name: string; readonly rest: boolean }
  | { readonly kind: 'principal'; readonly name: string }

const requestName = /^[A-Za-z_][A-Za-z0-9_-]*$/
const principalName = /^(?:id|name|ip|claim\.[^{}\s]+)$/

/** Splits a template at its placeholders; throws TypeError naming the fault and its position, counted from 1. */
export function parseTemplateParts(source: string): TemplatePart[] {
  const parts: TemplatePart[] = []
  let at = 0
  while (at < source.length) {
    const open = source.indexOf('{', at)
    const end = open < 0 ? source.length : open
    const stray = source.indexOf('}', at)
    if (stray >= 0 && stray < end) throw fault(source, stray, '"}" without "{"')
    if (end > at) parts.push({ kind: 'text', text: source.slice(at, end) })
    if (open < 0) break
    const close = source.startsWith('{{', open) ? '}}' : '}'
    const closed = source.indexOf(close, open)
    if (closed < 0) throw fault(source, open, `"{" without its "${close}"`)
    const inner = source.slice(open + close.length, closed)
    at = closed + close.length
    parts.push(close === '}}' ? principalPart(source, open, inner) : requestPart(source, open, inner, at))
  }
  return parts
}

function principalPart(source: string, open: number, name: string): TemplatePart {
  if (!principalName.test(name)) {
    throw fault(source, open, `"{{${name}}}" is not one of {{id}}, {{name}}, {{ip}} and {{claim.<name>}}`)
  }
  return { kind: 'principal', name }
}

function requestPart(source: string, open: number, inner: string, end: number): TemplatePart {
  const rest = inner.endsWith('*')
  const name = rest ? inner.slice(0, -1) : inner
  if (!requestName.test(name)) {
    throw fault(source, open, `"{${inner}}" is not a name: a letter or "_", then letters, digits, "_" and "-"`)
  }
  if (rest && end !== source.length) throw fault(source, open, `"{${inner}}" takes all that is left and must come last`)
  if (rest && open > 0 && source[open - 1] !== '.') {
    throw fault(source, open, `"{${inner}}" gives whole tokens and must begin one`)
  }
  return { kind: 'request', name, rest }
}

function fault(source: string, at: number, what: string): TypeError {
  return new TypeError(`template ${JSON.stringify(source)}, position ${at + 1}: ${what}`)
}
