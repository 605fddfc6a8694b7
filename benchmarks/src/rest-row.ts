// SPDX-License-Identifier: Apache-2.0
import type { BenchProcess } from './bench-process.ts'
import type { Bench } from './bench.ts'
import { startEdge } from './edge-server.ts'
import { encodeHttpRequest, type HttpRequestFields } from './http-request.ts'
import { parseLoadResult } from './load-result.ts'
import type { NodeProcess } from './node-process.ts'
import { parsePort } from './port.ts'
import type { Gate, Side, Sides } from './row.ts'

const host = '127.0.0.1'

/** Connections of every REST row, one request outstanding on each. */
export const restConnections = 50

/** What every REST row must reach against bare Hono. */
export const restGates: readonly Gate[] = [
  { measure: 'rate', atLeast: 0.45 },
  { measure: 'errors', atMost: 0 },
]

/** The same request through the edge, a broker and a service, and to a bare Hono server that answers it itself. */
export async function startRestSides(bench: Bench, request: Omit<HttpRequestFields, 'host'>): Promise<Sides> {
  const { url } = await bench.broker()
  await bench.start('service', 'rest-service', [url])
  const edge = await startEdge(bench, url)
  const hono = await bench.start('bare Hono', 'hono-server')
  const load = (await bench.start('load', 'http-load')).process
  const side = (name: string, measured: BenchProcess, port: number): Side => ({
    name,
    measured,
    run: (durationMs) => runLoad(load, port, request, durationMs),
  })
  return {
    subject: side('nats-edge', edge.process, edge.port),
    reference: side('bare Hono', hono.process, parsePort(hono.value)),
  }
}

async function runLoad(load: NodeProcess, port: number, fields: Omit<HttpRequestFields, 'host'>, durationMs: number) {
  const request = encodeHttpRequest({ ...fields, host: `${host}:${port}` })
  const options = { host, port, request, connections: restConnections, durationMs }
  return parseLoadResult(await load.call('run', options, durationMs + 30_000))
}
