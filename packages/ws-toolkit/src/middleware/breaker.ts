// SPDX-License-Identifier: Apache-2.0
import { LruMap } from '@nats-edge/wire-parser'
import type { Middleware, Site } from '../chain.ts'
import { checkKeys, hook, whole } from '../option-check.ts'
import type { WsRequest } from '../request.ts'
import { WsError } from '../ws-error.ts'
import { Circuit, type CircuitRules, type CircuitState, type PlacedCircuit } from './circuit.ts'
import { follow } from './outcome.ts'
import { isServiceFault } from './service-fault.ts'

export interface BreakerOptions<U = unknown> {
  /** Share of failures that opens the circuit, above 0 up to 1. Default 0.5. */
  readonly threshold?: number
  /** How far back calls are counted. Default 10,000. */
  readonly windowMs?: number
  /** Calls within the window before the share counts. Default 20. */
  readonly minCalls?: number
  /** How long the service is left alone. Default 5,000. */
  readonly resetMs?: number
  /** Calls that try the service afterwards, and must all end well. Default 1. */
  readonly halfOpen?: number
  /** Calls with equal keys share a circuit. Default: those of one route. */
  readonly key?: (request: WsRequest<U>) => string
  /** Circuits that are kept; beyond, the least recently used is forgotten. Default 1,000. */
  readonly maxKeys?: number
  /** Default: what the service did wrong (no answer, no connection, a 5xx), never what the client did. */
  readonly failureIf?: (error: WsError, request: WsRequest<U>) => boolean
}

export interface Breaker<U = unknown> extends Middleware<U> {
  /** The circuits there are, by key. */
  states(): ReadonlyMap<string, CircuitState>
  /** The same, by place, for the numbers of a gateway. */
  circuits(): Iterable<PlacedCircuit>
  close(): void
}

interface Placed {
  readonly channel: string
  readonly route: string
  readonly circuit: Circuit
}

/** Answers `circuit_open` with the time to wait instead of asking a service that fails. */
export function breaker<U>(options: BreakerOptions<U> = {}): Breaker<U> {
  const rules = rulesOf(options)
  const keyOf = hook('breaker.key', options.key) ?? routeKey
  const failureIf = hook('breaker.failureIf', options.failureIf) ?? isServiceFault
  const placed = new LruMap<string, Placed>(whole('breaker.maxKeys', options.maxKeys ?? 1000))
  const sites = new Map<string, Site>()

  function circuitOf(request: WsRequest<U>): Circuit {
    const key = keyOf(request)
    const known = placed.get(key)
    if (known !== undefined) return known.circuit
    const { connection, route } = request
    const channel = connection.path
    const circuit = new Circuit(rules, (state) =>
      sites.get(channel)?.observe({ type: 'breaker.changed', channel, route, state }),
    )
    placed.set(key, { channel, route, circuit })
    return circuit
  }

  const middleware: Middleware<U> = (request, next) => {
    const circuit = circuitOf(request)
    const retryAfterMs = circuit.admit(performance.now())
    if (retryAfterMs > 0) throw new WsError('circuit_open', { retryAfterMs })
    const { ticket } = circuit
    return follow(next, (failure) => {
      if (failure?.code === 'cancelled' || failure?.code === 'closed') circuit.abandoned(ticket)
      else if (failure !== undefined && failureIf(failure, request)) circuit.failed(ticket, performance.now())
      else circuit.succeeded(ticket, performance.now())
    })
  }
  return Object.assign(middleware, {
    mount: (site: Site) => void sites.set(site.channel, site),
    states: () => new Map([...placed].map(([key, { circuit }]) => [key, circuit.state] as const)),
    circuits: () => [...placed].map(([, { channel, route, circuit }]) => ({ channel, route, state: circuit.state })),
    close: () => placed.clear(),
  })
}

function rulesOf<U>(options: BreakerOptions<U>): CircuitRules {
  checkKeys('breaker', options, [
    'threshold',
    'windowMs',
    'minCalls',
    'resetMs',
    'halfOpen',
    'key',
    'maxKeys',
    'failureIf',
  ])
  const { threshold = 0.5 } = options
  if (!(threshold > 0 && threshold <= 1)) {
    throw new RangeError(`breaker.threshold: ${threshold} is not a share above 0 and up to 1`)
  }
  return Object.freeze({
    threshold,
    windowMs: whole('breaker.windowMs', options.windowMs ?? 10_000, 10),
    minCalls: whole('breaker.minCalls', options.minCalls ?? 20),
    resetMs: whole('breaker.resetMs', options.resetMs ?? 5000),
    halfOpen: whole('breaker.halfOpen', options.halfOpen ?? 1),
  })
}

function routeKey({ connection, route }: WsRequest): string {
  return `${connection.path} ${route}`
}
