// SPDX-License-Identifier: Apache-2.0
import {
  compilePermissions,
  parseTemplate,
  type Pattern,
  type Permissions,
  type Principal,
} from '@nats-edge/wire-parser'
import type { Connection } from '../connection.ts'

interface Compiled {
  readonly principal: Principal | undefined
  readonly permissions: Permissions
}

const placeholder = /\{\{[^{}]*\}\}|\{[^{}]*\}/g

/** The subjects clients may ask for, as templates; what is asked for must lie within one of them. */
export class SubscribeRules {
  readonly #allow: readonly string[]
  readonly #compiled = new WeakMap<Connection, Compiled>()
  /** For all, where no template speaks of who asks. */
  readonly #common: Permissions | undefined

  /** Throws TypeError naming a template that could never be a pattern. */
  constructor(templates: readonly string[]) {
    if (!Array.isArray(templates) || templates.length === 0) {
      throw new TypeError('natsSubscribe.allow: lists the subjects that clients may subscribe to; it has none')
    }
    this.#allow = templates.map(patternOf)
    const permissions = compilePermissions({ subscribe: { allow: this.#allow } }, {})
    const isPersonal = templates.some((template) => parseTemplate(template).principalNames.length > 0)
    this.#common = isPersonal ? undefined : permissions
  }

  allows(connection: Connection, pattern: Pattern): boolean {
    return (this.#common ?? this.#permissionsOf(connection)).allows('subscribe', pattern)
  }

  #permissionsOf(connection: Connection): Permissions {
    const { principal, ip } = connection
    const known = this.#compiled.get(connection)
    if (known !== undefined && known.principal === principal) return known.permissions
    const values =
      principal === undefined ? { ip } : { ip, id: principal.id, name: principal.name, claims: principal.claims }
    const permissions = compilePermissions({ subscribe: { allow: this.#allow } }, values)
    this.#compiled.set(connection, { principal, permissions })
    return permissions
  }
}

/** A template with wildcards in the place of what a client chooses. */
function patternOf(template: string): string {
  if (typeof template !== 'string' || /\s/.test(template)) {
    throw new TypeError(`natsSubscribe.allow: ${JSON.stringify(template)} is no template of a subject`)
  }
  parseTemplate(template)
  return template.replaceAll(placeholder, (found) => {
    if (found.startsWith('{{')) return found
    return found.endsWith('*}') ? '>' : '*'
  })
}
