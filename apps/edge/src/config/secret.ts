// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs'
import type { Diagnostic } from './diagnostic.ts'
import { isSecret, keysAt } from './json-schema.ts'
import type { ConfigNode, ConfigPath, MapEntry, MapNode } from './tree.ts'

/** Replaces `{ file }` and `{ env }` by the secret they name; what cannot be read is reported where it is named. */
export function resolveSecrets(
  root: ConfigNode,
  env: Readonly<Record<string, string | undefined>>,
): { readonly tree: ConfigNode; readonly diagnostics: readonly Diagnostic[]; readonly variables: readonly string[] } {
  const diagnostics: Diagnostic[] = []
  const variables: string[] = []
  return { tree: resolve(root, []), diagnostics, variables }

  function resolve(node: ConfigNode, path: ConfigPath): ConfigNode {
    if (node.kind === 'list')
      return { ...node, items: node.items.map((item, index) => resolve(item, [...path, index])) }
    if (node.kind !== 'map') return node
    if (isSecret(path)) return resolveSecret(node, path)
    const entries = new Map<string, MapEntry>()
    for (const [key, entry] of node.entries) {
      entries.set(key, { keySpan: entry.keySpan, value: resolve(entry.value, [...path, key]) })
    }
    return { ...node, entries }
  }

  function resolveSecret(node: MapNode, path: ConfigPath): ConfigNode {
    const source = sourceOf(node)
    // Another shape is for the schema to complain about.
    if (source === undefined) return node
    if (source.from === 'env') variables.push(source.name)
    const value = source.from === 'env' ? env[source.name] : readText(source.name)
    if (value !== undefined && value !== '') return { kind: 'scalar', span: node.span, value, text: false }
    const message =
      source.from === 'env' ? `${source.name} is not set or is empty` : `"${source.name}" cannot be read or is empty`
    diagnostics.push({ severity: 'error', code: 'config/unreadable-secret', message, span: node.span, path })
    return { kind: 'scalar', span: node.span, value: '-', text: false }
  }
}

/** Marks every secret in a source, and every value that may be one under a misspelt key, as not to be shown. */
export function hideSecrets(node: ConfigNode, path: ConfigPath = [], secret = false): void {
  if (node.kind === 'scalar') {
    if (secret) node.span.source.hidden.push(node.span)
  } else if (node.kind === 'list') {
    for (const [index, item] of node.items.entries()) hideSecrets(item, [...path, index], secret)
  } else {
    const keys = keysAt(path)
    const besideSecrets = keys.some((key) => isSecret([...path, key]))
    for (const [key, { value }] of node.entries) {
      const inner = [...path, key]
      hideSecrets(value, inner, secret || isSecret(inner) || (besideSecrets && !keys.includes(key)))
    }
  }
}

function sourceOf(node: MapNode): { readonly from: 'file' | 'env'; readonly name: string } | undefined {
  const [entry, ...others] = node.entries
  if (entry === undefined || others.length > 0) return undefined
  const [from, { value }] = entry
  if ((from !== 'file' && from !== 'env') || value.kind !== 'scalar' || typeof value.value !== 'string')
    return undefined
  return { from, name: value.value }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}
