// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { until } from '../edge.test-support.ts'
import { renderMetrics } from './exposition.ts'
import { ProcessMetrics } from './process-metrics.ts'

describe('ProcessMetrics', () => {
  it('hands on every family of prom-client, histograms of garbage collection included', async () => {
    const metrics = new ProcessMetrics()
    try {
      const text = await until('something was collected', async () => {
        // Garbage for the next look.
        Array.from({ length: 200_000 }, (_, index) => ({ index }))
        const rendered = renderMetrics(await metrics.families(), 'prometheus')
        return rendered.includes('nodejs_gc_duration_seconds_count') && rendered
      })
      expect(text).toContain('# TYPE nodejs_gc_duration_seconds histogram')
      const samples = Array.from(text.matchAll(/^nodejs_gc_duration_seconds_(\w+)\{(.*)\} (\S+)$/gm), (match) => match)
      const [, , labels = ''] = samples.find(([, name]) => name === 'count') ?? []
      const of = (name: string): number[] =>
        samples.filter(([, each, at]) => each === name && at?.startsWith(labels)).map(([, , , value]) => Number(value))
      const buckets = of('bucket')
      expect(buckets).toHaveLength(7)
      expect(buckets).toEqual(buckets.toSorted((a, b) => a - b))
      expect(buckets.at(-1)).toBe(of('count')[0])
      expect(of('sum')[0]).toBeGreaterThan(0)
      expect(text).toContain(`nodejs_gc_duration_seconds_bucket{${labels},le="0.001"}`)
    } finally {
      metrics.close()
    }
  })

  it('reports the lag of the event loop since the last look', () => {
    const metrics = new ProcessMetrics()
    const { name, samples } = metrics.lag()
    expect(name).toBe('event_loop_lag_seconds')
    expect([...samples].map(({ labels }) => labels['quantile'])).toEqual(['0.5', '0.9', '0.99', '1'])
    metrics.close()
  })
})
