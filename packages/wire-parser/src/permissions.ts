// SPDX-License-Identifier: Apache-2.0
import type { Pattern } from './pattern.ts'
import type { Subject } from './subject.ts'
import type { TemplateValues } from './template-values.ts'

/** `request` is checked as `publish`; `deliver` asks, per message, what `subscribe` asked for the pattern. */
export type Action = 'publish' | 'request' | 'subscribe' | 'deliver' | 'manage'
export interface AllowDeny {
  readonly allow?: readonly string[]
  readonly deny?: readonly string[]
}
export interface PermissionRules {
  readonly publish?: AllowDeny
  readonly subscribe?: AllowDeny
  readonly manage?: AllowDeny
}
export interface Permissions {
  allows(action: Action, resource: Subject | Pattern | string, queue?: string): boolean
  covers(action: Action, pattern: Pattern, queue?: string): 'all' | 'some' | 'none'
}
export type { TemplateValues }
