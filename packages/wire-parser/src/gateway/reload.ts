// SPDX-License-Identifier: Apache-2.0
import { checkKeys } from '../policy/option-check.ts'
import { optionKeys, type ResolvedOptions, resolveOptions, type WireGatewayOptions } from './gateway-options.ts'
import type { GatewayState } from './gateway-state.ts'
import { isSame } from './same-option.ts'

/** What a reload changed, by the names of options. */
export interface ReloadReport {
  readonly applied: readonly string[]
  readonly unchanged: readonly string[]
  /** Given, different, and only taken at the start. */
  readonly needsRestart: readonly string[]
  /** Connections that were closed. */
  readonly closed: number
}

export interface PreparedReload {
  readonly options: WireGatewayOptions
  readonly resolved: ResolvedOptions
  readonly report: Omit<ReloadReport, 'closed'>
}

const fixedKeys = ['upgradeWebSocket', 'signal'] as const

/** Checks the next options against the current ones; throws what `wireGateway()` would. Backends that are left out stay. */
export function prepareReload(current: WireGatewayOptions, next: unknown, resolved: ResolvedOptions): PreparedReload {
  checkKeys('reload options', next, optionKeys)
  const given = next as Partial<WireGatewayOptions>
  const kept = Object.fromEntries(fixedKeys.flatMap((key) => (current[key] === undefined ? [] : [[key, current[key]]])))
  const options: WireGatewayOptions = { ...given, backends: given.backends ?? current.backends, ...kept }
  const prepared = resolveOptions(options, resolved)
  const needsRestart = fixedKeys.filter((key) => given[key] !== undefined && given[key] !== current[key])
  const applied: string[] = []
  const unchanged: string[] = []
  for (const key of optionKeys) {
    if (fixedKeys.some((fixed) => fixed === key)) continue
    if (!isSame(current[key], options[key])) applied.push(key)
    else if (options[key] !== undefined) unchanged.push(key)
  }
  return { options, resolved: prepared, report: { applied, unchanged, needsRestart } }
}

/** Puts checked options into effect on every connection there is; returns how many had to be closed. */
export function commitReload(state: GatewayState, resolved: ResolvedOptions): number {
  state.options = resolved
  state.waiting.update(resolved.limits)
  let closed = 0
  for (const session of state.registry.sessions()) {
    if (!resolved.addresses.allows(session.ip)) {
      session.close('Authorization Violation')
      closed++
      continue
    }
    session.reloaded()
  }
  return closed
}
