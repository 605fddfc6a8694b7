// SPDX-License-Identifier: Apache-2.0
import { restConnections, restGates, startRestSides } from '../rest-row.ts'
import type { Row } from '../row.ts'

const body = JSON.stringify({ a: 'x'.repeat(1024 - '{"a":""}'.length) })

export const row: Row = {
  name: 'rest-post-1k',
  title: `POST of 1 KiB echoed, ${restConnections} connections: through nats-edge to a service against bare Hono`,
  cpuPer: 10_000,
  gates: restGates,
  start: (bench) => startRestSides(bench, { method: 'POST', path: '/bench/echo', body }),
}
