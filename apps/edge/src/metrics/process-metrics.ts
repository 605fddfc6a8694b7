// SPDX-License-Identifier: Apache-2.0
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { IntervalHistogram } from 'node:perf_hooks'
import type { MetricFamily, MetricSample } from '@nats-edge/wire-parser'
import { collectDefaultMetrics, Registry } from 'prom-client'

/** What the process itself says: event-loop lag, and the `process_*` and `nodejs_*` families under their known names. */
export class ProcessMetrics {
  readonly #registry = new Registry()
  readonly #lag: IntervalHistogram = monitorEventLoopDelay({ resolution: 20 })

  constructor() {
    collectDefaultMetrics({ register: this.#registry })
    this.#lag.enable()
  }

  close(): void {
    this.#lag.disable()
    this.#registry.clear()
  }

  /** Lag since the last scrape. */
  lag(): MetricFamily {
    const samples = [0.5, 0.9, 0.99, 1].map((quantile): MetricSample => {
      // A histogram that has seen nothing yet reports NaN or its own bounds.
      const ns = this.#lag.count === 0 ? 0 : this.#lag.percentile(quantile * 100)
      return { labels: { quantile: String(quantile) }, value: ns / 1e9 }
    })
    this.#lag.reset()
    return {
      name: 'event_loop_lag_seconds',
      help: 'Delay of the event loop since the last scrape.',
      kind: 'gauge',
      merge: 'max',
      samples,
    }
  }

  async families(): Promise<readonly MetricFamily[]> {
    const metrics = await this.#registry.getMetricsAsJSON()
    return metrics.flatMap((metric) => {
      const kind = String(metric.type)
      if (kind !== 'counter' && kind !== 'gauge') return []
      const samples = metric.values.map(({ labels, value }) => ({ labels: textLabels(labels), value }))
      return [{ name: metric.name, help: metric.help, kind, samples }]
    })
  }
}

function textLabels(labels: Readonly<Record<string, string | number | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, String(value)]))
}
