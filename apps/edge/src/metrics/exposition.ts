// SPDX-License-Identifier: Apache-2.0
import type { HistogramValue, MetricFamily, MetricSample } from '@nats-edge/wire-parser'

export type ExpositionFormat = 'prometheus' | 'openmetrics'

export const contentTypes: Readonly<Record<ExpositionFormat, string>> = {
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
}

/** The format a scraper asked for; Prometheus text unless it prefers OpenMetrics. */
export function formatOfAccept(accept: string | undefined): ExpositionFormat {
  const openmetrics = qualityOf(accept, 'application/openmetrics-text')
  return openmetrics > 0 && openmetrics >= qualityOf(accept, 'text/plain') ? 'openmetrics' : 'prometheus'
}

/** Renders families in one of the two text formats. */
export function renderMetrics(families: Iterable<MetricFamily>, format: ExpositionFormat): string {
  const lines: string[] = []
  for (const family of families) renderFamily(family, format, lines)
  if (format === 'openmetrics') lines.push('# EOF')
  return `${lines.join('\n')}\n`
}

function renderFamily(family: MetricFamily, format: ExpositionFormat, lines: string[]): void {
  const isCounter = family.kind === 'counter'
  // OpenMetrics names a counter without the suffix that its samples must have.
  const bare = isCounter ? family.name.replace(/_total$/, '') : family.name
  const name = isCounter && format === 'openmetrics' ? bare : family.name
  lines.push(`# HELP ${name} ${escapeHelp(family.help, format)}`, `# TYPE ${name} ${family.kind}`)
  for (const sample of family.samples) {
    const labels = renderLabels(sample)
    if (typeof sample.value === 'number') {
      const sampleName = isCounter && format === 'openmetrics' ? `${bare}_total` : family.name
      lines.push(`${sampleName}${braced(labels)} ${formatValue(sample.value)}`)
    } else renderHistogram(family.name, labels, sample.value, lines)
    if (format === 'openmetrics' && family.created !== undefined && family.kind !== 'gauge') {
      lines.push(`${bare}_created${braced(labels)} ${formatValue(family.created)}`)
    }
  }
}

function renderHistogram(name: string, labels: string, value: HistogramValue, lines: string[]): void {
  const separator = labels === '' ? '' : ','
  let cumulative = 0
  for (const [index, count] of value.counts.entries()) {
    cumulative += count
    const bound = value.bounds[index]
    const le = bound === undefined ? '+Inf' : formatValue(bound)
    lines.push(`${name}_bucket{${labels}${separator}le="${le}"} ${cumulative}`)
  }
  lines.push(`${name}_sum${braced(labels)} ${formatValue(value.sum)}`, `${name}_count${braced(labels)} ${cumulative}`)
}

function renderLabels(sample: MetricSample): string {
  return Object.entries(sample.labels)
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(',')
}

function braced(labels: string): string {
  return labels === '' ? '' : `{${labels}}`
}

function escapeLabel(value: string): string {
  return value
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', String.raw`\n`)
    .replaceAll('"', String.raw`\"`)
}

function escapeHelp(help: string, format: ExpositionFormat): string {
  const escaped = help.replaceAll('\\', '\\\\').replaceAll('\n', String.raw`\n`)
  return format === 'openmetrics' ? escaped.replaceAll('"', String.raw`\"`) : escaped
}

function formatValue(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value)
}

function qualityOf(accept: string | undefined, type: string): number {
  for (const range of (accept ?? '').split(',')) {
    const [name, ...parameters] = range.split(';').map((part) => part.trim())
    if (name?.toLowerCase() !== type) continue
    const q = parameters.find((parameter) => parameter.startsWith('q='))
    return q === undefined ? 1 : Number(q.slice(2)) || 0
  }
  return 0
}
