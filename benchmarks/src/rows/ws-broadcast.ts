// SPDX-License-Identifier: Apache-2.0
import type { Gate, Row } from '../row.ts'
import { echoMessage, noErrors, quickTurns, startWsSides, wsSides, wsTimes } from '../ws-row.ts'

const { plain, go } = wsSides

export const rows: readonly Row[] = [
  broadcastRow('single', 1, [
    // Deliveries per CPU second, 1.05 and 1.6 times as many.
    { measure: 'cpu', against: plain, atMost: 0.952 },
    { measure: 'cpu', against: go, atMost: 0.625 },
  ]),
  // 8 times as many.
  broadcastRow('burst', 10, [{ measure: 'cpu', against: plain, atMost: 0.125 }]),
  {
    ...broadcastRow('paced', 1, [{ measure: 'p99Ms', atMost: 250 }], { connections: 2000, everyMs: 100 }),
    title: 'one message of 32 bytes to each of 2000 connections, ten times a second',
  },
]

function broadcastRow(
  name: string,
  burst: number,
  gates: readonly Gate[],
  { connections = 5000, everyMs = 0 }: { readonly connections?: number; readonly everyMs?: number } = {},
): Row {
  return {
    name: `ws-broadcast-${name}`,
    title: `${burst === 1 ? 'one message' : `${burst} messages`} of 32 bytes to each of ${connections} connections, round after round`,
    cpuPer: 1_000_000,
    ...wsTimes,
    ...quickTurns,
    gates: [...gates, noErrors],
    start: (bench) =>
      startWsSides(bench, {
        task: { kind: 'broadcast', burst, message: echoMessage },
        connections,
        messageBytes: echoMessage.length,
        load: (durationMs) => ({ kind: 'broadcast', message: echoMessage, burst, everyMs, durationMs }),
      }),
  }
}
