// SPDX-License-Identifier: Apache-2.0
import type { MetricFamily, MetricSample } from '@nats-edge/wire-parser'

const classes = ['2xx', '3xx', '4xx', '5xx'] as const

/** Plain counters, bumped per request and turned into families only when somebody reads them. */
export class ServiceStats {
  readonly #answered: number[] = [0, 0, 0, 0]
  overloaded = 0
  expired = 0
  replyFailures = 0

  answer(status: number): void {
    const index = Math.min(Math.floor(status / 100) - 2, 3)
    this.#answered[index] = (this.#answered[index] ?? 0) + 1
  }

  families(now: { readonly running: number; readonly queued: number }): MetricFamily[] {
    const answers = classes.map((status, index) => sample(this.#answered[index] ?? 0, { status }))
    return [
      counter('service_requests_total', 'Requests a service has answered, by class of status.', answers),
      counter('service_refused_total', 'Requests refused because too many were under way or waited too long.', [
        sample(this.overloaded, { reason: 'overloaded' }),
        sample(this.expired, { reason: 'expired' }),
      ]),
      counter('service_reply_failures_total', 'Answers that could not be sent.', [sample(this.replyFailures)]),
      gauge('service_running', 'Handlers under way.', now.running),
      gauge('service_queued', 'Requests that wait for a handler.', now.queued),
    ]
  }
}

function sample(value: number, labels: Record<string, string> = {}): MetricSample {
  return { labels, value }
}

function counter(name: string, help: string, samples: MetricSample[]): MetricFamily {
  return { name, help, kind: 'counter', samples }
}

function gauge(name: string, help: string, value: number): MetricFamily {
  return { name, help, kind: 'gauge', samples: [sample(value)] }
}
