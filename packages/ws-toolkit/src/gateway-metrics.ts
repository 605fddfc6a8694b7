// SPDX-License-Identifier: Apache-2.0
import type { MetricFamily, MetricSample } from '@nats-edge/wire-parser'
import type { ChannelCounters } from './counters.ts'
import type { LiveConnection } from './live-connection.ts'
import type { RoomBus } from './room-bus.ts'
import type { CircuitState, PlacedCircuit } from './middleware/circuit.ts'
import type { LocalRooms } from './room.ts'

/** What the numbers of a gateway are made of. */
export interface Measured {
  readonly channels: readonly { readonly path: string; readonly counters: ChannelCounters }[]
  readonly registry: Iterable<LiveConnection>
  readonly rooms: LocalRooms
  readonly circuits: Iterable<PlacedCircuit>
  readonly taken: number
  readonly free: number | undefined
  readonly bus: RoomBus | undefined
}

interface Living {
  connections: number
  buffered: number
  pending: number
  bytesIn: number
  bytesOut: number
  messagesIn: number
  messagesOut: number
}

type Counted = readonly { readonly path: string; readonly counters: ChannelCounters; readonly living: Living }[]

/** Lists the numbers of a gateway as they are now. */
export function gatewayFamilies({ channels, registry, rooms, circuits, taken, free, bus }: Measured): MetricFamily[] {
  const living = livingOf(registry)
  const counted = channels.map(({ path, counters }) => ({ path, counters, living: living.get(path) ?? nobody() }))
  return [
    ...connectionFamilies(counted),
    gauge('connections_reserved', 'Places taken, by handshakes under way too.', [{ labels: {}, value: taken }]),
    ...(free === undefined
      ? []
      : [gauge('connections_free', 'Connections that find room.', [{ labels: {}, value: free }])]),
    ...messageFamilies(counted),
    ...requestFamilies(counted),
    gauge('circuits', 'Circuits of breakers, by state.', circuitSamples(circuits)),
    gauge('rooms', 'Rooms with members here.', [{ labels: {}, value: rooms.size }]),
    gauge('room_members', 'Members of all rooms here.', [{ labels: {}, value: rooms.seats }]),
    ...(bus?.stats?.() ?? []),
  ]
}

function connectionFamilies(counted: Counted): MetricFamily[] {
  return [
    gauge(
      'connections',
      'Open connections.',
      each(counted, ({ living }) => living.connections),
    ),
    counter(
      'connections_opened_total',
      'Connections opened.',
      each(counted, ({ counters }) => counters.opened),
    ),
    counter(
      'connections_closed_total',
      'Connections closed, by close code.',
      spread(counted, 'code', ({ closed }) => closed),
    ),
    counter(
      'heartbeats_missed_total',
      'Connections cut for lack of any sign of life.',
      each(counted, ({ counters }) => counters.heartbeatsMissed),
    ),
    {
      name: 'heartbeat_rtt_seconds',
      help: 'Time from a ping to its pong.',
      kind: 'histogram',
      samples: counted.map(({ path, counters }) => ({ labels: { route: path }, value: counters.rttSeconds.value() })),
    },
  ]
}

function messageFamilies(counted: Counted): MetricFamily[] {
  const inOut = (read: (side: 'In' | 'Out', of: Counted[number]) => number): MetricSample[] =>
    counted.flatMap((of) => [
      { labels: { route: of.path, direction: 'in' }, value: read('In', of) },
      { labels: { route: of.path, direction: 'out' }, value: read('Out', of) },
    ])
  return [
    counter(
      'messages_total',
      'Messages.',
      inOut((side, of) => of.counters[`messages${side}`] + of.living[`messages${side}`]),
    ),
    counter(
      'message_bytes_total',
      'Bytes of messages.',
      inOut((side, of) => of.counters[`bytes${side}`] + of.living[`bytes${side}`]),
    ),
    gauge(
      'buffered_bytes',
      'Bytes sent that the kernel has not taken.',
      each(counted, ({ living }) => living.buffered),
    ),
    gauge(
      'messages_waiting',
      'Messages read that no handler has begun.',
      each(counted, ({ living }) => living.pending),
    ),
    counter(
      'messages_dropped_total',
      'Messages dropped for slow clients, by policy.',
      spread(counted, 'policy', ({ dropped }) => Object.entries(dropped)),
    ),
    counter(
      'messages_ignored_total',
      'Messages that were no request.',
      each(counted, ({ counters }) => counters.ignored),
    ),
    counter(
      'limits_hit_total',
      'Times a client met a limit.',
      spread(counted, 'limit', ({ limits }) => Object.entries(limits)),
    ),
  ]
}

function requestFamilies(counted: Counted): MetricFamily[] {
  const routes = counted.flatMap(({ path, counters }) =>
    [...counters.routes].map(([key, of]) => ({ labels: { route: path, key }, of })),
  )
  return [
    gauge(
      'requests_active',
      'Requests begun and not answered.',
      routes.map(({ labels, of }) => ({ labels, value: of.active })),
    ),
    {
      name: 'message_duration_seconds',
      help: 'Time from a message to its last answer.',
      kind: 'histogram',
      samples: routes.map(({ labels, of }) => ({ labels, value: of.seconds.value() })),
    },
    counter(
      'message_results_total',
      'Requests answered, by result.',
      routes.flatMap(({ labels, of }) =>
        [...of.codes].map(([code, value]) => ({ labels: { ...labels, code }, value })),
      ),
    ),
    counter(
      'handler_failures_total',
      'Hooks and handlers that threw.',
      each(counted, ({ counters }) => counters.failures),
    ),
  ]
}

function circuitSamples(circuits: Iterable<PlacedCircuit>): MetricSample[] {
  const places = new Map<string, { labels: Record<string, string>; counts: Record<CircuitState, number> }>()
  for (const { channel, route, state } of circuits) {
    const name = `${channel} ${route}`
    const place = places.get(name) ?? {
      labels: { route: channel, key: route },
      counts: { closed: 0, open: 0, 'half-open': 0 },
    }
    places.set(name, place)
    place.counts[state] += 1
  }
  return [...places.values()].flatMap(({ labels, counts }) =>
    Object.entries(counts).map(([state, value]) => ({ labels: { ...labels, state }, value })),
  )
}

function livingOf(registry: Iterable<LiveConnection>): Map<string, Living> {
  const living = new Map<string, Living>()
  for (const connection of registry) {
    let sum = living.get(connection.path)
    if (sum === undefined) {
      sum = nobody()
      living.set(connection.path, sum)
    }
    sum.connections += 1
    sum.buffered += connection.bufferedBytes
    sum.pending += connection.waiting
    sum.bytesIn += connection.bytesIn
    sum.bytesOut += connection.bytesOut
    sum.messagesIn += connection.messagesIn
    sum.messagesOut += connection.messagesOut
  }
  return living
}

function nobody(): Living {
  return { connections: 0, buffered: 0, pending: 0, bytesIn: 0, bytesOut: 0, messagesIn: 0, messagesOut: 0 }
}

function each(counted: Counted, read: (of: Counted[number]) => number): MetricSample[] {
  return counted.map((of) => ({ labels: { route: of.path }, value: read(of) }))
}

function spread(
  counted: Counted,
  label: string,
  read: (counters: ChannelCounters) => Iterable<readonly [string | number, number]>,
): MetricSample[] {
  return counted.flatMap(({ path, counters }) =>
    [...read(counters)].map(([name, value]) => ({ labels: { route: path, [label]: String(name) }, value })),
  )
}

function gauge(name: string, help: string, samples: MetricSample[]): MetricFamily {
  return { name, help, kind: 'gauge', samples }
}

function counter(name: string, help: string, samples: MetricSample[]): MetricFamily {
  return { name, help, kind: 'counter', samples }
}
