// SPDX-License-Identifier: Apache-2.0
import { type HeaderPolicyOptions, HeaderPolicy } from './header-policy.ts'
import { checkKeys, show } from './option-check.ts'
import { type PayloadRule, PayloadLimit } from './payload-policy.ts'
import { type PermissionPolicy, type PermissionPolicyOptions, resolvePermissionPolicy } from './permission-policy.ts'
import { type RateRule, RateLimit } from './rate-policy.ts'
import { type VerbRule, VerbPolicy } from './verb-policy.ts'

/** What clients may do, as plain data; what is left out is inactive. */
export interface PolicyOptions {
  readonly permissions?: PermissionPolicyOptions
  readonly verbs?: VerbRule
  readonly payloads?: readonly PayloadRule[]
  readonly rates?: readonly RateRule[]
  readonly headers?: HeaderPolicyOptions
}

/** Checked policies, shared by all connections. */
export interface Policies {
  readonly permissions: PermissionPolicy | undefined
  readonly verbs: VerbPolicy | undefined
  readonly payloads: readonly PayloadLimit[]
  readonly rates: readonly RateLimit[]
  readonly headers: HeaderPolicy | undefined
}

/**
 * Checks all policies; throws TypeError or RangeError naming the rule and the value. Rates that are as they were in
 * `previous` keep their buckets.
 */
export function resolvePolicies(where: string, options: PolicyOptions, previous?: Policies): Policies {
  checkKeys(where, options, ['permissions', 'verbs', 'payloads', 'rates', 'headers'])
  const { permissions, verbs, payloads = [], rates = [], headers } = options
  if (!Array.isArray(payloads)) throw new TypeError(`${where}.payloads must be a list, not ${show(payloads)}`)
  if (!Array.isArray(rates)) throw new TypeError(`${where}.rates must be a list, not ${show(rates)}`)
  return Object.freeze({
    permissions: permissions && resolvePermissionPolicy(`${where}.permissions`, permissions),
    verbs: verbs && new VerbPolicy(`${where}.verbs`, verbs),
    payloads: payloads.map((rule: PayloadRule, i) => new PayloadLimit(`${where}.payloads[${i}]`, rule)),
    rates: rates.map((rule: RateRule, i) => resolveRate(`${where}.rates[${i}]`, rule, previous)),
    headers: headers && new HeaderPolicy(`${where}.headers`, headers),
  })
}

function resolveRate(where: string, rule: RateRule, previous: Policies | undefined): RateLimit {
  const limit = new RateLimit(where, rule)
  const text = JSON.stringify(rule)
  const known = previous?.rates.find(({ options, denial }) => denial.rule === where && JSON.stringify(options) === text)
  return known ?? limit
}
