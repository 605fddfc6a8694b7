// SPDX-License-Identifier: Apache-2.0
import type { OperationView } from '../operation.ts'
import { parsePattern } from '../pattern.ts'
import type { Principal } from '../principal.ts'
import type { TemplateValues } from '../template-values.ts'
import type { Denial } from './denial.ts'
import { HeaderRewriter } from './header-policy.ts'
import { PayloadCheck } from './payload-policy.ts'
import { PermissionCheck } from './permission-policy.ts'
import type { Policies } from './policy-options.ts'
import { RateCheck } from './rate-policy.ts'

/** Whom the policies of a connection are filled with. */
export interface PolicySubject {
  readonly connectionId: string
  readonly ip: string
  readonly principal: Principal | undefined
  /** Whether the principal's own permissions decide, which a hook may do in their place. */
  readonly usesPermissions: boolean
}

const anyPattern = { maxBytes: Infinity, maxTokens: Infinity, embeddedWildcards: true }

/** All policies of one connection, as they are for who it belongs to at the moment. */
export class ConnectionPolicy {
  readonly policies: Policies
  readonly permissions: readonly PermissionCheck[]
  readonly rates: readonly RateCheck[]
  readonly headers: HeaderRewriter | undefined
  readonly #payloads: readonly PayloadCheck[]

  constructor(policies: Policies, who: PolicySubject, previous?: ConnectionPolicy) {
    this.policies = policies
    this.permissions = permissionChecks(policies, who)
    const keys = { user: who.principal?.id, ip: who.ip }
    this.rates = policies.rates.map((limit) => {
      const known = previous?.rates.find((check) => check.limit === limit)
      return known?.forUser(keys) ?? new RateCheck(limit, keys)
    })
    this.headers = policies.headers && new HeaderRewriter(policies.headers, senderOf(who))
    this.#payloads = policies.payloads.map((limit) => new PayloadCheck(limit))
  }

  /** Whether any policy looks at what is published. */
  get judgesPublish(): boolean {
    const { verbs, headers } = this.policies
    return (
      verbs !== undefined ||
      headers !== undefined ||
      this.permissions.length > 0 ||
      this.rates.length > 0 ||
      this.#payloads.length > 0
    )
  }

  /** Whether any policy looks at subscriptions. */
  get judgesSubscriptions(): boolean {
    return this.policies.verbs !== undefined || this.permissions.length > 0
  }

  /** Whether deliveries have to be looked at beyond those of partly allowed subscriptions. */
  get notesReplies(): boolean {
    return this.permissions.some((check) => check.notesReplies)
  }

  /** The first bound that a message exceeds. */
  payload(view: OperationView): Denial | undefined {
    for (const check of this.#payloads) {
      const denial = check.check(view)
      if (denial !== undefined) return denial
    }
    return undefined
  }

  /** The first refusal of a subscription. */
  subscribe(subject: string, queue: string | undefined): Denial | undefined {
    for (const check of this.permissions) {
      const denial = check.subscribe(subject, queue)
      if (denial !== undefined && !denial.dryRun) return denial
    }
    return undefined
  }

  /** Whether messages of a subscription have to be asked about one by one. */
  isPartial(subject: string, queue: string | undefined): boolean {
    const pattern = parsePattern(subject, anyPattern)
    return pattern !== undefined && this.permissions.some((check) => check.isPartial(pattern, queue))
  }

  delivers(view: OperationView): boolean {
    return this.permissions.every((check) => check.delivers(view))
  }

  delivered(view: OperationView): void {
    for (const check of this.permissions) check.delivered(view)
  }
}

function permissionChecks({ permissions }: Policies, who: PolicySubject): PermissionCheck[] {
  const { principal } = who
  const checks: PermissionCheck[] = []
  if (permissions !== undefined) checks.push(PermissionCheck.ofPolicy(permissions, templateValues(who)))
  if (principal !== undefined && who.usesPermissions) checks.push(PermissionCheck.ofPrincipal(principal.permissions))
  return checks
}

function templateValues({ ip, principal }: PolicySubject): TemplateValues {
  return principal === undefined ? { ip } : { ip, id: principal.id, name: principal.name, claims: principal.claims }
}

function senderOf({ connectionId, ip, principal }: PolicySubject): ConstructorParameters<typeof HeaderRewriter>[1] {
  const tenant = principal?.claims['tenant']
  return {
    user: principal?.id,
    tenant: typeof tenant === 'string' ? tenant : undefined,
    clientIp: ip,
    connectionId,
  }
}
