// SPDX-License-Identifier: Apache-2.0
import type { Bench } from '../bench.ts'
import { parsePort } from '../port.ts'
import type { Row, Side, Sides } from '../row.ts'
import {
  echoMessage,
  noErrors,
  quickTurns,
  startWsSide,
  startWsSides,
  wsSides,
  wsTimes,
  type WsWork,
} from '../ws-row.ts'
import type { ServerTask } from '../ws-server-work.ts'

const connections = 100
const mostServiceConnections = 50
const subject = 'bench.echo'
const overHttp = 'HTTP backend'

export const rows: readonly Row[] = [
  {
    name: 'ws-backend-http',
    title: `each message a request to an HTTP service, ${connections} connections with 1 outstanding each`,
    cpuPer: 1_000_000,
    ...wsTimes,
    ...quickTurns,
    gates: [{ measure: 'cpu', against: wsSides.go, atMost: 0.9 }, noErrors],
    start: startHttpSides,
  },
  {
    name: 'ws-backend-nats',
    title: `each message a request to a service over NATS, ${connections} connections with 1 outstanding each, against one over HTTP`,
    cpuPer: 1_000_000,
    ...wsTimes,
    ...quickTurns,
    gates: [{ measure: 'cpu', atMost: 1 }, noErrors],
    start: startNatsSides,
  },
]

async function startHttpSides(bench: Bench): Promise<Sides> {
  const service = await startService(bench)
  const sides = await startWsSides(bench, workOf({ kind: 'http', origin: service.origin }))
  return { ...sides, subject: service.watch(sides.subject) }
}

async function startNatsSides(bench: Bench): Promise<Sides> {
  const { url } = await bench.broker()
  await bench.start('responder', 'echo-responder', [url, subject])
  const service = await startService(bench)
  return {
    subject: await startWsSide(bench, 'NATS backend', workOf({ kind: 'nats', url, subject })),
    reference: service.watch(await startWsSide(bench, overHttp, workOf({ kind: 'http', origin: service.origin }))),
  }
}

function workOf(task: ServerTask): WsWork {
  return {
    task,
    connections,
    messageBytes: echoMessage.length,
    load: (durationMs) => ({ kind: 'echo', message: echoMessage, outstanding: 1, durationMs }),
  }
}

interface Service {
  readonly origin: string
  /** Makes it an error of the side that it has opened more connections to the service than it may have. */
  watch(side: Side): Side
}

async function startService(bench: Bench): Promise<Service> {
  const { process, value } = await bench.start('HTTP service', 'http-upstream')
  const opened = async (): Promise<number> => Number(await process.call('connections'))
  return {
    origin: `http://127.0.0.1:${parsePort(value)}`,
    watch: (side) => ({
      ...side,
      run: async (durationMs) => {
        const before = await opened()
        const result = await side.run(durationMs)
        const excess = (await opened()) - before - mostServiceConnections
        if (!(excess > 0)) return result
        return { ...result, errors: { ...result.errors, 'connections too many to the service': excess } }
      },
    }),
  }
}
