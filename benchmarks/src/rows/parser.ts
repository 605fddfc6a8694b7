// SPDX-License-Identifier: Apache-2.0
import { startParserSides } from '../parser-row.ts'
import type { Row } from '../row.ts'

export const row: Row = {
  name: 'parser',
  title: 'reading 16 B publishes from 64 KiB chunks without strings: Parser against splitting lines into objects',
  cpuPer: 1_000_000,
  gates: [
    { measure: 'cpu', atMost: 0.125 },
    { measure: 'errors', atMost: 0 },
  ],
  start: (bench) => startParserSides(bench, 'payload'),
}
