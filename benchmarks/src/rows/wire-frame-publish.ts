// SPDX-License-Identifier: Apache-2.0
import type { Row } from '../row.ts'
import { floodRows } from '../wire-row.ts'

export const rows: readonly Row[] = floodRows(
  'wire-frame-publish',
  { load: 'publish', transport: 'ws', framing: 'one' },
  { title: 'publishing over WebSocket in a frame for each message', sizeNames: ['16', '128'] },
)
