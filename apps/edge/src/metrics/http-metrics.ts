// SPDX-License-Identifier: Apache-2.0
import { Histogram } from '@nats-edge/wire-parser'
import type { MetricFamily, MetricSample } from '@nats-edge/wire-parser'

/** What is known of a request when it has ended. */
export interface RequestRecord {
  readonly surface: string
  readonly route: string
  readonly method: string
  readonly status: number
  readonly seconds: number
}

// A closed set: a method is client text and must not make series.
const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY'])

interface Series {
  readonly surface: string
  readonly route: string
  readonly method: string
  readonly codes: Map<number, number>
  readonly duration: Histogram
}

/** Counts requests per surface, route, method and status: a few array increments each, rendered at scrape time. */
export class HttpMetrics {
  readonly #maxSeries: number
  readonly #series = new Map<string, Map<string, Map<string, Series>>>()
  readonly #created = Date.now() / 1000
  #count = 0

  constructor(options: { readonly maxSeriesPerMetric: number }) {
    this.#maxSeries = options.maxSeriesPerMetric
  }

  record(request: RequestRecord): void {
    const series = this.#seriesOf(request.surface, request.route, request.method)
    series.codes.set(request.status, (series.codes.get(request.status) ?? 0) + 1)
    series.duration.observe(request.seconds)
  }

  *families(): IterableIterator<MetricFamily> {
    const created = this.#created
    const name = 'http_requests_total'
    yield { name, help: 'Requests answered.', kind: 'counter', created, samples: this.#counts() }
    yield {
      name: 'http_request_duration_seconds',
      help: 'From the first byte of a request to the last of its answer.',
      kind: 'histogram',
      created,
      samples: this.#durations(),
    }
  }

  #seriesOf(surface: string, route: string, method: string): Series {
    const known = this.#series.get(surface)?.get(route)?.get(method)
    if (known !== undefined) return known
    const closed = methods.has(method) ? method : 'other'
    if (closed !== method) return this.#seriesOf(surface, route, closed)
    // Folded here and not only at scrape time: a label that grows without bound must not grow the process.
    if (this.#count >= this.#maxSeries && route !== 'other') return this.#seriesOf('other', 'other', 'other')
    return this.#addSeries(surface, route, method)
  }

  #addSeries(surface: string, route: string, method: string): Series {
    const series = { surface, route, method, codes: new Map<number, number>(), duration: new Histogram() }
    const routes = this.#series.get(surface) ?? new Map<string, Map<string, Series>>()
    const inRoute = routes.get(route) ?? new Map<string, Series>()
    this.#series.set(surface, routes.set(route, inRoute.set(method, series)))
    this.#count++
    return series
  }

  *#all(): IterableIterator<Series> {
    for (const routes of this.#series.values()) for (const inRoute of routes.values()) yield* inRoute.values()
  }

  *#counts(): IterableIterator<MetricSample> {
    for (const { surface, route, method, codes } of this.#all()) {
      for (const [code, value] of codes) yield { labels: { surface, route, method, code: String(code) }, value }
    }
  }

  *#durations(): IterableIterator<MetricSample> {
    for (const { surface, route, method, duration } of this.#all()) {
      yield { labels: { surface, route, method }, value: duration.value() }
    }
  }
}
