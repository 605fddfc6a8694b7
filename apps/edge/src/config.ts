// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { parseAssignments } from './config/assignment.ts'
import type { Assignment } from './config/assignment.ts'
import { coerceTexts } from './config/coercion.ts'
import { ConfigError } from './config/diagnostic.ts'
import type { Diagnostic } from './config/diagnostic.ts'
import { parseEnvironment } from './config/environment.ts'
import type { RestConfig } from './config/rest-schema.ts'
import type { WireListenConfig } from './config/wire-listen-schema.ts'
import type { WireConfig } from './config/wire-schema.ts'
import { exposedAddresses } from './config/exposed-address.ts'
import { exposedProfiles } from './config/exposed-profile.ts'
import { findConfigFile } from './config/search-path.ts'
import { resolveSecrets } from './config/secret.ts'
import { parseSource } from './config/source.ts'
import type { ParsedSource } from './config/source.ts'
import type { ConfigNode, ConfigPath } from './config/tree.ts'
import { mergeNodes, sourceText, withoutKey } from './config/tree.ts'
import { validateTree } from './config/validation.ts'
import type { WsConfig } from './config/ws-schema.ts'

/** The whole configuration with its defaults; durations are milliseconds, sizes are bytes. */
export interface EdgeConfig {
  readonly $schema?: string | undefined
  readonly version: 1
  readonly index: boolean
  readonly nats: NatsConfig
  readonly embedded: EmbeddedConfig
  readonly listen: ListenConfig
  readonly limits: LimitsConfig
  readonly rest: RestConfig
  readonly wire: WireConfig
  readonly ws: WsConfig
  readonly log: LogConfig
  readonly metrics: MetricsConfig
  readonly shutdown: ShutdownConfig
}

/** A configuration as a file holds it: every key optional, durations and sizes with units. */
export type EdgeConfigInput = Readonly<Record<string, unknown>>

export interface NatsConfig {
  readonly servers: readonly string[]
  readonly credentials?: NatsLogin | undefined
  readonly tls?: NatsTls | undefined
  readonly ping: { readonly interval: number; readonly maxOut: number }
  readonly waitOnStart: boolean
  readonly exitOnNatsLoss: boolean
  readonly requestTimeout?: number | undefined
  readonly pendingMax: number
}

export interface NatsLogin {
  readonly file?: string | undefined
  readonly user?: string | undefined
  readonly password?: string | undefined
  readonly token?: string | undefined
  readonly nkeySeed?: string | undefined
}

export interface NatsTls {
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  readonly handshakeFirst: boolean
}

export interface EmbeddedConfig {
  readonly enabled: boolean
  readonly port: number
  readonly dataDir: string
  readonly install: 'auto' | 'never'
  readonly version: string
}

export interface ListenConfig {
  readonly public: {
    readonly address?: string | undefined
    readonly trustedProxies: readonly string[]
    readonly clientAddressHeader: string
    readonly health: boolean
  }
  readonly admin: {
    readonly address: string
    readonly hosts?: readonly string[] | undefined
    readonly token?: string | undefined
    readonly profiles: boolean
  }
  readonly wire: WireListenConfig
}

export interface LimitsConfig {
  readonly connections: number
  readonly connectionsPerIp: number
  readonly url: { readonly max: number }
  readonly headers: { readonly max: number; readonly count: number }
  readonly body: { readonly max: number; readonly minRate: number }
  readonly deadlines: {
    readonly headers: number
    readonly body: number
    readonly write: number
    readonly keepAlive: number
  }
}

type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

export interface LogConfig {
  readonly level: LogLevel
  readonly format: 'json' | 'pretty'
  readonly access: boolean
  readonly redact: readonly string[]
}

interface MetricsConfig {
  readonly enabled: boolean
  readonly maxSeriesPerMetric: number
}

interface ShutdownConfig {
  readonly delay: number
  readonly grace: number
}

/** Where a configuration comes from, lowest precedence first: defaults, `base`, files, environment, assignments. */
export interface ConfigSources {
  /** Settings below every file, as a file would hold them. */
  readonly base?: EdgeConfigInput
  /** Files, later ones over earlier ones. Default: the first that exists on the search path, or none. */
  readonly files?: readonly string[]
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly assignments?: readonly Assignment[]
  /** Unknown keys are warnings. Default false. */
  readonly lenient?: boolean
  /** Addresses beyond loopback are allowed although nobody has to log in. Default false. */
  readonly insecure?: boolean
}

export interface LoadedConfig {
  readonly config: EdgeConfig
  /** The merged tree, for messages about what only shows when the configuration is used. */
  readonly tree: ConfigNode
  readonly files: readonly string[]
  readonly warnings: readonly Diagnostic[]
}

/** Reads, merges and checks a configuration; throws ConfigError with everything that is wrong. */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const env = sources.env ?? process.env
  const found = sources.files ?? [findConfigFile(env)].filter((path) => path !== undefined)
  const files = found.map((path) => parseFile(path, env))
  const assigned = parseAssignments(sources.assignments ?? [])
  const base = sources.base === undefined ? undefined : nodeOfObject('defaults', sources.base)
  const inFiles = mergeAll([base, ...files.map((file) => file.tree)])
  const variables = [...files.flatMap((file) => file.variables), ...resolveSecrets(inFiles, env).variables]
  const environment = parseEnvironment(env, new Set(variables))
  const merged = coerceTexts(mergeAll([inFiles, environment.tree, assigned.tree]))
  const secrets = resolveSecrets(merged, env)
  const early = [
    ...files.flatMap((file) => file.diagnostics),
    ...environment.diagnostics,
    ...assigned.diagnostics,
    ...secrets.diagnostics,
  ]
  const checked = check(secrets.tree, sources.lenient ?? false)
  const exposed = [...exposedAddresses(secrets.tree, sources.insecure ?? false), ...exposedProfiles(secrets.tree)]
  const errors = [...early, ...checked.errors, ...exposed]
  if (errors.length > 0 || checked.config === undefined) throw new ConfigError(sorted(errors))
  return { config: checked.config, tree: checked.tree, files: found, warnings: checked.warnings }
}

/** Checks a configuration given by a program; throws ConfigError. */
export function parseConfig(input: EdgeConfigInput, insecure = false): LoadedConfig {
  return loadConfig({ base: input, files: [], env: {}, insecure })
}

interface Checked {
  readonly config: EdgeConfig | undefined
  readonly tree: ConfigNode
  readonly errors: readonly Diagnostic[]
  readonly warnings: readonly Diagnostic[]
}

function check(tree: ConfigNode, lenient: boolean): Checked {
  const result = validateTree(tree)
  if (result.config !== undefined) return { config: result.config, tree, errors: [], warnings: [] }
  const unknown = result.diagnostics.filter((diagnostic) => diagnostic.code === 'config/unknown-key')
  if (!lenient || unknown.length === 0) return { config: undefined, tree, errors: result.diagnostics, warnings: [] }
  const rest = unknown.reduce((pruned, { path }: { path: ConfigPath }) => withoutKey(pruned, path), tree)
  const again = check(rest, true)
  const warnings = unknown.map((each): Diagnostic => Object.assign({}, each, { severity: 'warning' as const }))
  return { ...again, warnings: [...warnings, ...again.warnings] }
}

function parseFile(path: string, env: Readonly<Record<string, string | undefined>>): ParsedSource {
  try {
    if (!['.yaml', '.yml', '.json'].includes(extname(path))) throw new Error('must end in .yaml, .yml or .json')
    return parseSource(sourceText(path, readFileSync(path, 'utf8')), env)
  } catch (error) {
    const span = { source: sourceText(path, ''), start: 0, end: 0 }
    const message = error instanceof Error ? error.message : String(error)
    return {
      tree: undefined,
      variables: [],
      diagnostics: [{ severity: 'error', code: 'config/unreadable', message, span, path: [] }],
    }
  }
}

function nodeOfObject(name: string, value: EdgeConfigInput): ConfigNode | undefined {
  // Written out and read back, so that a program's settings have positions like everybody's; no variable expands here.
  const source = sourceText(
    name,
    JSON.stringify(value, undefined, 2).replaceAll('${', () => '$${'),
  )
  return parseSource(source, {}).tree
}

function mergeAll(trees: readonly (ConfigNode | undefined)[]): ConfigNode {
  const empty: ConfigNode = {
    kind: 'map',
    span: { source: sourceText('configuration', ''), start: 0, end: 0 },
    entries: new Map(),
  }
  return trees.reduce<ConfigNode>((lower, upper) => (upper === undefined ? lower : mergeNodes(lower, upper)), empty)
}

function sorted(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  return diagnostics.toSorted((a, b) => {
    const bySource = a.span.source.order - b.span.source.order
    return bySource === 0 ? a.span.start - b.span.start : bySource
  })
}
