// SPDX-License-Identifier: Apache-2.0
import type { Row } from '../row.ts'
import { noErrors, quickTurns, startWsSide, startWsSides, wsTimes, type WsWork } from '../ws-row.ts'

const parallel = 16
const behindHono = 'ws behind Hono'

const work: WsWork = {
  task: { kind: 'echo' },
  binding: 'attach',
  connections: 0,
  load: (durationMs) => ({ kind: 'accept', parallel, durationMs }),
}

export const row: Row = {
  name: 'ws-accept',
  title: `handshakes, each cut off as soon as it is done, ${parallel} at a time; ours attached to node:http`,
  cpuPer: 10_000,
  ...wsTimes,
  ...quickTurns,
  gates: [{ measure: 'cpu', against: behindHono, atMost: 1.5 }, noErrors],
  start: async (bench) => {
    const sides = await startWsSides(bench, work)
    const least = await startWsSide(bench, behindHono, work, 'hono-ws-server')
    return { ...sides, others: [...(sides.others ?? []), least] }
  },
}
