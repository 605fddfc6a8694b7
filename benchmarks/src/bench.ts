// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BenchProcess } from './bench-process.ts'
import { type Broker, startBroker } from './broker.ts'
import { NodeProcess } from './node-process.ts'

export interface BenchOptions {
  /** Receives a line for each step that takes long. */
  readonly onStep: (line: string) => void
  /** Measured Node processes leave a .cpuprofile here when they end. */
  readonly profileDirectory?: string | undefined
}

/** The surroundings of one row: starts broker and processes, knows the CPU time of all, and stops them together. */
export class Bench {
  /** For configuration and output; removed by `close()`. */
  readonly directory: string
  readonly #options: BenchOptions
  readonly #processes: BenchProcess[] = []
  #broker: Promise<Broker> | undefined
  #natsServer: string | undefined
  #closed: Promise<void> | undefined

  static async open(options: BenchOptions): Promise<Bench> {
    return new Bench(await mkdtemp(join(tmpdir(), 'nats-edge-bench-')), options)
  }

  private constructor(directory: string, options: BenchOptions) {
    this.directory = directory
    this.#options = options
  }

  /** Everything started so far, in order. */
  get processes(): readonly BenchProcess[] {
    return this.#processes
  }

  /** Version of the nats-server; undefined while there is none. */
  get natsServer(): string | undefined {
    return this.#natsServer
  }

  /** The one nats-server of the row, started when first asked for. */
  broker(): Promise<Broker> {
    this.#broker ??= startBroker(this.#options.onStep).then((broker) => {
      this.#processes.push(broker)
      this.#natsServer = broker.version
      return broker
    })
    return this.#broker
  }

  /** Tells what takes long. */
  tell(line: string): void {
    this.#options.onStep(line)
  }

  /** Takes over a process that was started elsewhere. */
  add(process: BenchProcess): void {
    this.#processes.push(process)
  }

  /** Starts a built module; it may need a moment until it is ready. */
  startModule(
    name: string,
    module: string,
    args: readonly string[] = [],
    nodeFlags: readonly string[] = [],
  ): NodeProcess {
    if (this.#closed !== undefined) throw new Error('this run has ended')
    const { profileDirectory } = this.#options
    const outputFile = join(this.directory, `${name.replaceAll(/\W+/g, '-')}.log`)
    const started = new NodeProcess({ name, module, args, nodeFlags, outputFile, profileDirectory })
    this.#processes.push(started)
    return started
  }

  /** Starts `processes/<script>` and waits until it is ready; `value` is what it announced. */
  async start(
    name: string,
    script: string,
    args: readonly string[] = [],
    nodeFlags: readonly string[] = [],
  ): Promise<StartedScript> {
    const module = fileURLToPath(new URL(`./processes/${script}.js`, import.meta.url))
    const started = this.startModule(name, module, args, nodeFlags)
    return { process: started, value: await started.ready() }
  }

  /** Stops everything, the latest first; may be called any number of times. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    // A broker that is still starting has to be stopped as well; that it could not start was told to who asked for it.
    await this.#broker?.catch(() => {})
    for (const started of this.#processes.toReversed()) await started.stop()
    await rm(this.directory, { recursive: true, force: true })
  }
}

export interface StartedScript {
  readonly process: NodeProcess
  readonly value: unknown
}
