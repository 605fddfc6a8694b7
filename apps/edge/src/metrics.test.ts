// SPDX-License-Identifier: Apache-2.0
import type { MetricFamily } from '@nats-edge/wire-parser'
import { describe, expect, it } from 'vitest'
import { MetricsRegistry } from './metrics.ts'
import { HttpMetrics } from './metrics/http-metrics.ts'

function counter(name: string, samples: MetricFamily['samples'], help = 'Help.'): MetricFamily {
  return { name, help, kind: 'counter', samples }
}

function counts(metrics: HttpMetrics): readonly string[] {
  const [family] = metrics.families()
  return Array.from(family?.samples ?? [], ({ labels, value }) => `${Object.values(labels).join(' ')} ${String(value)}`)
}

describe('MetricsRegistry', () => {
  it('makes one family of equal names and tells the surfaces apart', () => {
    const registry = new MetricsRegistry({ maxSeriesPerMetric: 10 })
    registry.add({ surface: 'rest', families: () => [counter('a_total', [{ labels: { kind: 'x' }, value: 1 }])] })
    registry.add({ surface: 'res', families: () => [counter('a_total', [{ labels: { kind: 'x' }, value: 2 }])] })
    registry.add({
      surface: undefined,
      families: () => [counter('a_total', [{ labels: { surface: 'edge' }, value: 3 }])],
    })
    expect(registry.families()).toEqual([
      {
        ...counter('nats_edge_a_total', []),
        samples: [
          { labels: { surface: 'rest', kind: 'x' }, value: 1 },
          { labels: { surface: 'res', kind: 'x' }, value: 2 },
          { labels: { surface: 'edge' }, value: 3 },
        ],
      },
    ])
  })

  it('refuses one name with two meanings', () => {
    const registry = new MetricsRegistry({ maxSeriesPerMetric: 10 })
    registry.add({ surface: 'rest', families: () => [counter('a_total', [])] })
    expect(() => registry.add({ surface: 'res', families: () => [counter('a_total', [], 'Other.')] })).toThrow(
      'metric a_total of res has another help or kind elsewhere',
    )
    const gauge: MetricFamily = { ...counter('a_total', []), kind: 'gauge' }
    expect(() => registry.add({ surface: 'res', families: () => [gauge] })).toThrow(TypeError)
  })

  it('folds the series above its limit into `other`', () => {
    const registry = new MetricsRegistry({ maxSeriesPerMetric: 3 })
    const samples = Array.from({ length: 10 }, (_, index) => ({ labels: { id: String(index) }, value: 1 }))
    registry.add({ surface: 'rest', families: () => [counter('a_total', samples)] })
    const [family] = registry.families()
    expect([...(family?.samples ?? [])]).toEqual([
      { labels: { surface: 'rest', id: '0' }, value: 1 },
      { labels: { surface: 'rest', id: '1' }, value: 1 },
      { labels: { surface: 'other', id: 'other' }, value: 8 },
    ])
  })

  it.each([
    ['min', -4],
    ['max', 3],
    ['sum', -2],
  ] as const)('folds gauges by %s', (merge, value) => {
    const registry = new MetricsRegistry({ maxSeriesPerMetric: 1 })
    const samples = [3, -4, -1].map((each, index) => ({ labels: { id: String(index) }, value: each }))
    registry.add({ surface: undefined, families: () => [{ name: 'g', help: '', kind: 'gauge', merge, samples }] })
    expect([...(registry.families()[0]?.samples ?? [])]).toEqual([{ labels: { id: 'other' }, value }])
  })

  it('folds histograms bucket by bucket', () => {
    const registry = new MetricsRegistry({ maxSeriesPerMetric: 1 })
    const bounds = [1]
    const samples = [
      { labels: { id: 'a' }, value: { bounds, counts: [1, 2], sum: 5 } },
      { labels: { id: 'b' }, value: { bounds, counts: [3, 0], sum: 1 } },
    ]
    registry.add({ surface: undefined, families: () => [{ name: 'h', help: '', kind: 'histogram', samples }] })
    expect([...(registry.families()[0]?.samples ?? [])]).toEqual([
      { labels: { id: 'other' }, value: { bounds, counts: [4, 2], sum: 6 } },
    ])
  })
})

describe('HttpMetrics', () => {
  const request = { surface: 'rest', route: '/a', method: 'GET', status: 200, seconds: 0.003 }

  it('counts per surface, route, method and status', () => {
    const metrics = new HttpMetrics({ maxSeriesPerMetric: 100 })
    for (const status of [200, 200, 503, 999]) metrics.record({ ...request, status })
    metrics.record({ ...request, method: 'HEAD' })
    metrics.record({ ...request, surface: 'admin' })
    expect(counts(metrics)).toEqual([
      'rest /a GET 200 2',
      'rest /a GET 503 1',
      'rest /a GET 999 1',
      'rest /a HEAD 200 1',
      'admin /a GET 200 1',
    ])
    const [, durations] = metrics.families()
    const [first] = durations?.samples ?? []
    expect(first?.value).toMatchObject({ counts: expect.arrayContaining([4]) })
  })

  it('has one series for all methods it does not know', () => {
    const metrics = new HttpMetrics({ maxSeriesPerMetric: 100 })
    for (const method of ['PROPFIND', 'M-SEARCH', 'other', '__proto__', '']) metrics.record({ ...request, method })
    expect(counts(metrics)).toEqual(['rest /a other 200 5'])
  })

  it('does not grow with labels that do (reliability T24)', () => {
    const metrics = new HttpMetrics({ maxSeriesPerMetric: 10 })
    for (let index = 0; index < 100_000; index++) metrics.record({ ...request, route: `/${index}` })
    const seen = counts(metrics)
    expect(seen).toHaveLength(11)
    expect(seen.at(-1)).toBe('other other other 200 99990')
  })
})
