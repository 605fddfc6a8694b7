// SPDX-License-Identifier: Apache-2.0
import type { MetricFamily, MetricSample } from '@nats-edge/wire-parser'
import { capSeries } from './metrics/series-cap.ts'

/** Something that has metrics: a capability, or the edge itself. */
export interface MetricSource {
  /** Value of the label `surface`; undefined for the edge's own families, which bring their labels themselves. */
  readonly surface: string | undefined
  families(): Iterable<MetricFamily>
}

const prefix = 'nats_edge_'

/** Collects the families of all sources: equal names become one family, told apart by the label `surface`. */
export class MetricsRegistry {
  readonly #maxSeries: number
  readonly #sources: MetricSource[] = []

  constructor(options: { readonly maxSeriesPerMetric: number }) {
    this.#maxSeries = options.maxSeriesPerMetric
  }

  /** Throws when a family of `source` has another help or kind than an equal one that is known. */
  add(source: MetricSource): void {
    const known = this.#collect()
    for (const family of source.families()) {
      const other = known.get(prefix + family.name)
      if (other !== undefined && (other.help !== family.help || other.kind !== family.kind)) {
        throw new TypeError(
          `metric ${family.name} of ${source.surface ?? 'the edge'} has another help or kind elsewhere`,
        )
      }
    }
    this.#sources.push(source)
  }

  families(): readonly MetricFamily[] {
    return [...this.#collect().values()].map((family) => capSeries(family, this.#maxSeries))
  }

  #collect(): Map<string, MetricFamily & { samples: MetricSample[] }> {
    const families = new Map<string, MetricFamily & { samples: MetricSample[] }>()
    for (const source of this.#sources) {
      for (const family of source.families()) {
        const samples = labelled(family.samples, source.surface)
        const known = families.get(prefix + family.name)
        if (known === undefined) families.set(prefix + family.name, { ...family, name: prefix + family.name, samples })
        else known.samples.push(...samples)
      }
    }
    return families
  }
}

function labelled(samples: Iterable<MetricSample>, surface: string | undefined): MetricSample[] {
  if (surface === undefined) return [...samples]
  return Array.from(samples, ({ labels, value }) => ({ labels: { surface, ...labels }, value }))
}
