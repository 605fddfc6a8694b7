// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { repositoryFolder } from '../../support/program.ts'
import type { Addresses } from '../client-rig.ts'

/** What a gateway holds at a moment, counted by itself and by its process. */
export interface GatewayProcessState {
  readonly held: Readonly<Record<string, number>>
  readonly heapBytes: number
  readonly residentBytes: number
  readonly bufferBytes: number
  readonly closed: Readonly<Record<string, number>>
  readonly dialsFailed: number
}

type Told = { readonly state: GatewayProcessState } | { readonly ports: { readonly tcp: number; readonly ws: number } }

export interface ProcessOptions {
  /** How many files and sockets the process may open. */
  readonly maxDescriptors?: number
  /** Another program that answers as this one does. */
  readonly program?: URL
}

const wireProgram = new URL('gateway-program.js', import.meta.url)

/** A gateway in a process of its own, whose options are plain data. */
export class GatewayProcess {
  readonly addresses: Addresses
  readonly #process: ChildProcess
  readonly #output: () => string

  private constructor(child: ChildProcess, addresses: Addresses, output: () => string) {
    this.#process = child
    this.addresses = addresses
    this.#output = output
  }

  static async start(
    options: object,
    { maxDescriptors, program = wireProgram }: ProcessOptions = {},
  ): Promise<GatewayProcess> {
    const programFile = fileURLToPath(program)
    const limit = maxDescriptors === undefined ? '' : `ulimit -n ${maxDescriptors}; `
    const command = `${limit}exec "$0" --expose-gc "$@"`
    const child = spawn('sh', ['-c', command, process.execPath, programFile, JSON.stringify(options)], {
      cwd: repositoryFolder,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (output += text))
    }
    const ports = await Promise.race([
      told(child, 'ports', () => output),
      once(child, 'exit').then(() => Promise.reject(new Error(`the gateway did not start:\n${output}`))),
    ])
    const addresses = { tcp: `nats://127.0.0.1:${ports.tcp}`, ws: `ws://127.0.0.1:${ports.ws}/nats` }
    return new GatewayProcess(child, addresses, () => output)
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** After a collection of garbage. Rejects if the process has ended. */
  state(): Promise<GatewayProcessState> {
    if (this.#process.exitCode !== null) throw new Error(`the gateway has ended:\n${this.#output()}`)
    const state = told(this.#process, 'state', this.#output)
    this.#process.send('state')
    return state
  }

  /** The state once it holds what `holds` asks for, or the last one after `withinMs`. */
  async settled(holds: (state: GatewayProcessState) => boolean, withinMs = 15_000): Promise<GatewayProcessState> {
    for (const end = performance.now() + withinMs; ;) {
      const state = await this.state()
      if (holds(state) || performance.now() > end) return state
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  /** Closes the gateway; whatever it leaves open would keep its process from ending. */
  async end(): Promise<number | null> {
    if (this.#process.exitCode !== null) return this.#process.exitCode
    const exit = once(this.#process, 'exit')
    if (this.#process.connected) this.#process.send('end')
    const force = setTimeout(() => this.#process.kill('SIGKILL'), 10_000)
    const [code] = (await exit) as [number | null]
    clearTimeout(force)
    return code
  }
}

function told<Kind extends 'state' | 'ports'>(
  child: ChildProcess,
  kind: Kind,
  output: () => string,
): Promise<Extract<Told, Record<Kind, unknown>>[Kind]> {
  type Message = Extract<Told, Record<Kind, unknown>>
  return new Promise((resolve, reject) => {
    const take = (message: unknown): void => {
      if (typeof message !== 'object' || message === null || !(kind in message)) return
      child.off('message', take).off('exit', gone)
      resolve((message as Message)[kind])
    }
    const gone = (code: unknown, signal: unknown): void =>
      reject(new Error(`the gateway has ended with ${String(signal ?? code)}:\n${output()}`))
    child.on('message', take).once('exit', gone)
  })
}
