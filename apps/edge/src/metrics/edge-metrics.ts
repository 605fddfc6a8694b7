// SPDX-License-Identifier: Apache-2.0
import type { Bus, MetricFamily, MetricSample } from '@nats-edge/wire-parser'
import type { Stats } from '@nats-io/nats-core'
import type { Broker } from '../broker.ts'
import type { Listener } from '../listener.ts'
import { edgeVersion } from '../version.ts'

/** What the edge's own families are read from. */
export interface EdgeMetricsSources {
  readonly bus: Bus
  /** What the edge's own connection has carried; undefined before it is there. */
  readonly traffic: () => Stats | undefined
  readonly listeners: readonly Listener[]
  readonly broker: Broker | undefined
  readonly droppedLogLines: () => number
}

/** The families of the edge itself, read from plain counters when they are asked for. */
export function* edgeFamilies(sources: EdgeMetricsSources): IterableIterator<MetricFamily> {
  yield* natsFamilies(sources.bus, sources.traffic())
  yield* listenerFamilies(sources.listeners)
  yield* brokerFamilies(sources.broker)
  yield counter('log_lines_dropped_total', 'Log lines that nobody took.', [plain(sources.droppedLogLines())])
  const labels = { version: edgeVersion, node: process.version }
  yield gauge('build_info', 'Always 1; the labels tell the versions.', [{ labels, value: 1 }])
}

function* natsFamilies(bus: Bus, traffic: Stats | undefined): IterableIterator<MetricFamily> {
  const connected = plain(bus.state === 'connected' ? 1 : 0)
  yield { ...gauge('nats_connected', '1 while the connection to NATS is up.', [connected]), merge: 'min' }
  const reconnects = plain(Math.max(0, bus.epoch - 1))
  yield counter('nats_reconnects_total', 'Times the connection to NATS came back.', [reconnects])
  yield gauge('nats_pending_bytes', 'Bytes on the way to the broker.', [plain(bus.pendingBytes)])
  const { inMsgs = 0, outMsgs = 0, inBytes = 0, outBytes = 0 } = traffic ?? {}
  yield counter('nats_messages_total', 'Messages exchanged with NATS.', inAndOut(inMsgs, outMsgs))
  yield counter('nats_bytes_total', 'Bytes of messages exchanged with NATS.', inAndOut(inBytes, outBytes))
}

function* listenerFamilies(listeners: readonly Listener[]): IterableIterator<MetricFamily> {
  const perListener = (value: (listener: Listener) => number): MetricSample[] =>
    listeners.map((each) => ({ labels: { listener: each.name }, value: value(each) }))
  const received = perListener((each) => each.bytes().received)
  const sent = perListener((each) => each.bytes().sent)
  yield gauge(
    'http_inflight',
    'Requests being answered.',
    perListener((each) => each.inFlight),
  )
  yield gauge(
    'connections_open',
    'Open connections.',
    perListener((each) => each.openConnections),
  )
  yield counter('http_request_bytes_total', 'Bytes received, heads included.', received)
  yield counter('http_response_bytes_total', 'Bytes sent, heads included.', sent)
  const refused = listeners.flatMap((listener) =>
    Object.entries(listener.refused).map(([reason, value]): MetricSample => {
      return { labels: { listener: listener.name, reason }, value }
    }),
  )
  yield counter('connections_refused_total', 'Connections above a limit.', refused)
}

function* brokerFamilies(broker: Broker | undefined): IterableIterator<MetricFamily> {
  if (broker === undefined) return
  yield gauge('embedded_broker_up', '1 while the embedded broker runs.', [plain(broker.isUp ? 1 : 0)])
  yield counter('embedded_broker_restarts_total', 'Times it was started again.', [plain(broker.restarts)])
}

function gauge(name: string, help: string, samples: readonly MetricSample[]): MetricFamily {
  return { name, help, kind: 'gauge', samples }
}

function counter(name: string, help: string, samples: readonly MetricSample[]): MetricFamily {
  return { name, help, kind: 'counter', samples }
}

function inAndOut(received: number, sent: number): readonly MetricSample[] {
  return [
    { labels: { dir: 'in' }, value: received },
    { labels: { dir: 'out' }, value: sent },
  ]
}

function plain(value: number): MetricSample {
  return { labels: {}, value }
}
