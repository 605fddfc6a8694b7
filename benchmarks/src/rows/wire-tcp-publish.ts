// SPDX-License-Identifier: Apache-2.0
import type { Row } from '../row.ts'
import { floodRows } from '../wire-row.ts'

export const rows: readonly Row[] = floodRows(
  'wire-tcp-publish',
  { load: 'publish', transport: 'tcp' },
  { title: 'publishing over TCP' },
)
