// SPDX-License-Identifier: Apache-2.0
import type { Principal } from '@nats-edge/wire-parser'
import type { Handler, Site } from '../chain.ts'
import type { Connection } from '../connection.ts'
import { checkKeys, whole } from '../option-check.ts'
import type { WsRequest } from '../request.ts'
import { Probe, type ProbeOptions } from './probe.ts'
import { pickFor, type TargetPick } from './target-pick.ts'
import { Target, type TargetHealth, type TargetOptions } from './target.ts'

export interface EjectOptions {
  /** Failures in a row after which a target is left alone. Default 5. */
  readonly failures?: number
  /** For so long. Default 10,000. */
  readonly forMs?: number
}

export interface LoadBalancerOptions<U = unknown> {
  /** One or more, with at least one weight above 0. */
  readonly targets: readonly TargetOptions<U>[]
  /** Default `least`. */
  readonly pick?: TargetPick<U>
  /** Default none: a target is taken to be well. */
  readonly probe?: ProbeOptions
  /** Default on; false never leaves a target out because requests failed. */
  readonly eject?: EjectOptions | false
}

export interface TargetStats {
  readonly name: string
  readonly health: TargetHealth
  readonly inFlight: number
  readonly requests: number
}

export interface LoadBalancer<U = unknown> extends Handler<U> {
  stats(): readonly TargetStats[]
  /** Ends the probes, and closes the targets' handlers. */
  close(): Promise<void>
}

/**
 * Spreads requests over several handlers, by the work they have. Targets that fail are left out, but never more than
 * half of them: then the others, the failing ones included, share the work.
 */
export function loadBalancer<U = unknown>(options: LoadBalancerOptions<U>): LoadBalancer<U> {
  checkKeys('loadBalancer', options, ['targets', 'pick', 'probe', 'eject'])
  const targets = targetsOf(options.targets)
  const usable = targets.filter(({ weight }) => weight > 0)
  const pick = pickFor(options.pick ?? 'least')
  const eject = ejectRules(options.eject ?? {})
  const probe = options.probe === undefined ? undefined : new Probe(targets, options.probe)

  function onFailure(target: Target<U>): void {
    const now = performance.now()
    if (eject === undefined || target.failures < eject.failures || target.health(now) !== 'healthy') return
    // One more than a half would leave too much to the others.
    const away = usable.filter((other) => other.health(now) !== 'healthy').length
    if ((away + 1) * 2 > usable.length) return
    target.ejectedUntilMs = now + eject.forMs
    target.failures = 0
  }

  function choices(): readonly Target<U>[] {
    if (usable.length === 1) return usable
    const now = performance.now()
    const healthy = usable.filter((target) => target.health(now) === 'healthy')
    return healthy.length * 2 < usable.length ? usable : healthy
  }

  const handler = (request: WsRequest<U>): unknown => pick(choices(), request).run(request, onFailure)
  return Object.assign(handler, {
    stats: () => {
      const now = performance.now()
      return targets.map((target) => ({
        name: target.name,
        health: target.health(now),
        inFlight: target.inFlight,
        requests: target.requests,
      }))
    },
    mount: (site: Site) => {
      for (const { handler } of targets) handler.mount?.(site)
      probe?.start()
    },
    principalChanged: (connection: Connection, before: Principal) => {
      for (const { handler } of targets) handler.principalChanged?.(connection, before)
    },
    principalsUpdated: (isConnected: (id: string) => boolean) => {
      for (const { handler } of targets) handler.principalsUpdated?.(isConnected)
    },
    close: async () => {
      probe?.close()
      await Promise.all(targets.map(async ({ handler }) => handler.close?.()))
    },
  })
}

function targetsOf<U>(list: readonly TargetOptions<U>[]): readonly Target<U>[] {
  if (!Array.isArray(list) || list.length === 0) throw new TypeError('loadBalancer.targets: names no target')
  const targets = list.map((target: TargetOptions<U>, index) => new Target(target, index))
  if (targets.every(({ weight }) => weight === 0)) throw new RangeError('loadBalancer.targets: every weight is 0')
  const names = new Set(targets.map(({ name }) => name))
  if (names.size < targets.length) throw new TypeError('loadBalancer.targets: two have the same name')
  return targets
}

function ejectRules(eject: EjectOptions | false): Required<EjectOptions> | undefined {
  if (eject === false) return undefined
  checkKeys('loadBalancer.eject', eject, ['failures', 'forMs'])
  const failures = whole('loadBalancer.eject.failures', eject.failures ?? 5)
  return Object.freeze({ failures, forMs: whole('loadBalancer.eject.forMs', eject.forMs ?? 10_000) })
}
