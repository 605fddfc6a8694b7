// SPDX-License-Identifier: Apache-2.0

/** A text that settings came from: a file, one `--set` flag, one environment variable. */
export interface SourceText {
  /** What a message begins with: a file name, `--set`, `environment`. */
  readonly name: string
  /** What an excerpt is taken from; never holds the value of an environment variable. */
  readonly text: string
  /** Counts sources as they are read: messages stand in this order. */
  readonly order: number
  /** Parts of the text that no excerpt may show; filled in once it is known what the text says. */
  readonly hidden: { readonly start: number; readonly end: number }[]
}

let sources = 0

export function sourceText(name: string, text: string): SourceText {
  return { name, text, order: sources++, hidden: [] }
}

/** Where in a source something stands, as offsets into its text. */
export interface Span {
  readonly source: SourceText
  readonly start: number
  readonly end: number
}

export type ConfigNode = MapNode | ListNode | ScalarNode

export interface MapNode {
  readonly kind: 'map'
  readonly span: Span
  /** A Map, so that a key such as `__proto__` is a key and nothing else. */
  readonly entries: ReadonlyMap<string, MapEntry>
}

export interface MapEntry {
  readonly keySpan: Span
  readonly value: ConfigNode
}

interface ListNode {
  readonly kind: 'list'
  readonly span: Span
  readonly items: readonly ConfigNode[]
}

interface ScalarNode {
  readonly kind: 'scalar'
  readonly span: Span
  readonly value: string | number | boolean | null
  /** The value arrived as bare text (environment, flag, expansion): the schema decides which type it means. */
  readonly text: boolean
}

export type ConfigPath = readonly (string | number)[]

/** Lays `upper` over `lower`: maps merge key by key, everything else replaces. */
export function mergeNodes(lower: ConfigNode | undefined, upper: ConfigNode): ConfigNode {
  if (lower?.kind !== 'map' || upper.kind !== 'map') return upper
  const entries = new Map(lower.entries)
  for (const [key, entry] of upper.entries) {
    entries.set(key, { keySpan: entry.keySpan, value: mergeNodes(entries.get(key)?.value, entry.value) })
  }
  return { kind: 'map', span: upper.span, entries }
}

/** Gives a tree as plain data without prototypes, ready for a schema. */
export function nodeToValue(node: ConfigNode): unknown {
  if (node.kind === 'scalar') return node.value
  if (node.kind === 'list') return node.items.map(nodeToValue)
  const value: Record<string, unknown> = Object.create(null)
  for (const [key, entry] of node.entries) value[key] = nodeToValue(entry.value)
  return value
}

/** Finds where the value at `path` stands, or the nearest thing around it. */
export function spanOfValue(root: ConfigNode, path: ConfigPath): Span {
  let node = root
  for (const step of path) {
    const child = childOf(node, step)
    if (child === undefined) break
    node = child
  }
  return node.span
}

/** Finds where the key at the end of `path` stands; the value around it when there is no such key. */
export function spanOfKey(root: ConfigNode, path: ConfigPath): Span {
  const parent = nodeAt(root, path.slice(0, -1))
  const key = path.at(-1)
  const entry = parent?.kind === 'map' && key !== undefined ? parent.entries.get(String(key)) : undefined
  return entry?.keySpan ?? spanOfValue(root, path)
}

export function nodeAt(root: ConfigNode, path: ConfigPath): ConfigNode | undefined {
  let node: ConfigNode | undefined = root
  for (const step of path) {
    if (node === undefined) return undefined
    node = childOf(node, step)
  }
  return node
}

/** Gives the tree without the key at the end of `path`. */
export function withoutKey(root: ConfigNode, path: ConfigPath): ConfigNode {
  const [step, ...rest] = path
  if (step === undefined) return root
  if (root.kind === 'list') {
    const items = root.items.map((item, index) => (index === step && rest.length > 0 ? withoutKey(item, rest) : item))
    return { ...root, items }
  }
  if (root.kind !== 'map') return root
  const entries = new Map(root.entries)
  const entry = entries.get(String(step))
  if (entry === undefined) return root
  if (rest.length === 0) entries.delete(String(step))
  else entries.set(String(step), { ...entry, value: withoutKey(entry.value, rest) })
  return { ...root, entries }
}

function childOf(node: ConfigNode, step: string | number): ConfigNode | undefined {
  if (node.kind === 'map') return node.entries.get(String(step))?.value
  if (node.kind === 'list') return node.items[Number(step)]
  return undefined
}
