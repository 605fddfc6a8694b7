// SPDX-License-Identifier: Apache-2.0
import type { Row } from '../row.ts'
import { noErrors, startWsSides, wsSides, wsTimes } from '../ws-row.ts'

const count = 1000
// By itself V8 gives what it makes new objects in anything up to 48 MiB, by what was done, not by what is held.
const nodeFlags = ['--max-semi-space-size=1']

export const row: Row = {
  name: 'ws-idle',
  title: `memory of ${count} more idle connections in every round; ours attached to node:http`,
  cpuPer: 10_000,
  ...wsTimes,
  gates: [
    { measure: 'memory', against: wsSides.plain, atMost: 1.45 },
    { measure: 'memory', against: wsSides.go, atMost: 0.5 },
    noErrors,
  ],
  start: (bench) =>
    startWsSides(bench, {
      task: { kind: 'echo' },
      binding: 'attach',
      connections: 0,
      nodeFlags,
      load: () => ({ kind: 'grow', count }),
    }),
}
