// SPDX-License-Identifier: Apache-2.0
import type { BenchProcess } from './bench-process.ts'
import type { Bench } from './bench.ts'
import { startGoProgram } from './go-program.ts'
import { type LoadResult, parseLoadResult } from './load-result.ts'
import { parsePort } from './port.ts'
import type { Gate, Row, Side, Sides } from './row.ts'
import type { WsLoadCommand } from './ws-load-command.ts'
import { benchPath, type ServerTask, type ServerWork } from './ws-server-work.ts'

/** Names of the sides, for gates. */
export const wsSides = { ours: 'nats-edge', plain: 'plain ws', go: 'wasabi' } as const

/** Rows are many, and a rate shows soon once code is warm. */
export const wsTimes: Pick<Row, 'timeShare'> = { timeShare: 1 / 3 }

/** Most of what a small message costs is the kernel's, and that varies by more than the sides differ. */
export const quickTurns: Pick<Row, 'turnMs'> = { turnMs: 250 }

/** What is echoed: 32 bytes that every codec understands. */
export const echoMessage = '{"type":"echo","data":"aaaaaaa"}'

export const noErrors: Gate = { measure: 'errors', atMost: 0 }

/** What is put on one server, and what the server does with it. */
export interface WsWork {
  readonly task: ServerTask
  /** How our side gets its upgrades. Default `mount`. */
  readonly binding?: ServerWork['binding']
  /** What our side understands of messages. Default `raw`. */
  readonly codec?: ServerWork['codec']
  /** Opened before the first round, and kept. */
  readonly connections: number
  /** How long each message of the server is. Default any length. */
  readonly messageBytes?: number
  /** How often every connection is pinged. Default what each server does by itself. */
  readonly heartbeatMs?: number
  /** Options of Node for the servers in it. */
  readonly nodeFlags?: readonly string[]
  /** The load of one round. */
  readonly load: (durationMs: number) => WsLoadCommand
}

interface StartedServer {
  readonly process: BenchProcess
  readonly value: unknown
}

const host = '127.0.0.1'

/** The same load on our stack and on plain `ws`, and on the Go reference where it can be had. */
export async function startWsSides(bench: Bench, work: WsWork): Promise<Sides> {
  const subject = await startWsSide(bench, wsSides.ours, work)
  const plain = await bench.start(wsSides.plain, 'plain-ws-server', [serverArgument(work)], work.nodeFlags)
  const reference = await startSide(bench, plain, work)
  try {
    const go = await startGoProgram(bench, wsSides.go, [JSON.stringify(work.task)])
    return { subject, reference, others: [await startSide(bench, go, work)] }
  } catch (error) {
    return { subject, reference, missing: { [wsSides.go]: error instanceof Error ? error.message : String(error) } }
  }
}

/** One server alone, under a name of the row's. Default our stack. */
export async function startWsSide(bench: Bench, name: string, work: WsWork): Promise<Side> {
  return startSide(bench, await bench.start(name, 'ws-gateway-server', [serverArgument(work)], work.nodeFlags), work)
}

function serverArgument({ task, binding = 'mount', codec = 'raw', heartbeatMs }: WsWork): string {
  return JSON.stringify({ task, binding, codec, heartbeatMs } satisfies ServerWork)
}

/** Gives a server a load of its own: its connections stay open while the others are measured. */
async function startSide(bench: Bench, server: StartedServer, work: WsWork): Promise<Side> {
  const measured = server.process
  const { name } = measured
  const { connections, messageBytes, load } = work
  const target = { host, port: parsePort(server.value), path: benchPath, messageBytes }
  const { process } = await bench.start(`load on ${name}`, 'ws-load', [JSON.stringify(target)])
  const send = async (command: WsLoadCommand, waitMs: number): Promise<LoadResult> =>
    parseLoadResult(await process.call('load', command, waitMs + 60_000))
  if (connections > 0) {
    const { errors } = await send({ kind: 'grow', count: connections }, 0)
    if (Object.keys(errors).length > 0) throw new Error(`${name} was not reached: ${JSON.stringify(errors)}`)
  }
  return {
    name,
    measured,
    run: async (durationMs) => {
      const command = load(durationMs)
      const run = (): Promise<LoadResult> => send(command, durationMs)
      if (command.kind === 'grow') return withGrowth(measured, run)
      if (command.kind === 'rest') return withMemory(measured, connections, run)
      return command.kind === 'reconnect' ? withLag(measured, run) : run()
    },
  }
}

type Run = () => Promise<LoadResult>

/** Adds what each operation made the server hold. */
async function withGrowth(measured: BenchProcess, run: Run): Promise<LoadResult> {
  const before = await measured.memoryBytes?.()
  const result = await run()
  const after = await measured.memoryBytes?.()
  if (before === undefined || after === undefined) return result
  return { ...result, bytesEach: Math.max(0, after - before) / result.operations }
}

/** Adds all that the server holds, for each connection. */
async function withMemory(measured: BenchProcess, connections: number, run: Run): Promise<LoadResult> {
  const result = await run()
  const bytes = await measured.memoryBytes?.()
  return bytes === undefined ? result : { ...result, bytesEach: bytes / connections }
}

/** Adds how late the event loop of the server was meanwhile. */
async function withLag(measured: BenchProcess, run: Run): Promise<LoadResult> {
  await measured.loopLagMs?.()
  const result = await run()
  const lagMs = await measured.loopLagMs?.()
  return lagMs === undefined ? result : { ...result, lagMs }
}
