// SPDX-License-Identifier: Apache-2.0
import { rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { loopback, runBroker } from './broker-run.ts'
import type { BrokerPlan, BrokerRun } from './broker-run.ts'
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

/** What becomes of a broker after its start. */
export interface SuperviseOptions {
  readonly restart: boolean
  readonly stopTimeoutMs: number
  readonly onRestart: ((event: RestartEvent) => void) | undefined
}

/** A broker that is started again when it ends and was not asked to, and stopped in order. */
export class SupervisedServer implements NatsServer {
  readonly url: string
  readonly port: number
  readonly websocketUrl: string | undefined
  readonly version: string
  readonly dataDir: string
  readonly exited: Promise<ProcessExit>
  readonly #plan: BrokerPlan
  readonly #options: SuperviseOptions
  readonly #stopping = new AbortController()
  #run: BrokerRun
  #running = true
  #stopped: Promise<void> | undefined

  constructor(plan: BrokerPlan, run: BrokerRun, options: SuperviseOptions) {
    // A restarted broker must be found where the first one was.
    this.#plan = { ...plan, port: run.port, websocketPort: run.websocketPort }
    this.#run = run
    this.#options = options
    this.port = run.port
    this.url = `nats://${loopback}:${run.port}`
    this.websocketUrl = run.websocketPort === undefined ? undefined : `ws://${loopback}:${run.websocketPort}`
    this.version = run.version
    this.dataDir = plan.data.path
    this.exited = this.#supervise()
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
    this.#run.end('SIGTERM')
    // A stopped process does not see SIGTERM before it is continued.
    this.#run.end('SIGCONT')
    const force = setTimeout(() => this.#run.end('SIGKILL'), this.#options.stopTimeoutMs)
    await this.exited
    clearTimeout(force)
  }

  async #supervise(): Promise<ProcessExit> {
    let retryMs = firstRetryMs
    for (;;) {
      const startedAt = performance.now()
      const exit = await this.#run.exited
      this.#running = false
      const downAt = performance.now()
      if (downAt - startedAt >= healthyAfterMs) retryMs = firstRetryMs
      if (this.#options.restart && !this.#stopping.signal.aborted) {
        this.#report({ type: 'exited', exit, retryMs, log: this.#run.log() })
        retryMs = await this.#startAgain(retryMs)
      }
      if (!this.#running) {
        await this.#tidy()
        return exit
      }
      this.#report({ type: 'restarted', pid: this.pid, downMs: Math.round(performance.now() - downAt) })
    }
  }

  #report(event: RestartEvent): void {
    // On its own: a throwing listener must end up as an uncaught exception and not stop the supervision.
    queueMicrotask(() => this.#options.onRestart?.(event))
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
        if (signal.aborted) this.#run.end('SIGTERM')
        return nextMs
      } catch (error) {
        if (signal.aborted) return nextMs
        this.#report({ type: 'failed', error, retryMs: nextMs })
        retryMs = nextMs
      }
    }
  }

  async #tidy(): Promise<void> {
    // What cannot be removed is left to the system's own cleaning of temporary folders.
    await this.#plan.data.release(this.pid).catch(() => {})
    await rm(this.#plan.scratchDir, { recursive: true, force: true }).catch(() => {})
  }
}
