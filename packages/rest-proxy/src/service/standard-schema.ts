// SPDX-License-Identifier: Apache-2.0

/** A schema of any library that follows Standard Schema 1 (zod, valibot, arktype, ...); matched by shape, not imported. */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** One line per issue: where it is and what is wrong. */
export function describeIssues(issues: readonly SchemaIssue[]): string {
  return issues.map((issue) => `${describePath(issue.path ?? [])}${issue.message}`).join('; ')
}

function describePath(path: readonly (PropertyKey | { readonly key: PropertyKey })[]): string {
  if (path.length === 0) return ''
  return `${path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')}: `
}
