// SPDX-License-Identifier: Apache-2.0
import type { Gate, Row } from '../row.ts'
import { sideNames, startWireSides, wireTimeShare } from '../wire-row.ts'

const loads = { ping: 'PING', request: 'request of 128 B to a responder' } as const
const transports = { tcp: 'TCP', ws: 'WebSocket' } as const

export const rows: readonly Row[] = (['ping', 'request'] as const).flatMap((load) =>
  (['tcp', 'ws'] as const).map((transport) => ({
    name: `wire-latency-${load}-${transport}`,
    title: `${loads[load]} over ${transports[transport]}, one outstanding: through the gateway against directly to nats-server`,
    cpuPer: 100_000,
    timeShare: wireTimeShare,
    gates: [gateOf(load), { measure: 'errors', atMost: 0 }],
    start: (bench) => startWireSides(bench, { load, transport, size: 128 }, { relay: true }),
  })),
)

function gateOf(load: keyof typeof loads): Gate {
  // One more hop through Node costs what it costs; what the gateway adds to it is ours.
  if (load === 'ping') return { measure: 'p50', against: sideNames.relay, atMost: 1.2 }
  return { measure: 'rate', against: sideNames.reference, atLeast: 1 }
}
