// SPDX-License-Identifier: Apache-2.0
import type { Row } from '../row.ts'
import { noErrors, startWsSides, wsSides } from '../ws-row.ts'

const connections = 10_000
const heartbeatMs = 1000

export const row: Row = {
  name: 'ws-heartbeat',
  title: `${connections} idle connections, each pinged every second; ours attached to node:http`,
  cpuPer: 1_000_000,
  gates: [
    // By default a connection is pinged every 30 s: 3 % of a core are 90 us for each ping, three times what plain ws takes.
    { measure: 'cpu', against: wsSides.plain, atMost: 2 },
    // 250 MB in all.
    { measure: 'memory', atMost: 25 },
    noErrors,
  ],
  start: (bench) =>
    startWsSides(bench, {
      task: { kind: 'echo' },
      binding: 'attach',
      heartbeatMs,
      connections,
      load: (durationMs) => ({ kind: 'rest', durationMs }),
    }),
}
