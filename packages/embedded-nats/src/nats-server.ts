// SPDX-License-Identifier: Apache-2.0
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { loopback, runBroker } from './broker-run.ts'
import type { BrokerPlan, BrokerRun } from './broker-run.ts'
import { findNatsServer } from './find-nats-server.ts'
import { NatsServerError } from './nats-server-error.ts'
import type { FindOptions } from './search.ts'
import type { ProcessExit } from './watchdog.ts'

const firstRetryMs = 250
const maxRetryMs = 10_000
/** A broker that ran this long was healthy: its next crash begins with the shortest wait again. */
const healthyAfterMs = 10_000

/** What happened to a broker that is kept running by `restart`. */
export type RestartEvent =
  | { readonly type: 'exited'; readonly exit: ProcessExit; readonly retryMs: number; readonly log: readonly string[] }
  | { readonly type: 'failed'; readonly error: unknown; readonly retryMs: number }
  | { readonly type: 'restarted'; readonly pid: number; readonly downMs: number }

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

/** A running broker. */
export interface NatsServer {
  /** Where clients connect, `nats://127.0.0.1:<port>`. */
  readonly url: string
  readonly port: number
  /** Where WebSocket clients connect; undefined unless option `websocket` was set. */
  readonly websocketUrl: string | undefined
  /** Process id of the broker, of the last one while it is being restarted. */
  readonly pid: number
  readonly version: string
  readonly dataDir: string
  /** Settles when the broker has ended and will not be started again; never rejects. */
  readonly exited: Promise<ProcessExit>
  /** Ends the broker: SIGTERM, then SIGKILL after `stopTimeoutMs`. May be called any number of times. */
  stop(): Promise<void>
  /** Sends a signal and nothing else; false when no broker is running. Default SIGKILL. */
  kill(signal?: NodeJS.Signals): boolean
  [Symbol.asyncDispose](): Promise<void>
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
    return new SupervisedServer(plan, run, options)
  } catch (error) {
    await rm(scratchDir, { recursive: true, force: true })
    throw error
  }
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
    dataDir,
    scratchDir,
    websocketPort: websocket === false ? undefined : websocket === true ? 0 : websocket.port,
    config: options.config ?? '',
    startTimeoutMs: options.startTimeoutMs ?? 20_000,
    onLog: options.onLog,
    onSpawn: async () => {},
  }
}

class SupervisedServer implements NatsServer {
  readonly url: string
  readonly port: number
  readonly websocketUrl: string | undefined
  readonly version: string
  readonly dataDir: string
  readonly exited: Promise<ProcessExit>
  readonly #plan: BrokerPlan
  readonly #stopTimeoutMs: number
  readonly #onRestart: ((event: RestartEvent) => void) | undefined
  readonly #stopping = new AbortController()
  #run: BrokerRun
  #running = true
  #stopped: Promise<void> | undefined

  constructor(plan: BrokerPlan, run: BrokerRun, options: StartOptions) {
    // A restarted broker must be found where the first one was.
    this.#plan = { ...plan, port: run.port, websocketPort: run.websocketPort }
    this.#run = run
    this.#stopTimeoutMs = options.stopTimeoutMs ?? 5000
    this.#onRestart = options.onRestart
    this.port = run.port
    this.url = `nats://${loopback}:${run.port}`
    this.websocketUrl = run.websocketPort === undefined ? undefined : `ws://${loopback}:${run.websocketPort}`
    this.version = run.version
    this.dataDir = plan.dataDir
    this.exited = this.#supervise(options.restart ?? false)
  }

  get pid(): number {
    return this.#run.pid
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): boolean {
    return this.#running && this.#run.kill(signal)
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #stop(): Promise<void> {
    this.#stopping.abort()
    this.kill('SIGTERM')
    // A stopped process does not see SIGTERM before it is continued.
    this.kill('SIGCONT')
    const force = setTimeout(() => this.kill('SIGKILL'), this.#stopTimeoutMs)
    await this.exited
    clearTimeout(force)
  }

  async #supervise(restart: boolean): Promise<ProcessExit> {
    let retryMs = firstRetryMs
    for (;;) {
      const startedAt = performance.now()
      const exit = await this.#run.exited
      this.#running = false
      const downAt = performance.now()
      if (downAt - startedAt >= healthyAfterMs) retryMs = firstRetryMs
      if (restart && !this.#stopping.signal.aborted) {
        this.#report({ type: 'exited', exit, retryMs, log: this.#run.log() })
        retryMs = await this.#startAgain(retryMs)
      }
      if (!this.#running) {
        await rm(this.#plan.scratchDir, { recursive: true, force: true }).catch(() => {})
        return exit
      }
      this.#report({ type: 'restarted', pid: this.pid, downMs: Math.round(performance.now() - downAt) })
    }
  }

  #report(event: RestartEvent): void {
    // On its own: a throwing listener must end up as an uncaught exception and not stop the supervision.
    queueMicrotask(() => this.#onRestart?.(event))
  }

  /** Tries until the broker runs or `stop()` was called; returns the wait before the next try after this one. */
  async #startAgain(firstMs: number): Promise<number> {
    const { signal } = this.#stopping
    for (let retryMs = firstMs; ;) {
      const nextMs = Math.min(retryMs * 2, maxRetryMs)
      try {
        await delay(retryMs, undefined, { signal })
        this.#run = await runBroker(this.#plan, signal)
        this.#running = true
        // stop() may have come after the broker answered: it then had nobody to send its signal to.
        if (signal.aborted) this.kill('SIGTERM')
        return nextMs
      } catch (error) {
        if (signal.aborted) return nextMs
        this.#report({ type: 'failed', error, retryMs: nextMs })
        retryMs = nextMs
      }
    }
  }
}
