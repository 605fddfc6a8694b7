// SPDX-License-Identifier: Apache-2.0
import type { MetricFamily, MetricSample } from '../metric.ts'
import type { CloseCause } from './close-cause.ts'
import type { RefusalReason } from './gateway-event.ts'

/** What sessions count themselves, summed up over those that are gone. */
export interface Traffic {
  messagesIn: number
  messagesOut: number
  bytesIn: number
  bytesOut: number
  denied: number
}

/** Gauges of the moment. */
export interface Gauges {
  readonly tcp: number
  readonly ws: number
  readonly waiting: number
  readonly subscriptions: number
  readonly queuedBytes: number
}

/** What stops or changes an operation. */
export type StopReason = 'permission' | 'rate' | 'payload' | 'verb' | 'subscription' | 'header' | 'connect' | 'hook'

/** The plain numbers of one gateway. */
export class Counters {
  readonly gone: Traffic = { messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0, denied: 0 }
  readonly opened: Record<'tcp' | 'ws', number> = { tcp: 0, ws: 0 }
  readonly refused: Record<RefusalReason, number> = { address: 0, rate: 0, pending: 0, admission: 0, draining: 0 }
  readonly closed: Record<CloseCause, number> = {
    client_closed: 0,
    backend_closed: 0,
    backend_error: 0,
    protocol_error: 0,
    denied: 0,
    auth_timeout: 0,
    credential_expired: 0,
    credential_revoked: 0,
    slow_client: 0,
    kicked: 0,
    shutdown: 0,
    connection_error: 0,
    internal_error: 0,
  }
  readonly stopped: Record<StopReason, number> = {
    permission: 0,
    rate: 0,
    payload: 0,
    verb: 0,
    subscription: 0,
    header: 0,
    connect: 0,
    hook: 0,
  }
  readonly auth: Record<'passed' | 'failed', number> = { passed: 0, failed: 0 }
  readonly dials: Record<'connected' | 'failed', number> = { connected: 0, failed: 0 }
  hookFailed = 0
  observeFailed = 0
  tlsFailed = 0
  readonly #created = Date.now() / 1000

  /** All numbers; `live` is the traffic of the connections there are. */
  families(live: Traffic, gauges: Gauges): MetricFamily[] {
    const { gone } = this
    return [
      gauge('wire_connections', 'Client connections.', byLabel('transport', { tcp: gauges.tcp, ws: gauges.ws })),
      gauge('wire_connections_waiting', 'Connections whose first operation has not passed.', one(gauges.waiting)),
      gauge('wire_subscriptions', 'Subscriptions of all clients.', one(gauges.subscriptions)),
      gauge('wire_queued_bytes', 'Bytes queued to clients.', one(gauges.queuedBytes)),
      this.#counter('wire_connections_opened_total', 'Client connections begun.', byLabel('transport', this.opened)),
      this.#counter('wire_connections_refused_total', 'Clients turned away.', byLabel('reason', this.refused)),
      this.#counter('wire_connections_closed_total', 'Client connections ended.', byLabel('cause', this.closed)),
      this.#counter(
        'wire_messages_total',
        'Messages, from clients and to them.',
        byLabel('dir', {
          in: gone.messagesIn + live.messagesIn,
          out: gone.messagesOut + live.messagesOut,
        }),
      ),
      this.#counter(
        'wire_bytes_total',
        'Bytes, from clients and to them.',
        byLabel('dir', { in: gone.bytesIn + live.bytesIn, out: gone.bytesOut + live.bytesOut }),
      ),
      this.#counter(
        'wire_operations_stopped_total',
        'Operations refused or lost, by what did it.',
        byLabel('by', this.stopped),
      ),
      this.#counter('wire_auth_total', 'CONNECTs judged.', byLabel('result', this.auth)),
      this.#counter('wire_backend_dials_total', 'Connections made to backends.', byLabel('result', this.dials)),
      this.#counter('wire_tls_failures_total', 'TLS handshakes of clients that failed.', one(this.tlsFailed)),
      this.#counter('wire_hook_failures_total', 'Hooks that threw.', one(this.hookFailed)),
      this.#counter('wire_observer_failures_total', 'Events whose observer threw.', one(this.observeFailed)),
    ]
  }

  #counter(name: string, help: string, samples: MetricSample[]): MetricFamily {
    return { name, help, kind: 'counter', created: this.#created, samples }
  }
}

function gauge(name: string, help: string, samples: MetricSample[]): MetricFamily {
  return { name, help, kind: 'gauge', samples }
}

function one(value: number): MetricSample[] {
  return [{ labels: {}, value }]
}

function byLabel(label: string, values: Readonly<Record<string, number>>): MetricSample[] {
  return Object.entries(values).map(([key, value]) => ({ labels: { [label]: key }, value }))
}
