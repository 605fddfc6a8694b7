// SPDX-License-Identifier: Apache-2.0

/** One family of metrics as plain data, so that it crosses workers; the name is without the server's prefix. */
export interface MetricFamily {
  readonly name: string
  readonly help: string
  readonly kind: 'counter' | 'gauge' | 'histogram'
  /** How the values of several workers become one. Default sum. */
  readonly merge?: 'sum' | 'min' | 'max'
  /** Seconds since the epoch at which a counter or histogram began. */
  readonly created?: number
  readonly samples: Iterable<MetricSample>
}

export interface MetricSample {
  readonly labels: Record<string, string>
  readonly value: number | HistogramValue
}

/** Cumulative-free counts: `counts[i]` lie in `(bounds[i-1], bounds[i]]`, the last one above every bound. */
export interface HistogramValue {
  readonly bounds: readonly number[]
  readonly counts: readonly number[]
  readonly sum: number
}

/** Upper bounds in seconds for the duration of a request. */
export const durationBoundsSeconds: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
]

/** A histogram that costs one array increment per observation. */
export class Histogram {
  readonly #bounds: readonly number[]
  readonly #counts: Float64Array
  #sum = 0

  constructor(bounds: readonly number[] = durationBoundsSeconds) {
    this.#bounds = bounds
    this.#counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    let bucket = 0
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] ?? 0)) bucket++
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1
    this.#sum += value
  }

  value(): HistogramValue {
    return { bounds: this.#bounds, counts: Array.from(this.#counts), sum: this.#sum }
  }
}
