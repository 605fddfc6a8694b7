// SPDX-License-Identifier: Apache-2.0
import { restConnections, restGates, startRestSides } from '../rest-row.ts'
import type { Row } from '../row.ts'

export const row: Row = {
  name: 'rest-get',
  title: `GET of small JSON, ${restConnections} connections: through nats-edge to a service against bare Hono`,
  cpuPer: 10_000,
  gates: restGates,
  start: (bench) => startRestSides(bench, { method: 'GET', path: '/bench/echo/42' }),
}
