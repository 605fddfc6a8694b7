// SPDX-License-Identifier: Apache-2.0
import { isAlias, isMap, isScalar, isSeq, parseDocument } from 'yaml'
import type { Document, Node, Pair, Scalar } from 'yaml'
import type { Diagnostic, DiagnosticCode } from './diagnostic.ts'
import { expandVariables } from './expansion.ts'
import { hideSecrets } from './secret.ts'
import type { ConfigNode, MapEntry, SourceText, Span } from './tree.ts'

/** What was read from one source: the tree as far as it could be read, and everything wrong with it. */
export interface ParsedSource {
  readonly tree: ConfigNode | undefined
  readonly diagnostics: readonly Diagnostic[]
  /** Environment variables the text refers to by `${NAME}`. */
  readonly variables: readonly string[]
}

// Aliases can make a small file unfold into a huge tree.
const maxNodes = 100_000

/** Reads the text of a YAML or JSON file; the extension of its name decides which. */
export function parseSource(source: SourceText, env: Readonly<Record<string, string | undefined>>): ParsedSource {
  return new SourceReader(source, env).read()
}

class SourceReader {
  readonly #source: SourceText
  readonly #env: Readonly<Record<string, string | undefined>>
  readonly #diagnostics: Diagnostic[] = []
  readonly #variables: string[] = []
  #nodes = 0

  constructor(source: SourceText, env: Readonly<Record<string, string | undefined>>) {
    this.#source = source
    this.#env = env
  }

  read(): ParsedSource {
    const document = parseDocument(this.#source.text, { prettyErrors: false })
    this.#collectFaults(document)
    // What a broken text means can only be guessed at, and every wrong guess would be one more error.
    const isBroken = this.#diagnostics.some((each) => each.code === 'config/syntax')
    let tree = document.contents === null ? undefined : this.#node(document.contents, document)
    if (tree !== undefined) hideSecrets(tree)
    if (tree !== undefined && tree.kind !== 'map') {
      if (!isBroken) this.#fault('config/wrong-type', 'must be a map of keys', tree.span)
      tree = undefined
    }
    return { tree: isBroken ? undefined : tree, diagnostics: this.#diagnostics, variables: this.#variables }
  }

  #collectFaults(document: Document.Parsed): void {
    for (const fault of [...document.errors, ...document.warnings]) {
      const span = this.#span(fault.pos[0], fault.pos[1])
      if (fault.code === 'DUPLICATE_KEY') this.#duplicateKey(span)
      else this.#fault('config/syntax', fault.message, span)
    }
    if (this.#source.name.endsWith('.json') && document.errors.length === 0) this.#checkJson()
  }

  #duplicateKey({ start }: Span): void {
    const key = /^(?:"[^"]*"|'[^']*'|[^\s:,{}[\]]+)/.exec(this.#source.text.slice(start))?.[0] ?? ''
    const message = `${key.startsWith('"') ? key : `"${key}"`} is given twice in the same map`
    this.#fault('config/duplicate-key', message, this.#span(start, start + key.length))
  }

  // YAML reads all JSON, but also much that no JSON reader would.
  #checkJson(): void {
    try {
      JSON.parse(this.#source.text)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      const at = Number(/at position (\d+)/.exec(message)?.[1] ?? 0)
      this.#fault('config/syntax', message.replace(/ (in JSON )?at position.*$/s, ''), this.#span(at, at + 1))
    }
  }

  #node(node: Node, document: Document.Parsed): ConfigNode {
    const span = this.#span(node.range?.[0] ?? 0, node.range?.[1] ?? 0)
    if (++this.#nodes > maxNodes) {
      if (this.#nodes === maxNodes + 1) this.#fault('config/syntax', `holds more than ${maxNodes} values`, span)
      return { kind: 'scalar', span, value: null, text: false }
    }
    if (isMap(node)) return this.#map(node.items, span, document)
    if (isSeq(node)) {
      const items = node.items.map((item): ConfigNode => this.#item(item, span, document))
      return { kind: 'list', span, items }
    }
    if (isAlias(node)) {
      const target = node.resolve(document)
      return target === undefined ? { kind: 'scalar', span, value: null, text: false } : this.#node(target, document)
    }
    return this.#scalar(node, span)
  }

  #item(item: unknown, around: Span, document: Document.Parsed): ConfigNode {
    if (isMap(item) || isSeq(item) || isAlias(item) || isScalar(item)) return this.#node(item, document)
    return { kind: 'scalar', span: around, value: null, text: false }
  }

  #map(pairs: readonly Pair[], span: Span, document: Document.Parsed): ConfigNode {
    const entries = new Map<string, MapEntry>()
    for (const pair of pairs) {
      const key = pair.key
      if (!isScalar(key)) {
        this.#fault('config/syntax', 'a key must be plain text', span)
        continue
      }
      const keySpan = this.#span(key.range?.[0] ?? 0, key.range?.[1] ?? 0)
      const name = String(key.value)
      // The first of two equal keys counts; the second has been reported.
      if (!entries.has(name)) entries.set(name, { keySpan, value: this.#item(pair.value, keySpan, document) })
    }
    return { kind: 'map', span, entries }
  }

  #scalar(node: Scalar, span: Span): ConfigNode {
    const value = node.value
    if (typeof value === 'string') return this.#text(value, span)
    if (typeof value === 'number' || typeof value === 'boolean' || value === null) {
      return { kind: 'scalar', span, value, text: false }
    }
    this.#fault('config/syntax', 'must be a text, a number, true, false or null', span)
    return { kind: 'scalar', span, value: null, text: false }
  }

  #text(value: string, span: Span): ConfigNode {
    const expansion = expandVariables(value, this.#env)
    this.#variables.push(...expansion.named)
    for (const name of expansion.unset) {
      this.#fault('config/unset-variable', `${name} is not set; "\${${name}:-value}" gives it a default`, span)
    }
    return { kind: 'scalar', span, value: expansion.text, text: expansion.changed }
  }

  #span(start: number, end: number): Span {
    return { source: this.#source, start, end }
  }

  #fault(code: DiagnosticCode, message: string, span: Span): void {
    this.#diagnostics.push({ severity: 'error', code, message, span, path: [] })
  }
}
