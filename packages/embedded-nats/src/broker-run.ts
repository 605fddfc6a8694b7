// SPDX-License-Identifier: Apache-2.0
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { DataFolder } from './data-folder.ts'
import { LogTail } from './log-tail.ts'
import { NatsServerError } from './nats-server-error.ts'
import { readServerInfo } from './server-info.ts'
import { spawnWatched } from './watchdog.ts'
import type { ProcessExit, WatchedProcess } from './watchdog.ts'

/** The broker listens here and nowhere else. */
export const loopback = '127.0.0.1'

const pollMs = 10

/** Everything one start of a broker needs; the same plan starts it again after a crash. */
export interface BrokerPlan {
  readonly path: string
  /** 0 lets the system choose. */
  readonly port: number
  readonly jetstream: boolean
  readonly data: DataFolder
  /** A private folder for the configuration and the ports file. */
  readonly scratchDir: string
  /** Undefined: no WebSocket listener; 0 lets the system choose. */
  readonly websocketPort: number | undefined
  readonly config: string
  readonly startTimeoutMs: number
  readonly onLog: ((line: string) => void) | undefined
}

/** A broker that answers on its port. */
export interface BrokerRun {
  readonly pid: number
  readonly version: string
  readonly port: number
  readonly websocketPort: number | undefined
  readonly exited: Promise<ProcessExit>
  readonly log: () => readonly string[]
  kill(signal: NodeJS.Signals): boolean
  end(signal: 'SIGTERM' | 'SIGCONT' | 'SIGKILL'): boolean
}

/** Starts a broker and resolves once its INFO line was read; whatever goes wrong, no process is left behind. */
export function runBroker(plan: BrokerPlan, signal: AbortSignal): Promise<BrokerRun> {
  return plan.data.claim(signal, () => start(plan, signal))
}

async function start(plan: BrokerPlan, signal: AbortSignal): Promise<BrokerRun> {
  await removePortsFiles(plan.scratchDir)
  const configFile = await writeConfig(plan)
  const tail = new LogTail(plan.onLog)
  const broker = await spawnWatched({
    path: plan.path,
    args: brokerArguments(plan, configFile),
    scratchDir: plan.scratchDir,
    onOutput: (stream) => tail.read(stream),
  })
  try {
    await plan.data.record(broker.pid)
    const ready = await untilReady(plan, broker, tail, signal)
    return {
      pid: broker.pid,
      ...ready,
      exited: broker.exited,
      log: () => tail.lines,
      kill: broker.kill,
      end: broker.end,
    }
  } catch (error) {
    broker.end('SIGKILL')
    await broker.exited
    await plan.data.release(broker.pid)
    throw error
  }
}

type Ready = Pick<BrokerRun, 'version' | 'port' | 'websocketPort'>

async function untilReady(
  plan: BrokerPlan,
  broker: WatchedProcess,
  tail: LogTail,
  signal: AbortSignal,
): Promise<Ready> {
  const over = new AbortController()
  const deadline = AbortSignal.timeout(plan.startTimeoutMs)
  const polling = AbortSignal.any([over.signal, signal, deadline])
  try {
    return await Promise.race([
      pollReady(plan, polling),
      broker.exited.then((exit): never => {
        throw exitedTooEarly(plan, exit, tail.lines)
      }),
    ])
  } catch (error) {
    signal.throwIfAborted()
    if (!deadline.aborted) throw error
    const message = `nats-server did not answer on its port within ${plan.startTimeoutMs} ms; give it longer with startTimeoutMs`
    throw new NatsServerError('start_timeout', withLog(message, tail.lines), { log: tail.lines, cause: error })
  } finally {
    over.abort()
  }
}

async function pollReady(plan: BrokerPlan, signal: AbortSignal): Promise<Ready> {
  for (;;) {
    signal.throwIfAborted()
    const ports = await readPortsFile(plan.scratchDir)
    if (ports) {
      const info = await readServerInfo(loopback, ports.port, signal).catch(() => undefined)
      if (info) return { ...info, port: ports.port, websocketPort: ports.websocketPort }
    }
    await delay(pollMs, undefined, { signal })
  }
}

function exitedTooEarly(plan: BrokerPlan, exit: ProcessExit, log: readonly string[]): NatsServerError {
  const how = exit.signal ? `was ended by ${exit.signal}` : `exited with code ${exit.code}`
  const taken = log.some((line) => line.includes('address already in use'))
  const hint = taken ? `; port ${plan.port} is in use: choose another one, or 0 for any free one` : ''
  return new NatsServerError('start_failed', withLog(`nats-server ${how} before it was ready${hint}`, log), { log })
}

function withLog(message: string, log: readonly string[]): string {
  return log.length === 0 ? message : `${message}. Its last lines:\n${log.map((line) => `  ${line}`).join('\n')}`
}

// Flags win over the configuration file, so whatever the caller's text says the broker stays on loopback and in its folder.
function brokerArguments(plan: BrokerPlan, configFile: string | undefined): string[] {
  const args = ['-a', loopback, '-p', String(plan.port === 0 ? -1 : plan.port), '--ports_file_dir', plan.scratchDir]
  if (plan.jetstream) args.push('-js', '-sd', plan.data.path)
  if (configFile !== undefined) args.push('-c', configFile)
  return args
}

async function writeConfig(plan: BrokerPlan): Promise<string | undefined> {
  const parts: string[] = []
  if (plan.websocketPort !== undefined) {
    const port = plan.websocketPort === 0 ? -1 : plan.websocketPort
    parts.push(`websocket { host: "${loopback}", port: ${port}, no_tls: true }`)
  }
  if (plan.config !== '') parts.push(plan.config)
  if (parts.length === 0) return undefined
  const file = join(plan.scratchDir, 'nats-server.conf')
  // The text may hold passwords: readable by the owner alone.
  await writeFile(file, `${parts.join('\n')}\n`, { mode: 0o600 })
  return file
}

async function removePortsFiles(folder: string): Promise<void> {
  for (const name of await portsFiles(folder)) await rm(join(folder, name), { force: true })
}

async function portsFiles(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => basename(name).endsWith('.ports'))
}

/** The ports of the broker's ports file; undefined while it does not exist or is only half written. */
async function readPortsFile(folder: string): Promise<{ port: number; websocketPort: number | undefined } | undefined> {
  const [name] = await portsFiles(folder)
  if (name === undefined) return undefined
  return parsePortsFile(await readFile(join(folder, name), 'utf8'))
}

/** The listening ports in the text of a ports file; undefined when it is not complete. */
export function parsePortsFile(text: string): { port: number; websocketPort: number | undefined } | undefined {
  try {
    const ports: unknown = JSON.parse(text)
    if (typeof ports !== 'object' || ports === null) return undefined
    const port = portOf('nats' in ports ? ports.nats : undefined)
    return port === undefined
      ? undefined
      : { port, websocketPort: portOf('websocket' in ports ? ports.websocket : undefined) }
  } catch {
    return undefined
  }
}

function portOf(urls: unknown): number | undefined {
  const url: unknown = Array.isArray(urls) ? urls[0] : undefined
  const port = typeof url === 'string' ? /:(\d+)\/?$/.exec(url)?.[1] : undefined
  return port === undefined ? undefined : Number(port)
}
