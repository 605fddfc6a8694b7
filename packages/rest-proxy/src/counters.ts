// SPDX-License-Identifier: Apache-2.0
import { Histogram, type MetricFamily, type MetricSample } from '@nats-edge/wire-parser'
import type { ProxyErrorCode } from './proxy-error.ts'
import type { RateLimitScope } from './rate-limit.ts'

type NatsErrorKind = 'timeout' | 'no_responders' | 'disconnected' | 'permission' | 'overloaded'

const kinds: ReadonlyMap<ProxyErrorCode, NatsErrorKind> = new Map<ProxyErrorCode, NatsErrorKind>([
  ['timeout', 'timeout'],
  ['no_responders', 'no_responders'],
  ['no_stream', 'no_responders'],
  ['disconnected', 'disconnected'],
  ['forbidden', 'permission'],
  ['overloaded', 'overloaded'],
])

/** The plain numbers of one proxy, bumped per request and read at scrape time. */
export class Counters {
  readonly natsSeconds: Histogram = new Histogram()
  readonly natsErrors: Record<NatsErrorKind, number> = {
    timeout: 0,
    no_responders: 0,
    disconnected: 0,
    permission: 0,
    overloaded: 0,
  }
  readonly rateLimited: Record<RateLimitScope, number> = { ip: 0, principal: 0, header: 0 }
  readonly denied: Record<'request' | 'publish', number> = { request: 0, publish: 0 }
  cancelled = 0
  retried = 0
  observeFailed = 0
  readonly #created = Date.now() / 1000

  /** Counts a NATS request that ended without a reply. */
  natsFailed(code: ProxyErrorCode): void {
    const kind = kinds.get(code)
    if (kind !== undefined) this.natsErrors[kind]++
  }

  families(inFlight: number): MetricFamily[] {
    const created = this.#created
    const errors = 'NATS requests that ended without a reply, by reason.'
    return [
      {
        name: 'nats_request_duration_seconds',
        help: 'Time from sending a NATS request to its reply.',
        kind: 'histogram',
        created,
        samples: [{ labels: {}, value: this.natsSeconds.value() }],
      },
      { name: 'nats_requests_inflight', help: 'Requests under way.', kind: 'gauge', samples: one(inFlight) },
      this.#counter('nats_request_errors_total', errors, byLabel('kind', this.natsErrors)),
      this.#counter('nats_request_retries_total', 'NATS requests that were sent again.', one(this.retried)),
      this.#counter('rate_limited_total', 'Requests refused by a rate limit.', byLabel('scope', this.rateLimited)),
      this.#counter(
        'permission_denied_total',
        'Requests refused for lack of permission.',
        byLabel('action', this.denied),
      ),
      this.#counter('observer_failures_total', 'Events whose observer threw.', one(this.observeFailed)),
      this.#counter('requests_cancelled_total', 'Requests whose client left before the answer.', one(this.cancelled)),
    ]
  }

  #counter(name: string, help: string, samples: MetricSample[]): MetricFamily {
    return { name, help, kind: 'counter', created: this.#created, samples }
  }
}

function one(value: number): MetricSample[] {
  return [{ labels: {}, value }]
}

function byLabel(label: string, values: Readonly<Record<string, number>>): MetricSample[] {
  return Object.entries(values).map(([key, value]) => ({ labels: { [label]: key }, value }))
}
