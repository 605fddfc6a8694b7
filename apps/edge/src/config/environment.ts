// SPDX-License-Identifier: Apache-2.0
import type { Diagnostic } from './diagnostic.ts'
import { configJsonSchema } from './json-schema.ts'
import type { JsonSchema } from './json-schema.ts'
import { suggest } from './suggest.ts'
import type { ConfigNode, Span } from './tree.ts'
import { mergeNodes, sourceText } from './tree.ts'

const prefix = 'NATS_EDGE_'

/** Variables with our prefix that are no settings: they belong to the embedded broker and to the tests. */
export const reservedVariables: readonly string[] = ['NATS_EDGE_CACHE_DIR', 'NATS_EDGE_TEST_SERVERS']

/** `nats.ping.maxOut` as `NATS_EDGE_NATS_PING_MAX_OUT`. */
export function variableName(path: readonly string[]): string {
  return prefix + path.map((step) => step.replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase()).join('_')
}

/** Every setting that has a variable: all but the maps whose keys are settings themselves. */
export function settingPaths(schema: JsonSchema = configJsonSchema()): readonly (readonly string[])[] {
  const paths: (readonly string[])[] = []
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    // `$schema` is for editors.
    if (key.startsWith('$')) continue
    if (child.properties === undefined) paths.push([key])
    else for (const rest of settingPaths(child)) paths.push([key, ...rest])
  }
  return paths
}

/** Reads the settings that the environment holds; an unknown variable with our prefix is an error. */
export function parseEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  alsoKnown: ReadonlySet<string>,
): { readonly tree: ConfigNode | undefined; readonly diagnostics: readonly Diagnostic[] } {
  const paths = new Map(settingPaths().map((path) => [variableName(path), path]))
  const diagnostics: Diagnostic[] = []
  let tree: ConfigNode | undefined
  for (const [name, value] of Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!name.startsWith(prefix) || value === undefined || reservedVariables.includes(name)) continue
    const source = sourceText('environment', name)
    const span: Span = { source, start: 0, end: name.length }
    const path = paths.get(name)
    if (path !== undefined) tree = mergeNodes(tree, nodeOfText(path, value, span))
    else if (!alsoKnown.has(name)) diagnostics.push(unknownVariable(name, span, paths.keys()))
  }
  return { tree, diagnostics }
}

/** A tree that holds one text at `path`. */
export function nodeOfText(path: readonly string[], value: string, span: Span, keySpan: Span = span): ConfigNode {
  const [key, ...rest] = path
  if (key === undefined) return { kind: 'scalar', span, value, text: true }
  return { kind: 'map', span, entries: new Map([[key, { keySpan, value: nodeOfText(rest, value, span, keySpan) }]]) }
}

function unknownVariable(name: string, span: Span, known: Iterable<string>): Diagnostic {
  const suggestion = suggest(name, known)
  const message = `"${name}" sets nothing`
  return {
    severity: 'error',
    code: 'config/unknown-variable',
    message,
    span,
    path: [],
    ...(suggestion === undefined ? {} : { suggestion }),
  }
}
