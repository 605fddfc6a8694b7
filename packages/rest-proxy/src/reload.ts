// SPDX-License-Identifier: Apache-2.0
import { checkKeys } from './option-check.ts'
import { optionKeys, type ResolvedOptions, resolveOptions, type RestProxyOptions } from './options.ts'
import type { Route } from './route.ts'
import { isSame } from './same.ts'

/** What a reload changed; options and routes (`GET /orders/{id}`) by name. */
export interface ReloadReport {
  readonly applied: readonly string[]
  readonly unchanged: readonly string[]
  /** Given, different, and only taken at the start. */
  readonly needsRestart: readonly string[]
  /** Long-lived connections that were closed. */
  readonly closed: number
}

export interface PreparedReload {
  readonly options: RestProxyOptions
  readonly resolved: ResolvedOptions
  readonly report: ReloadReport
}

const fixedKeys = ['nats', 'signal'] as const

/** Checks the next options against the current ones; throws what `restProxy()` would. `nats` and `signal` stay. */
export function prepareReload(current: RestProxyOptions, next: unknown, resolved: ResolvedOptions): PreparedReload {
  checkKeys('reload options', next, optionKeys)
  const given = next as Partial<RestProxyOptions>
  const options: RestProxyOptions = { ...given, nats: current.nats, ...kept(current) }
  const prepared = resolveOptions(options, resolved)
  const needsRestart = fixedKeys.filter((key) => given[key] !== undefined && given[key] !== current[key])
  const applied: string[] = []
  const unchanged: string[] = []
  for (const key of optionKeys) {
    if (key === 'nats' || key === 'signal' || key === 'routes') continue
    if (!isSame(current[key], options[key])) applied.push(key)
    else if (options[key] !== undefined) unchanged.push(key)
  }
  compareRoutes(resolved.table.routes, prepared.table.routes, { applied, unchanged })
  return { options, resolved: prepared, report: { applied, unchanged, needsRestart, closed: 0 } }
}

function kept({ signal }: RestProxyOptions): Pick<RestProxyOptions, 'signal'> {
  return signal === undefined ? {} : { signal }
}

function compareRoutes(
  before: readonly Route[],
  after: readonly Route[],
  report: { applied: string[]; unchanged: string[] },
): void {
  const gone = new Set(before.map(nameOf))
  for (const route of after) {
    gone.delete(nameOf(route))
    if (before.includes(route)) report.unchanged.push(nameOf(route))
    else report.applied.push(nameOf(route))
  }
  report.applied.push(...gone)
}

function nameOf(route: Route): string {
  return route.methods.length === 0 ? route.label : `${route.methods.join(',')} ${route.label}`
}
