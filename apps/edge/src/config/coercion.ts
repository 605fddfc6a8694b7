// SPDX-License-Identifier: Apache-2.0
import { typesAt } from './json-schema.ts'
import type { ConfigNode, ConfigPath, MapEntry, Span } from './tree.ts'

/**
 * Gives bare texts (environment, flags, expanded variables) the type their key asks for: `8` is a number where a number
 * is wanted and a text where a text is; lists and maps are written as JSON.
 */
export function coerceTexts(node: ConfigNode, path: ConfigPath = []): ConfigNode {
  if (node.kind === 'scalar') {
    return node.text && typeof node.value === 'string' ? coerceText(node.value, typesAt(path), node.span) : node
  }
  if (node.kind === 'list') {
    return { ...node, items: node.items.map((item, index) => coerceTexts(item, [...path, index])) }
  }
  const entries = new Map<string, MapEntry>()
  for (const [key, entry] of node.entries) {
    entries.set(key, { keySpan: entry.keySpan, value: coerceTexts(entry.value, [...path, key]) })
  }
  return { ...node, entries }
}

function coerceText(text: string, types: ReadonlySet<string>, span: Span): ConfigNode {
  if (types.has('boolean') && (text === 'true' || text === 'false')) return scalar(text === 'true', span)
  if ((types.has('integer') || types.has('number')) && /^-?\d+(\.\d+)?$/.test(text)) return scalar(Number(text), span)
  if ((types.has('array') && text.startsWith('[')) || (types.has('object') && text.startsWith('{'))) {
    return parsedJson(text, span) ?? scalar(text, span)
  }
  return scalar(text, span)
}

function parsedJson(text: string, span: Span): ConfigNode | undefined {
  try {
    return nodeOf(JSON.parse(text), span)
  } catch {
    return undefined
  }
}

function nodeOf(value: unknown, span: Span): ConfigNode {
  if (Array.isArray(value)) return { kind: 'list', span, items: value.map((item) => nodeOf(item, span)) }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([key, each]): [string, MapEntry] => [
      key,
      { keySpan: span, value: nodeOf(each, span) },
    ])
    return { kind: 'map', span, entries: new Map(entries) }
  }
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return scalar(value, span)
  return scalar(null, span)
}

function scalar(value: string | number | boolean | null, span: Span): ConfigNode {
  return { kind: 'scalar', span, value, text: false }
}
