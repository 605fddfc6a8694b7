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
    return metrics.flatMap(({ name, help, type, values }): MetricFamily[] => {
      const kind = String(type)
      if (kind === 'histogram') return [{ name, help, kind, samples: histogramSamples(values) }]
      if (kind !== 'counter' && kind !== 'gauge') return []
      return [{ name, help, kind, samples: values.map(({ labels, value }) => ({ labels: textLabels(labels), value })) }]
    })
  }
}

interface PromValue {
  readonly labels: Readonly<Record<string, string | number | undefined>>
  readonly value: number
  /** `x_bucket`, `x_sum` or `x_count`, for the samples of a histogram. */
  readonly metricName?: string
}

/** One sample per set of labels, from the lines prom-client has made of it. */
function histogramSamples(values: readonly PromValue[]): readonly MetricSample[] {
  const histograms = new Map<string, { labels: Record<string, string>; below: [number, number][]; sum: number }>()
  for (const { labels, value, metricName = '' } of values) {
    const { le, ...own } = textLabels(labels)
    const key = JSON.stringify(own)
    const histogram = histograms.get(key) ?? { labels: own, below: [], sum: 0 }
    histograms.set(key, histogram)
    if (le !== undefined) histogram.below.push([le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le), value])
    else if (metricName.endsWith('_sum')) histogram.sum = value
  }
  return Array.from(histograms.values(), ({ labels, below, sum }) => {
    const bounds = below.map(([bound]) => bound).filter(Number.isFinite)
    // prom-client counts what is at most the bound, a HistogramValue what lies between two.
    const counts = below.map(([, count], index) => count - (below[index - 1]?.[1] ?? 0))
    return { labels, value: { bounds, counts, sum } }
  })
}

function textLabels(labels: PromValue['labels']): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, String(value)]))
}
