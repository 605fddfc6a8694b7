// SPDX-License-Identifier: Apache-2.0
import type { BenchProcess } from './bench-process.ts'
import type { Bench } from './bench.ts'
import { startGnatsdGw } from './gnatsd-gw.ts'
import { type LoadResult, parseLoadResult } from './load-result.ts'
import type { NodeProcess } from './node-process.ts'
import type { Gate, Row, Side, Sides } from './row.ts'
import type { WireLoadOptions } from './wire-load.ts'
import type { Framing } from './wire-operations.ts'
import { parsePorts, type WireUrls, wireUrls } from './wire-urls.ts'

/** What a load does, over what. */
export interface WireWork {
  readonly load: 'publish' | 'deliver' | 'ping' | 'request' | 'idle'
  readonly transport: 'tcp' | 'ws'
  readonly size: number
  /** Default many. */
  readonly framing?: Framing
}

/** Names of the sides, for gates. */
export const sideNames = {
  gateway: 'gateway',
  server: 'nats-server',
  inspecting: 'gateway with policies',
  relay: 'null relay',
  reference: 'gnatsd-gw',
} as const

/** Which sides a row has besides the gateway and the server. */
export interface WireOthers {
  readonly inspecting?: boolean
  readonly relay?: boolean
}

/** Rows are many, and a rate shows soon once code is warm. */
export const wireTimeShare = 0.06

// V8 optimises what has run often, which takes longer where there is less to do in a second.
function warmUpShare({ load, size }: WireWork): number {
  if (load === 'idle') return wireTimeShare
  if (load === 'ping' || load === 'request') return 3
  return size > 1024 ? 1.3 : 1
}

/** The same load on the gateway and directly on nats-server, and on gnatsd-gw where it can be had. */
export async function startWireSides(bench: Bench, work: WireWork, others: WireOthers = {}): Promise<Sides> {
  const { url, webSocketUrl } = await bench.broker()
  const broker = await bench.broker()
  const load = (await bench.start('load', 'wire-load')).process
  const side = (name: string, measured: BenchProcess, urls: WireUrls): Side => ({
    name,
    measured,
    run: (durationMs) => runLoad(load, measured, work, { url: urls[work.transport], durationMs }),
  })
  const gateway = async (name: string, ...args: string[]): Promise<Side> => {
    const { process, value } = await bench.start(name, 'wire-gateway', [url, ...args])
    return { ...side(name, process, wireUrls(parsePorts(value))), warmUpShare: warmUpShare(work) }
  }
  const more: Side[] = []
  const subject = await gateway(sideNames.gateway)
  if (others.inspecting === true) more.push(await gateway(sideNames.inspecting, 'policies'))
  if (others.relay === true) {
    const { process, value } = await bench.start(sideNames.relay, 'null-relay', [
      work.transport === 'tcp' ? url : webSocketUrl,
    ])
    more.push({ ...side(sideNames.relay, process, wireUrls(parsePorts(value))), warmUpShare: warmUpShare(work) })
  }
  const missing: Record<string, string> = {}
  try {
    const { process, ...urls } = await startGnatsdGw(bench, url)
    more.push(side(sideNames.reference, process, urls))
  } catch (error) {
    missing[sideNames.reference] = error instanceof Error ? error.message : String(error)
  }
  const reference = side(sideNames.server, broker, { tcp: url, ws: webSocketUrl })
  return { subject, reference, others: more, missing }
}

async function runLoad(
  load: NodeProcess,
  measured: BenchProcess,
  { load: command, size, framing = 'many' }: WireWork,
  { url, durationMs }: { readonly url: string; readonly durationMs: number },
): Promise<LoadResult> {
  const options: WireLoadOptions = { url, size, framing, durationMs }
  const before = command === 'idle' ? await measured.memoryBytes?.() : undefined
  const result = parseLoadResult(await load.call(command, options, durationMs + 60_000))
  const after = command === 'idle' ? await measured.memoryBytes?.() : undefined
  if (before === undefined || after === undefined) return result
  return { ...result, bytesEach: Math.max(0, after - before) / result.operations }
}

const sizes = { '16': 16, '128': 128, '1k': 1024, '64k': 65_536 } as const
type SizeName = keyof typeof sizes

/** A row for each size of a load that sends as fast as it is taken. */
export function floodRows(
  family: string,
  work: Omit<WireWork, 'size'>,
  {
    title,
    sizeNames = ['16', '128', '1k', '64k'],
  }: { readonly title: string; readonly sizeNames?: readonly SizeName[] },
): Row[] {
  return sizeNames.map((sizeName) => {
    const size = sizes[sizeName]
    const isTcp = work.transport === 'tcp'
    return {
      name: `${family}-${sizeName}`,
      title: `${title}, ${size} B: through the gateway against directly to nats-server`,
      cpuPer: 1_000_000,
      timeShare: wireTimeShare,
      gates: [...floodGates(work, size), { measure: 'errors', atMost: 0 }],
      start: (bench) => startWireSides(bench, { ...work, size }, { inspecting: isTcp, relay: isTcp }),
    }
  })
}

function floodGates({ load, transport }: Omit<WireWork, 'size'>, size: number): Gate[] {
  const against = sideNames.reference
  const of = sideNames.inspecting
  if (size > 1024) {
    // Taking off a mask of so much costs nats-server itself half of what it costs gnatsd-gw.
    const cpu: Gate = transport === 'ws' ? { measure: 'cpu', atMost: 1.2 } : { measure: 'cpu', against, atMost: 0.33 }
    return [{ measure: 'rate', against, atLeast: 1.6 }, cpu]
  }
  if (transport === 'ws') return [{ measure: 'rate', against, atLeast: 8 }]
  return [
    ...(load === 'publish' ? [publishGate(size)] : []),
    { measure: 'rate', against, atLeast: 10 },
    { measure: 'cpu', against, atMost: 0.1 },
    { measure: 'rate', of, against, atLeast: 5 },
    { measure: 'cpu', of, against, atMost: 0.2 },
  ]
}

// Of 1 KiB and more, copying bytes through Node alone takes more than half of what the server can.
function publishGate(size: number): Gate {
  if (size < 1024) return { measure: 'rate', atLeast: 0.5 }
  return { measure: 'rate', against: sideNames.relay, atLeast: 0.8 }
}
