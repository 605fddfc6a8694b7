// SPDX-License-Identifier: Apache-2.0
import type { ConfigPath, Span } from './tree.ts'

export type DiagnosticCode =
  | 'config/syntax'
  | 'config/unreadable'
  | 'config/duplicate-key'
  | 'config/unknown-key'
  | 'config/unknown-variable'
  | 'config/unset-variable'
  | 'config/wrong-type'
  | 'config/invalid-value'
  | 'config/missing-key'
  | 'config/unreadable-secret'
  | 'config/public-without-auth'

/** One thing wrong with the configuration, and where. */
export interface Diagnostic {
  readonly severity: 'error' | 'warning'
  readonly code: DiagnosticCode
  readonly message: string
  readonly span: Span
  readonly path: ConfigPath
  /** What was probably meant. */
  readonly suggestion?: string
}

/** A diagnostic as plain data, for `--json`. */
export interface DiagnosticRecord {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly severity: 'error' | 'warning'
  readonly code: DiagnosticCode
  readonly path: string
  readonly message: string
  readonly suggestion?: string
}

/** Thrown when the configuration cannot be used; holds everything that is wrong with it, not only the first thing. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly code = 'config_invalid'
  readonly diagnostics: readonly Diagnostic[]

  constructor(diagnostics: readonly Diagnostic[]) {
    super(diagnostics.map(formatDiagnostic).join('\n'))
    this.diagnostics = diagnostics
  }
}

/** `file:line:column: error code: message`, then the line of the source with a caret below. */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const { line, column } = positionOf(diagnostic.span)
  const head = `${diagnostic.span.source.name}:${line}:${column}: ${diagnostic.severity} ${diagnostic.code}: ${diagnostic.message}`
  const hint = diagnostic.suggestion === undefined ? '' : ` did you mean "${diagnostic.suggestion}"?`
  const text = withoutSecrets(lineAt(diagnostic.span, line))
  if (text.trim() === '') return head + (hint === '' ? '' : `;${hint}`)
  const gutter = String(line).padStart(5)
  const width = caretWidth(diagnostic.span, text, column)
  const margin = text.slice(0, column - 1).replaceAll(/[^\t]/g, ' ')
  return [head, `${gutter} | ${text}`, `${' '.repeat(5)} | ${margin}${'^'.repeat(width)}${hint}`].join('\n')
}

export function diagnosticRecord(diagnostic: Diagnostic): DiagnosticRecord {
  const { severity, code, message, suggestion } = diagnostic
  return {
    file: diagnostic.span.source.name,
    ...positionOf(diagnostic.span),
    severity,
    code,
    path: formatPath(diagnostic.path),
    message,
    ...(suggestion === undefined ? {} : { suggestion }),
  }
}

/** `rest.routes[2].path`. */
export function formatPath(path: ConfigPath): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else text += text === '' ? step : `.${step}`
  }
  return text
}

function positionOf(span: Span): { readonly line: number; readonly column: number } {
  const before = span.source.text.slice(0, span.start)
  const line = before.split('\n').length
  return { line, column: span.start - (before.lastIndexOf('\n') + 1) + 1 }
}

const secretValue =
  /((?:^|[\s{,."'])(?:pass\w*|\w*secret|token|\w*seed)["']?\s*[:=]\s*)("[^"]*"?|'[^']*'?|[^\s,}{[\]][^,}]*)/gi
const urlLogin = /\/\/[^@/\s]+@/g

// Where the text could not be read as a tree, what looks like a secret is hidden by its looks. Columns stay.
function withoutSecrets(line: string): string {
  return line
    .replaceAll(secretValue, (_, key: string, value: string) => key + '*'.repeat(value.length))
    .replaceAll(urlLogin, (login) => `//${'*'.repeat(login.length - 3)}@`)
}

function lineAt({ source }: Span, line: number): string {
  let { text } = source
  for (const { start, end } of source.hidden) {
    text = text.slice(0, start) + text.slice(start, end).replaceAll(/[^\r\n]/g, '*') + text.slice(end)
  }
  return (text.split('\n')[line - 1] ?? '').replace(/\r$/, '')
}

function caretWidth(span: Span, line: string, column: number): number {
  return Math.max(1, Math.min(span.end - span.start, line.length - column + 1))
}
