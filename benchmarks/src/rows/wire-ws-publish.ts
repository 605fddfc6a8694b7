// SPDX-License-Identifier: Apache-2.0
import type { Row } from '../row.ts'
import { floodRows } from '../wire-row.ts'

export const rows: readonly Row[] = floodRows(
  'wire-ws-publish',
  { load: 'publish', transport: 'ws' },
  { title: 'publishing over WebSocket in frames of 64 KiB', sizeNames: ['128', '1k', '64k'] },
)
