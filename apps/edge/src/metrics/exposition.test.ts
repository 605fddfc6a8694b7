// SPDX-License-Identifier: Apache-2.0
import type { MetricFamily } from '@nats-edge/wire-parser'
import { describe, expect, it } from 'vitest'
import { formatOfAccept, renderMetrics } from './exposition.ts'

const families: readonly MetricFamily[] = [
  {
    name: 'x_requests_total',
    help: 'Requests\nanswered \\ "all".',
    kind: 'counter',
    created: 1_700_000_000.5,
    samples: [
      { labels: { route: '/a "b"\\c\n', code: '200' }, value: 3 },
      { labels: {}, value: 0 },
    ],
  },
  { name: 'x_lag_seconds', help: 'Lag.', kind: 'gauge', samples: [{ labels: {}, value: Number.POSITIVE_INFINITY }] },
  {
    name: 'x_duration_seconds',
    help: 'Time.',
    kind: 'histogram',
    created: 1,
    samples: [{ labels: { route: '/' }, value: { bounds: [0.1, 1], counts: [2, 1, 4], sum: 12.5 } }],
  },
]

describe('renderMetrics', () => {
  it('writes Prometheus text', () => {
    expect(renderMetrics(families, 'prometheus')).toBe(
      [
        String.raw`# HELP x_requests_total Requests\nanswered \\ "all".`,
        '# TYPE x_requests_total counter',
        String.raw`x_requests_total{route="/a \"b\"\\c\n",code="200"} 3`,
        'x_requests_total 0',
        '# HELP x_lag_seconds Lag.',
        '# TYPE x_lag_seconds gauge',
        'x_lag_seconds +Inf',
        '# HELP x_duration_seconds Time.',
        '# TYPE x_duration_seconds histogram',
        'x_duration_seconds_bucket{route="/",le="0.1"} 2',
        'x_duration_seconds_bucket{route="/",le="1"} 3',
        'x_duration_seconds_bucket{route="/",le="+Inf"} 7',
        'x_duration_seconds_sum{route="/"} 12.5',
        'x_duration_seconds_count{route="/"} 7',
        '',
      ].join('\n'),
    )
  })

  it('writes OpenMetrics, with names, creation times and an end of its own', () => {
    expect(renderMetrics(families, 'openmetrics')).toBe(
      [
        String.raw`# HELP x_requests Requests\nanswered \\ \"all\".`,
        '# TYPE x_requests counter',
        String.raw`x_requests_total{route="/a \"b\"\\c\n",code="200"} 3`,
        String.raw`x_requests_created{route="/a \"b\"\\c\n",code="200"} 1700000000.5`,
        'x_requests_total 0',
        'x_requests_created 1700000000.5',
        '# HELP x_lag_seconds Lag.',
        '# TYPE x_lag_seconds gauge',
        'x_lag_seconds +Inf',
        '# HELP x_duration_seconds Time.',
        '# TYPE x_duration_seconds histogram',
        'x_duration_seconds_bucket{route="/",le="0.1"} 2',
        'x_duration_seconds_bucket{route="/",le="1"} 3',
        'x_duration_seconds_bucket{route="/",le="+Inf"} 7',
        'x_duration_seconds_sum{route="/"} 12.5',
        'x_duration_seconds_count{route="/"} 7',
        'x_duration_seconds_created{route="/"} 1',
        '# EOF',
        '',
      ].join('\n'),
    )
  })
})

describe('formatOfAccept', () => {
  it.each([
    [undefined, 'prometheus'],
    ['*/*', 'prometheus'],
    ['text/plain', 'prometheus'],
    ['application/openmetrics-text; version=1.0.0; charset=utf-8', 'openmetrics'],
    ['application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2', 'openmetrics'],
    ['application/openmetrics-text;q=0.1, text/plain;q=0.9', 'prometheus'],
    ['application/openmetrics-text;q=0', 'prometheus'],
    ['application/openmetrics-text;q=nonsense', 'prometheus'],
  ])('of %j is %s', (accept, format) => {
    expect(formatOfAccept(accept)).toBe(format)
  })
})
