// SPDX-License-Identifier: Apache-2.0
import type { Gate, Row } from '../row.ts'
import { sideNames, startWireSides, wireTimeShare } from '../wire-row.ts'

const loads = { ping: 'PING', request: 'request of 128 B to a responder' } as const
const transports = { tcp: 'TCP', ws: 'WebSocket' } as const

// One more hop is two more processes to wake, and one in Node sleeps where one in Go spins for a moment: what the gateway
// adds to that is ours.
const gates: Readonly<Record<keyof typeof loads, Gate>> = {
  ping: { measure: 'p50', against: sideNames.relay, atMost: 1.2 },
  request: { measure: 'rate', against: sideNames.relay, atLeast: 0.8 },
}

export const rows: readonly Row[] = (['ping', 'request'] as const).flatMap((load) =>
  (['tcp', 'ws'] as const).map((transport) => ({
    name: `wire-latency-${load}-${transport}`,
    title: `${loads[load]} over ${transports[transport]}, one outstanding: through the gateway against directly to nats-server`,
    cpuPer: 100_000,
    timeShare: wireTimeShare,
    gates: [gates[load], { measure: 'errors', atMost: 0 }],
    start: (bench) => startWireSides(bench, { load, transport, size: 128 }, { relay: true }),
  })),
)
