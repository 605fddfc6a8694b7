// SPDX-License-Identifier: Apache-2.0
import type { z } from 'zod'
import type { EdgeConfig } from '../config.ts'
import type { Diagnostic, DiagnosticCode } from './diagnostic.ts'
import { formatPath } from './diagnostic.ts'
import { keysAt } from './json-schema.ts'
import { configSchema } from './schema.ts'
import { suggest } from './suggest.ts'
import type { ConfigNode, ConfigPath } from './tree.ts'
import { nodeAt, nodeToValue, spanOfKey, spanOfValue } from './tree.ts'

/** Checks a tree against the schema: the configuration with its defaults, or everything that is wrong. */
export function validateTree(
  root: ConfigNode,
): { readonly config: EdgeConfig } | { readonly config: undefined; readonly diagnostics: readonly Diagnostic[] } {
  const result = configSchema.safeParse(nodeToValue(root))
  if (result.success) return { config: result.data }
  return { config: undefined, diagnostics: result.error.issues.flatMap((issue) => diagnose(issue, [], root)) }
}

type Issue = z.core.$ZodIssue

function diagnose(issue: Issue, around: ConfigPath, root: ConfigNode): readonly Diagnostic[] {
  const path = [...around, ...issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))]
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(key, path, root))
  if (issue.code === 'invalid_union') return diagnoseUnion(issue, path, root)
  if (issue.code === 'invalid_value') {
    return [fault('config/invalid-value', `must be ${issue.values.map(quoted).join(' or ')}`, path, root, issue)]
  }
  if (issue.code !== 'invalid_type') return [fault('config/invalid-value', lowerFirst(issue.message), path, root)]
  if (nodeAt(root, path) === undefined) return [fault('config/missing-key', 'is required', path, root)]
  return [fault('config/wrong-type', `must be ${article(issue.expected)}`, path, root)]
}

/** Of a union's branches, the one that was meant is the one with the fewest faults, all of them inside the value. */
function diagnoseUnion(
  issue: Extract<Issue, { code: 'invalid_union' }>,
  path: ConfigPath,
  root: ConfigNode,
): readonly Diagnostic[] {
  const inside = issue.errors.filter((branch) => branch.every((each) => !isAboutWhole(each)))
  const [nearest, ...others] = inside.toSorted((a, b) => faultCount(a) - faultCount(b))
  if (nearest !== undefined) {
    const equal = others.filter((branch) => faultCount(branch) === faultCount(nearest))
    const words = wordsOf([nearest, ...equal])
    return (words === undefined ? nearest : [words]).flatMap((each) => diagnose(each, path, root))
  }
  const message = issue.message === 'Invalid input' ? unionMessage(issue) : issue.message
  const node = nodeAt(root, path)
  const code = node?.kind === 'scalar' && typeof node.value === 'string' ? 'config/invalid-value' : 'config/wrong-type'
  return [fault(code, message, path, root)]
}

function faultCount(branch: readonly Issue[]): number {
  return branch.reduce((count, each) => count + (each.code === 'unrecognized_keys' ? each.keys.length : 1), 0)
}

/** Branches that are told apart by one word: together they say which words there are. */
function wordsOf(branches: readonly (readonly Issue[])[]): Issue | undefined {
  const found = branches.flatMap((branch) => branch.filter((each) => each.code === 'invalid_value'))
  const [first] = found
  const isOneWord = found.length === branches.length && branches.every((branch) => branch.length === 1)
  if (first === undefined || !isOneWord || found.some((each) => each.path.join() !== first.path.join()))
    return undefined
  return { ...first, values: [...new Set(found.flatMap((each) => each.values))] }
}

function isAboutWhole(issue: Issue): boolean {
  return issue.path.length === 0 && issue.code !== 'unrecognized_keys' && issue.code !== 'custom'
}

function unionMessage(issue: Extract<Issue, { code: 'invalid_union' }>): string {
  const forms = issue.errors.flat().flatMap((each) => {
    if (each.code === 'invalid_type') return [article(each.expected)]
    return each.code === 'invalid_value' ? each.values.map(quoted) : []
  })
  return `must be ${[...new Set(forms)].join(' or ')}`
}

function unknownKey(key: string, parent: ConfigPath, root: ConfigNode): Diagnostic {
  const path = [...parent, key]
  const suggestion = suggest(key, keysAt(parent))
  const where = parent.length === 0 ? 'a key of the configuration' : `a key of "${formatPath(parent)}"`
  return {
    severity: 'error',
    code: 'config/unknown-key',
    message: `"${key}" is not ${where}`,
    span: spanOfKey(root, path),
    path,
    ...(suggestion === undefined ? {} : { suggestion }),
  }
}

function fault(
  code: DiagnosticCode,
  message: string,
  path: ConfigPath,
  root: ConfigNode,
  issue?: Extract<Issue, { code: 'invalid_value' }>,
): Diagnostic {
  const node = nodeAt(root, path)
  const given = node?.kind === 'scalar' && typeof node.value === 'string' ? node.value : undefined
  const candidates = issue?.values.filter((value): value is string => typeof value === 'string') ?? []
  const suggestion = given === undefined ? undefined : suggest(given, candidates)
  return {
    severity: 'error',
    code,
    message: `"${formatPath(path)}" ${message}`,
    span: spanOfValue(root, path),
    path,
    ...(suggestion === undefined ? {} : { suggestion }),
  }
}

const typeNames: ReadonlyMap<string, string> = new Map([
  ['string', 'a text'],
  ['number', 'a number'],
  ['int', 'a whole number'],
  ['boolean', 'true or false'],
  ['array', 'a list'],
  ['object', 'a map'],
  ['record', 'a map'],
])

function article(expected: string): string {
  return typeNames.get(expected) ?? expected
}

function quoted(value: unknown): string {
  return typeof value === 'string' ? `"${value}"` : String(value)
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1)
}
