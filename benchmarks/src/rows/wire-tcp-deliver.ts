// SPDX-License-Identifier: Apache-2.0
import type { Row } from '../row.ts'
import { floodRows } from '../wire-row.ts'

export const rows: readonly Row[] = floodRows(
  'wire-tcp-deliver',
  { load: 'deliver', transport: 'tcp' },
  { title: 'publish to subscribe over TCP' },
)
