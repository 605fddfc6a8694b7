// SPDX-License-Identifier: Apache-2.0
import type { HistogramValue, MetricFamily, MetricSample } from '@nats-edge/wire-parser'

/** Keeps the first series of a family and folds the others into one whose labels say `other`. */
export function capSeries(family: MetricFamily, maxSeries: number): MetricFamily {
  const samples = [...family.samples]
  if (samples.length <= maxSeries) return { ...family, samples }
  const kept = samples.slice(0, maxSeries - 1)
  const folded = samples.slice(maxSeries - 1).reduce((sum, sample) => fold(sum, sample, family.merge ?? 'sum'))
  const labels = Object.fromEntries(Object.keys(folded.labels).map((name) => [name, 'other']))
  return { ...family, samples: [...kept, { labels, value: folded.value }] }
}

function fold(a: MetricSample, b: MetricSample, merge: 'sum' | 'min' | 'max'): MetricSample {
  return { labels: { ...b.labels, ...a.labels }, value: foldValues(a.value, b.value, merge) }
}

function foldValues(
  a: number | HistogramValue,
  b: number | HistogramValue,
  merge: 'sum' | 'min' | 'max',
): number | HistogramValue {
  if (typeof a === 'number' && typeof b === 'number') {
    if (merge === 'sum') return a + b
    return merge === 'min' ? Math.min(a, b) : Math.max(a, b)
  }
  // A family holds one kind of value and one list of bounds.
  if (typeof a === 'number' || typeof b === 'number') return a
  const counts = a.counts.map((count, index) => count + (b.counts[index] ?? 0))
  return { bounds: a.bounds, counts, sum: a.sum + b.sum }
}
