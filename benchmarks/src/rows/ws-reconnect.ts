// SPDX-License-Identifier: Apache-2.0
import type { Row } from '../row.ts'
import { echoMessage, noErrors, startWsSides, wsTimes } from '../ws-row.ts'

const count = 5000
const staying = 100

export const row: Row = {
  name: 'ws-reconnect',
  title: `${count} clients cut at once come back at once, ${staying} others go on; ours attached to node:http`,
  cpuPer: 10_000,
  ...wsTimes,
  gates: [{ measure: 'p99Ms', atMost: 15_000 }, { measure: 'lag', atMost: 200 }, noErrors],
  start: (bench) =>
    startWsSides(bench, {
      task: { kind: 'echo' },
      binding: 'attach',
      connections: staying + count,
      messageBytes: echoMessage.length,
      load: () => ({ kind: 'reconnect', count, message: echoMessage }),
    }),
}
