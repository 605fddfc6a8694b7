// SPDX-License-Identifier: Apache-2.0
import type { Bench } from '../bench.ts'
import type { Gate, Row } from '../row.ts'
import { echoMessage, noErrors, quickTurns, startWsSides, wsSides, wsTimes, type WsWork } from '../ws-row.ts'

const { plain, go } = wsSides
const against = (name: string, atMost: number): Gate => ({ measure: 'cpu', against: name, atMost })

export const rows: readonly Row[] = [
  echoRow({ connections: 100, outstanding: 1 }, [against(plain, 0.85), against(go, 0.85)]),
  echoRow({ connections: 100, outstanding: 10 }, [against(plain, 0.28), against(go, 0.22)]),
  echoRow({ connections: 1000, outstanding: 1 }, [against(plain, 1)]),
  echoRow({ connections: 1000, outstanding: 10 }, [against(plain, 0.4)]),
  {
    ...echoRow({ connections: 100, outstanding: 10, codec: 'json' }, [against(plain, 0.5)]),
    name: 'ws-echo-json',
    title:
      'JSON envelopes decoded and answered, 100 connections with 10 outstanding each, against plain ws that reads nothing',
  },
  {
    ...echoRow({ connections: 4, outstanding: 1 }, [{ measure: 'p50', against: plain, atMost: 1 }]),
    name: 'ws-echo-latency',
    title: 'latency of echo, 4 connections with 1 outstanding each',
  },
]

interface Shape {
  readonly connections: number
  readonly outstanding: number
  readonly codec?: NonNullable<WsWork['codec']>
}

function echoRow({ connections, outstanding, codec = 'raw' }: Shape, gates: readonly Gate[]): Row {
  return {
    name: `ws-echo-${connections}-p${outstanding}`,
    title: `echo of 32 bytes, ${connections} connections with ${outstanding} outstanding each`,
    cpuPer: 1_000_000,
    ...wsTimes,
    ...quickTurns,
    gates: [...gates, noErrors],
    start: (bench: Bench) =>
      startWsSides(bench, {
        task: { kind: 'echo' },
        codec,
        connections,
        messageBytes: echoMessage.length,
        load: (durationMs) => ({ kind: 'echo', message: echoMessage, outstanding, durationMs }),
      }),
  }
}
