// SPDX-License-Identifier: Apache-2.0
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { runBroker } from './broker-run.ts'
import type { BrokerPlan } from './broker-run.ts'
import { DataFolder } from './data-folder.ts'
import { findNatsServer } from './find-nats-server.ts'
import { NatsServerError } from './nats-server-error.ts'
import type { FindOptions } from './search.ts'
import { SupervisedServer } from './supervised-server.ts'
import type { NatsServer, RestartEvent } from './supervised-server.ts'

/** How a broker is started; nothing is required. */
export interface StartOptions extends FindOptions {
  /** The nats-server to run. Default: what `findNatsServer()` finds or installs with the same options. */
  readonly binary?: { readonly path: string; readonly version: string }
  /** TCP port on loopback. Default 0: any free one. */
  readonly port?: number
  /** Whether JetStream is on. Default true: the edge needs it. */
  readonly jetstream?: boolean
  /** Where JetStream keeps its data; made when missing. Default a temporary folder, removed when the broker has ended. */
  readonly dataDir?: string
  /** Opens a WebSocket listener on loopback, without TLS. Default false: nobody asked for it. */
  readonly websocket?: boolean | { readonly port: number }
  /** More server configuration in nats-server's own syntax, kept in a file only the owner can read. Default none. */
  readonly config?: string
  /** Starts the broker again on the same port and data after an exit nobody asked for. Default false: tests want to see it. */
  readonly restart?: boolean
  /** Gets every line the broker logs. */
  readonly onLog?: (line: string) => void
  /** Gets what `restart` does. */
  readonly onRestart?: (event: RestartEvent) => void
  /** Longest wait for the broker to answer on its port. Default 20000: recovering a large data folder takes a while. */
  readonly startTimeoutMs?: number
  /** Longest wait after SIGTERM before SIGKILL. Default 5000: nats-server needs milliseconds. */
  readonly stopTimeoutMs?: number
  /** Ends the search and the start; a broker that runs is ended by `stop()`. */
  readonly signal?: AbortSignal
}

/** Starts nats-server on loopback and resolves once it answers; it never outlives this process. */
export async function startNatsServer(options: StartOptions = {}): Promise<NatsServer> {
  checkOptions(options)
  if (process.platform === 'win32') {
    throw new NatsServerError(
      'unsupported_platform',
      'the watchdog needs a POSIX system: on Windows, run nats-server yourself and connect to it',
    )
  }
  const binary = options.binary ?? (await findNatsServer(options))
  const scratchDir = await mkdtemp(join(tmpdir(), 'nats-edge-'))
  try {
    const plan = await brokerPlan(options, binary.path, scratchDir)
    const run = await runBroker(plan, options.signal ?? new AbortController().signal)
    return new SupervisedServer(plan, run, {
      restart: options.restart ?? false,
      stopTimeoutMs: options.stopTimeoutMs ?? 5000,
      onRestart: options.onRestart,
    })
  } catch (error) {
    await rm(scratchDir, { recursive: true, force: true })
    options.signal?.throwIfAborted()
    throw startError(error)
  }
}

/** A data folder that cannot be made, a process that cannot be started: what the system says, as an error of this package. */
function startError(error: unknown): NatsServerError {
  if (error instanceof NatsServerError) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new NatsServerError('start_failed', `nats-server could not be started: ${reason}`, { cause: error })
}

function checkOptions(options: StartOptions): void {
  checkPort('port', options.port)
  if (typeof options.websocket === 'object') checkPort('websocket.port', options.websocket.port)
  checkTimeout('startTimeoutMs', options.startTimeoutMs)
  checkTimeout('stopTimeoutMs', options.stopTimeoutMs)
}

function checkPort(name: string, value: number | undefined): void {
  if (value === undefined || (Number.isInteger(value) && value >= 0 && value <= 65_535)) return
  throw new RangeError(`${name} must be a port number from 0 to 65535, not ${value}`)
}

function checkTimeout(name: string, value: number | undefined): void {
  if (value === undefined || (Number.isInteger(value) && value > 0 && value < 2 ** 31)) return
  throw new RangeError(`${name} must be a whole number of milliseconds above 0, not ${value}`)
}

async function brokerPlan(options: StartOptions, path: string, scratchDir: string): Promise<BrokerPlan> {
  const dataDir = options.dataDir === undefined ? join(scratchDir, 'data') : resolve(options.dataDir)
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const { websocket = false } = options
  return {
    path,
    port: options.port ?? 0,
    jetstream: options.jetstream ?? true,
    data: new DataFolder(dataDir),
    scratchDir,
    websocketPort: websocket === false ? undefined : websocket === true ? 0 : websocket.port,
    config: options.config ?? '',
    startTimeoutMs: options.startTimeoutMs ?? 20_000,
    onLog: options.onLog,
  }
}
