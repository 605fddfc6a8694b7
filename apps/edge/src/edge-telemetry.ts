// SPDX-License-Identifier: Apache-2.0
import type { MetricFamily } from '@nats-edge/wire-parser'
import type { Mount } from './capability.ts'
import type { EdgeConfig } from './config.ts'
import type { Exchange } from './exchange.ts'
import type { Logger } from './log.ts'
import { accessLog, type AccessLine } from './log/access-log.ts'
import { MetricsRegistry } from './metrics.ts'
import { edgeFamilies } from './metrics/edge-metrics.ts'
import type { EdgeMetricsSources } from './metrics/edge-metrics.ts'
import { HttpMetrics } from './metrics/http-metrics.ts'
import { ProcessMetrics } from './metrics/process-metrics.ts'

const maxLoggedPath = 128

/** Counts and logs what happened: one metric record and one line per request. */
export class EdgeTelemetry {
  readonly #log: Logger
  readonly #access: boolean
  readonly #writeAccess: (line: AccessLine) => void
  readonly #addressOf: (exchange: Exchange) => string
  readonly #http: HttpMetrics
  readonly #registry: MetricsRegistry
  readonly #process: ProcessMetrics | undefined

  constructor(config: EdgeConfig, log: Logger, addressOf: (exchange: Exchange) => string) {
    this.#log = log
    this.#access = config.log.access
    this.#writeAccess = accessLog(log)
    this.#addressOf = addressOf
    this.#http = new HttpMetrics(config.metrics)
    this.#registry = new MetricsRegistry(config.metrics)
    this.#process = config.metrics.enabled ? new ProcessMetrics() : undefined
  }

  /** Throws TypeError when two sources give one name to different metrics. */
  addSources(sources: EdgeMetricsSources & { readonly mounts: readonly Mount[] }): void {
    const lag = (): MetricFamily[] => (this.#process === undefined ? [] : [this.#process.lag()])
    this.#registry.add({
      surface: undefined,
      families: () => [...edgeFamilies(sources), ...this.#http.families(), ...lag()],
    })
    for (const { surface, capability } of sources.mounts) {
      this.#registry.add({ surface, families: () => capability.stats() })
    }
  }

  async families(): Promise<readonly MetricFamily[]> {
    return [...this.#registry.families(), ...((await this.#process?.families()) ?? [])]
  }

  ended(exchange: Exchange, status: number): void {
    const ms = performance.now() - exchange.startedMs
    const { surface, route } = exchange
    const method = exchange.incoming.method ?? ''
    this.#http.record({ surface, route, method, status, seconds: ms / 1000 })
    if (!this.#access || !this.#log.isLevelEnabled('info')) return
    const line = {
      surface,
      route,
      method,
      status,
      ms: Math.round(ms * 100) / 100,
      requestId: exchange.requestId,
      ip: this.#addressOf(exchange),
      principalId: principalOf(exchange),
    }
    if (this.#log.isLevelEnabled('debug')) this.#log.info({ ...line, ...details(exchange) }, 'request')
    else this.#writeAccess(line)
  }

  malformed(status: number): void {
    this.#http.record({ surface: 'edge', route: 'unmatched', method: 'other', status, seconds: 0 })
  }

  close(): void {
    this.#process?.close()
  }
}

function principalOf(exchange: Exchange): string | undefined {
  const principal: unknown = exchange.context?.get('principal')
  const known = typeof principal === 'object' && principal !== null && 'id' in principal
  return known && typeof principal.id === 'string' ? principal.id : undefined
}

/** What is logged at level debug only: it tells more about a client than a log should keep. */
function details(exchange: Exchange): { path: string; headers: Record<string, unknown> } {
  const path = (exchange.incoming.url ?? '').split('?')[0] ?? ''
  return { path: path.slice(0, maxLoggedPath), headers: { ...exchange.incoming.headers } }
}
