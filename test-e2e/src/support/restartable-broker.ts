// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type NatsServer, startNatsServer, type StartOptions, steadyPort } from '@nats-edge/embedded-nats'

/** A broker that comes back at once, with the same ports and data, however it ended. */
export class RestartableBroker {
  readonly url: string
  readonly websocketUrl: string | undefined
  readonly #options: StartOptions
  readonly #dataDir: string
  #server: NatsServer

  private constructor(options: StartOptions, dataDir: string, server: NatsServer) {
    this.#options = options
    this.#dataDir = dataDir
    this.#server = server
    this.url = server.url
    this.websocketUrl = server.websocketUrl
  }

  static async start(options: StartOptions): Promise<RestartableBroker> {
    const dataDir = await mkdtemp(join(tmpdir(), 'nats-edge-restarts-'))
    // Nobody may take its place while it is away.
    const port = await steadyPort()
    const websocket = options.websocket === true ? { port: await steadyPort() } : (options.websocket ?? false)
    return new RestartableBroker(options, dataDir, await startNatsServer({ ...options, dataDir, port, websocket }))
  }

  /** Resolves when it answers again, after it was away for so long. */
  async restart(how: 'killed' | 'stopped', downMs = 0): Promise<void> {
    if (how === 'killed') {
      this.#server.kill('SIGKILL')
      await this.#server.exited
    }
    await this.#server.stop()
    await delay(downMs)
    const { websocketUrl } = this
    const websocket = websocketUrl === undefined ? false : { port: Number(new URL(websocketUrl).port) }
    const port = Number(new URL(this.url).port)
    this.#server = await startNatsServer({ ...this.#options, dataDir: this.#dataDir, port, websocket })
  }

  /** Lets it do nothing for so long, its connections open. */
  async freeze(ms: number): Promise<void> {
    this.#server.kill('SIGSTOP')
    await delay(ms)
    this.#server.kill('SIGCONT')
  }

  async stop(): Promise<void> {
    await this.#server.stop()
    await rm(this.#dataDir, { recursive: true, force: true })
  }
}
