// SPDX-License-Identifier: Apache-2.0
import { parseSubject } from '@nats-edge/wire-parser'
import type { ServiceContext } from './context.ts'
import type { ServiceEvent } from './event.ts'

export interface ServiceOptions {
  /**
   * Name of the queue group, in which every request reaches one replica; `false` gives each replica every request.
   * Default `nats-edge`. Services with different routes that overlap need names of their own.
   */
  readonly queue?: string | false
  /** How requests and answers look on NATS. Default `nats-proxy`; `headers` needs a `subject` with each route. */
  readonly envelope?: 'nats-proxy' | 'headers'
  /** Handlers under way at once. Default 256; requests above it wait. */
  readonly maxConcurrent?: number
  /** Requests that wait for a handler. Default 1024; above it the answer is 503 at once. */
  readonly maxQueued?: number
  /** Bytes of the requests that wait. Default 64 MiB; above it the answer is 503 at once. */
  readonly maxQueuedBytes?: number
  /** How long a request may wait for a handler. Default 10,000, when the proxy has given up; then it is answered 503. */
  readonly maxQueuedMs?: number
  /** Bytes of a request's body. Default: what the server's max_payload allows; a larger one is answered 413. */
  readonly maxBodyBytes?: number
  /**
   * Called when a handler or middleware throws, with `c.response` already set to a 500 (or the status of a ServiceError)
   * that it may change. What it throws itself is only reported to `observe`.
   */
  readonly onError?: (error: unknown, c: ServiceContext) => unknown
  /** Called with what happens to requests and subscriptions; what it throws is ignored. */
  readonly observe?: (event: ServiceEvent) => void
  /** Closes the service at once when aborted. */
  readonly signal?: AbortSignal
}

export interface ResolvedOptions {
  readonly queue: string | undefined
  readonly envelope: 'nats-proxy' | 'headers'
  readonly maxConcurrent: number
  readonly maxQueued: number
  readonly maxQueuedBytes: number
  readonly maxQueuedMs: number
  readonly maxBodyBytes: number
  readonly onError: ((error: unknown, c: ServiceContext) => unknown) | undefined
  readonly observe: ((event: ServiceEvent) => void) | undefined
  readonly signal: AbortSignal | undefined
}

const defaultQueue = 'nats-edge'

/** Checks the options once; throws TypeError or RangeError naming the option and its value. */
export function resolveOptions(options: ServiceOptions = {}): ResolvedOptions {
  const envelope = options.envelope ?? 'nats-proxy'
  if (envelope !== 'nats-proxy' && envelope !== 'headers') {
    throw new TypeError(`envelope: ${String(envelope)} is neither "nats-proxy" nor "headers"`)
  }
  return Object.freeze({
    queue: resolveQueue(options.queue ?? defaultQueue),
    envelope,
    maxConcurrent: atLeast('maxConcurrent', options.maxConcurrent ?? 256, 1),
    maxQueued: atLeast('maxQueued', options.maxQueued ?? 1024, 0),
    maxQueuedBytes: atLeast('maxQueuedBytes', options.maxQueuedBytes ?? 64 * 1024 * 1024, 0),
    maxQueuedMs: atLeast('maxQueuedMs', options.maxQueuedMs ?? 10_000, 1),
    maxBodyBytes: options.maxBodyBytes === undefined ? Infinity : atLeast('maxBodyBytes', options.maxBodyBytes, 0),
    onError: resolveHook('onError', options.onError),
    observe: resolveObserve(options.observe),
    signal: options.signal,
  })
}

/** The queue name, or undefined for none; throws TypeError for a name the server would not take. */
export function resolveQueue(queue: string | false): string | undefined {
  if (queue === false) return undefined
  if (typeof queue === 'string' && parseSubject(queue) !== undefined) return queue
  throw new TypeError(`queue: ${JSON.stringify(queue)} must be false or a name without blanks and wildcards`)
}

function atLeast(name: string, value: number, least: number): number {
  if (Number.isInteger(value) && value >= least) return value
  throw new RangeError(`${name}: ${value} must be a whole number of at least ${least}`)
}

function resolveHook<Hook>(name: string, hook: Hook | undefined): Hook | undefined {
  if (hook === undefined || typeof hook === 'function') return hook
  throw new TypeError(`${name}: must be a function`)
}

function resolveObserve(observe: ServiceOptions['observe']): ResolvedOptions['observe'] {
  const hook = resolveHook('observe', observe)
  if (hook === undefined) return undefined
  return (event) => {
    try {
      hook(event)
    } catch {
      // An observer must not decide what becomes of a request.
    }
  }
}
