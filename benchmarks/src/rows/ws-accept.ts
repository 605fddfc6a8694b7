// SPDX-License-Identifier: Apache-2.0
import type { Row } from '../row.ts'
import { noErrors, quickTurns, startWsSides, wsTimes } from '../ws-row.ts'

const parallel = 16

export const row: Row = {
  name: 'ws-accept',
  title: `handshakes, each cut off as soon as it is done, ${parallel} at a time; ours attached to node:http`,
  cpuPer: 10_000,
  ...wsTimes,
  ...quickTurns,
  gates: [{ measure: 'cpu', atMost: 1.45 }, noErrors],
  start: (bench) =>
    startWsSides(bench, {
      task: { kind: 'echo' },
      binding: 'attach',
      connections: 0,
      load: (durationMs) => ({ kind: 'accept', parallel, durationMs }),
    }),
}
