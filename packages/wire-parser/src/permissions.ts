// SPDX-License-Identifier: Apache-2.0
import type { Pattern } from './pattern.ts'
import { expandEntry, type PermissionRule } from './permission-rule.ts'
import { type Coverage, PermissionSection } from './permission-section.ts'
import type { Subject } from './subject.ts'
import type { TemplateValues } from './template-values.ts'

/**
 * What is done with a resource. `request` is checked as `publish`; `deliver` is asked per message of what `subscribe` was
 * asked for the whole; `manage` takes dotted names such as `stream.ORDERS.purge`.
 */
export type Action = 'publish' | 'request' | 'subscribe' | 'deliver' | 'manage'

/**
 * Patterns that are allowed and denied; deny wins. Without an allow list everything is allowed, an empty one allows
 * nothing. Entries may hold `{{id}} {{name}} {{ip}} {{claim.x}}`, and under `subscribe` a queue pattern after one blank.
 */
export interface AllowDeny {
  readonly allow?: readonly string[]
  readonly deny?: readonly string[]
}

/** As in nats-server nothing said about `publish` or `subscribe` allows it; `manage` has to be granted. */
export interface PermissionRules {
  readonly publish?: AllowDeny
  readonly subscribe?: AllowDeny
  readonly manage?: AllowDeny
}

/** Compiled rules of one principal; answers at once and remembers recent answers. */
export interface Permissions {
  /**
   * Whether the action is allowed on the whole resource; for `subscribe` whether a subscription is taken, of which
   * denied subjects must be kept (`covers()`). A resource that is no pattern is refused.
   */
  allows(action: Action, resource: Subject | Pattern | string, queue?: string): boolean
  /**
   * How much of the pattern is allowed: with `all` deliveries need no check, with `some` each needs
   * `allows('deliver', subject)`. For `subscribe` it is `none` exactly where `allows()` refuses.
   */
  covers(action: Action, pattern: Pattern, queue?: string): Coverage
}

/**
 * Compiles rules with the values of one principal. An allow entry that cannot be filled (a value is missing, is not one
 * literal token, or lists make more than 64 combinations) grants nothing; such a deny entry refuses everything. Throws
 * TypeError naming the entry that could never be a pattern, or the key that is not known.
 */
export function compilePermissions(rules: PermissionRules, values: TemplateValues = {}): Permissions {
  knownKeys(rules, 'permissions', ['publish', 'subscribe', 'manage'])
  // Only what is left out has a default: an empty key of a YAML file (null) is a fault.
  const { publish: toPublish = {}, subscribe: toSubscribe = {}, manage: toManage = { allow: [] } } = rules
  const publish = section(toPublish, 'publish', values)
  const subscribe = section(toSubscribe, 'subscribe', values)
  const manage = section(toManage, 'manage', values)
  if (publish === undefined || subscribe === undefined || manage === undefined) return refuseAll
  return new CompiledPermissions(publish, subscribe, manage)
}

class CompiledPermissions implements Permissions {
  readonly #publish: PermissionSection
  readonly #subscribe: PermissionSection
  readonly #manage: PermissionSection

  constructor(publish: PermissionSection, subscribe: PermissionSection, manage: PermissionSection) {
    this.#publish = publish
    this.#subscribe = subscribe
    this.#manage = manage
  }

  allows(action: Action, resource: Subject | Pattern | string, queue?: string): boolean {
    if (action === 'subscribe') return this.#subscribe.allowsSubscription(resource, queue)
    return this.#section(action).allowsWhole(resource, queue)
  }

  covers(action: Action, pattern: Pattern, queue?: string): Coverage {
    if (action === 'subscribe') return this.#subscribe.subscription(pattern, queue)
    return this.#section(action).coverage(pattern, queue)
  }

  #section(action: Exclude<Action, 'subscribe'>): PermissionSection {
    if (action === 'deliver') return this.#subscribe
    return action === 'manage' ? this.#manage : this.#publish
  }
}

const refuseAll: Permissions = Object.freeze({ allows: () => false, covers: () => 'none' as const })

/** The compiled lists, or undefined where a deny entry cannot be filled. */
function section(rules: AllowDeny, name: keyof PermissionRules, values: TemplateValues): PermissionSection | undefined {
  knownKeys(rules, name, ['allow', 'deny'])
  const expand = (entry: string): PermissionRule[] | undefined => expandEntry(entry, values, name === 'subscribe')
  const allow =
    rules.allow === undefined
      ? undefined
      : entries(rules.allow, `${name}.allow`).flatMap((entry) => expand(entry) ?? [])
  const deny: PermissionRule[] = []
  let refuses = false
  for (const entry of rules.deny === undefined ? [] : entries(rules.deny, `${name}.deny`)) {
    const expanded = expand(entry)
    if (expanded === undefined) refuses = true
    else deny.push(...expanded)
  }
  return refuses ? undefined : new PermissionSection(allow, deny)
}

// Rules come from configuration files and authentication services: a misspelt key would silently allow everything.
function knownKeys(value: unknown, name: string, known: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`${name} must be an object with the keys ${known.join(', ')}`)
  }
  const unknown = Object.keys(value).find((key) => !known.includes(key))
  if (unknown !== undefined) throw new TypeError(`${name} has no key "${unknown}", only ${known.join(', ')}`)
}

function entries(value: unknown, name: string): string[] {
  if (Array.isArray(value) && value.every((entry) => typeof entry === 'string')) return value
  throw new TypeError(`${name} must be a list of texts`)
}
