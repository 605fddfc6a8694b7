// SPDX-License-Identifier: Apache-2.0
import { findNatsServer, natsServerFloor, startNatsServer } from '@nats-edge/embedded-nats'
import type { FindStep, NatsServer, RestartEvent } from '@nats-edge/embedded-nats'
import type { EmbeddedConfig } from './config.ts'
import type { Logger } from './log.ts'

export interface BrokerOptions {
  readonly config: EmbeddedConfig
  readonly log: Logger
  /** Hears each step of finding and starting the broker. */
  readonly onStep: (text: string) => void
  readonly signal: AbortSignal
}

/** The embedded nats-server: found or installed, started, and started again when it ends by itself. */
export class Broker {
  readonly #options: BrokerOptions
  #server: NatsServer | undefined
  restarts = 0
  isUp = false

  constructor(options: BrokerOptions) {
    this.#options = options
  }

  /** Resolves with the URL to connect to; rejects with a NatsServerError that says what a person can do. */
  async start(): Promise<string> {
    const { config, log, signal, onStep } = this.#options
    const onProgress = (step: FindStep): void => onStep(step.text)
    const { version, install } = config
    const binary = await findNatsServer({ version, preferred: natsServerFloor, install, onProgress, signal })
    const server = await startNatsServer({
      binary,
      port: config.port,
      dataDir: config.dataDir,
      restart: true,
      onLog: (line) => log.debug({ line }, 'nats-server'),
      onRestart: (event) => this.#report(event),
      signal,
    })
    this.#server = server
    this.isUp = true
    onStep(`nats-server ${server.version} listens on ${server.url} (pid ${server.pid}), data in ${server.dataDir}`)
    return server.url
  }

  /** The broker's process, while there is one. */
  get pid(): number | undefined {
    return this.#server?.pid
  }

  get version(): string | undefined {
    return this.#server?.version
  }

  async stop(): Promise<void> {
    this.isUp = false
    await this.#server?.stop()
  }

  #report(event: RestartEvent): void {
    const { log } = this.#options
    this.isUp = event.type === 'restarted'
    switch (event.type) {
      case 'exited':
        return log.error({ exit: event.exit, retryMs: event.retryMs, last: event.log.slice(-5) }, 'nats-server ended')
      case 'failed':
        return log.error({ err: event.error, retryMs: event.retryMs }, 'nats-server did not start')
      case 'restarted':
        this.restarts++
        return log.info({ pid: event.pid, downMs: event.downMs }, 'nats-server runs again')
    }
  }
}
