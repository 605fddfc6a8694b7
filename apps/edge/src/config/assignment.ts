// SPDX-License-Identifier: Apache-2.0
import type { Diagnostic } from './diagnostic.ts'
import { nodeOfText } from './environment.ts'
import { hideSecrets } from './secret.ts'
import type { ConfigNode } from './tree.ts'
import { mergeNodes, sourceText } from './tree.ts'

/** One setting given on the command line. */
export interface Assignment {
  /** The flag as messages call it: `--set`, `--port`. */
  readonly flag: string
  /** `nats.ping.interval=2s`. */
  readonly text: string
}

/** Reads assignments, later ones over earlier ones. */
export function parseAssignments(assignments: readonly Assignment[]): {
  readonly tree: ConfigNode | undefined
  readonly diagnostics: readonly Diagnostic[]
} {
  const diagnostics: Diagnostic[] = []
  let tree: ConfigNode | undefined
  for (const { flag, text } of assignments) {
    const source = sourceText(flag, text)
    const equals = text.indexOf('=')
    const path = text.slice(0, equals).split('.')
    if (equals < 1 || path.includes('')) {
      const span = { source, start: 0, end: text.length }
      const message = 'must have the form key.inner=value'
      diagnostics.push({ severity: 'error', code: 'config/syntax', message, span, path: [] })
      continue
    }
    const keySpan = { source, start: 0, end: equals }
    const span = { source, start: equals + 1, end: text.length }
    const node = nodeOfText(path, text.slice(equals + 1), span, keySpan)
    hideSecrets(node)
    tree = mergeNodes(tree, node)
  }
  return { tree, diagnostics }
}
