// SPDX-License-Identifier: Apache-2.0
import type { Row } from '../row.ts'
import { idleClients } from '../wire-idle-load.ts'
import { startWireSides } from '../wire-row.ts'

const transports = { tcp: 'TCP', ws: 'WebSocket' } as const

export const rows: readonly Row[] = (['tcp', 'ws'] as const).map((transport) => ({
  name: `wire-idle-${transport}`,
  title: `memory of ${idleClients} more idle clients over ${transports[transport]}, each with a subscription, in every round`,
  cpuPer: 1000,
  gates: [
    { measure: 'memory', atMost: 40 },
    { measure: 'errors', atMost: 0 },
  ],
  start: (bench) => startWireSides(bench, { load: 'idle', transport, size: 0 }),
}))
