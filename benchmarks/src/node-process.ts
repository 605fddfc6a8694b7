// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { BenchProcess } from './bench-process.ts'
import { parseAnswer } from './command-channel.ts'

export interface NodeProcessOptions {
  readonly name: string
  /** The module to run; it is built JavaScript. */
  readonly module: string
  readonly args?: readonly string[]
  /** Options of Node itself. */
  readonly nodeFlags?: readonly string[]
  /** Receives everything the process prints. */
  readonly outputFile: string
  /** A folder that receives a .cpuprofile when the process ends. */
  readonly profileDirectory?: string | undefined
}

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

const readyId = 0
const commandMs = 30_000
const stopMs = 10_000

/** A Node program run as a child: it reports its own CPU time and takes commands over IPC. */
export class NodeProcess implements BenchProcess {
  readonly name: string
  readonly #child: ChildProcess
  readonly #outputFile: string
  readonly #waiting = new Map<number, Waiting>()
  readonly #ready: Promise<unknown>
  #lastId = readyId
  #ended = false

  constructor(options: NodeProcessOptions) {
    this.name = options.name
    this.#outputFile = options.outputFile
    this.#child = forkProbed(options)
    this.#ready = new Promise((resolve, reject) => this.#waiting.set(readyId, { resolve, reject }))
    // Whoever waits for it gets the failure; a program of somebody else's never says that it is ready.
    this.#ready.catch(() => {})
    this.#child.on('message', (message) => this.#take(message))
    this.#child.once('error', (error) => this.#end(error.message))
    this.#child.once('exit', (code, signal) => this.#end(`ended with ${signal ?? `code ${code}`}`))
  }

  /** What the program announced when it was ready; rejects with its last output if it ends before. */
  ready(): Promise<unknown> {
    return withDeadline(this.#ready, commandMs, () => this.#failure('was not ready in time'))
  }

  /** Rejects when the command fails, when the process ends, or after `timeoutMs`. */
  call(command: string, params?: unknown, timeoutMs: number = commandMs): Promise<unknown> {
    const id = ++this.#lastId
    const answered = new Promise<unknown>((resolve, reject) => {
      if (this.#ended) reject(new Error(`${this.name} is not running`))
      else this.#waiting.set(id, { resolve, reject })
      if (!this.#ended) this.#child.send({ id, command, params })
    })
    return withDeadline(answered, timeoutMs, () => this.#failure(`did not answer "${command}" in time`))
  }

  async cpuSeconds(): Promise<number> {
    const seconds = await this.call('cpu')
    if (typeof seconds !== 'number') throw new TypeError(`${this.name} did not report its CPU time`)
    return seconds
  }

  async memoryBytes(): Promise<number> {
    const bytes = await this.call('memory')
    if (typeof bytes !== 'number') throw new TypeError(`${this.name} did not report its memory`)
    return bytes
  }

  async loopLagMs(): Promise<number> {
    const p99Ms = await this.call('lag')
    if (typeof p99Ms !== 'number') throw new TypeError(`${this.name} did not report its event loop`)
    return p99Ms
  }

  /** SIGTERM, then SIGKILL; resolves once the process has ended. */
  async stop(): Promise<void> {
    if (this.#ended) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    const kill = setTimeout(() => this.#child.kill('SIGKILL'), stopMs)
    await exited
    clearTimeout(kill)
  }

  #take(message: unknown): void {
    const answer = parseAnswer(message)
    if (answer === undefined) return
    const id = answer.type === 'ready' ? readyId : answer.id
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (answer.type === 'failure') waiting?.reject(new Error(`${this.name}: ${answer.text}`))
    else waiting?.resolve(answer.value)
  }

  #end(how: string): void {
    this.#ended = true
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    if (waiting.length === 0) return
    void this.#failure(how).then((error) => {
      for (const { reject } of waiting) reject(error)
    })
  }

  async #failure(what: string): Promise<Error> {
    const output = await readFile(this.#outputFile, 'utf8').catch(() => '')
    const lines = output.trimEnd().split('\n').slice(-20).join('\n')
    return new Error(`${this.name} ${what}${lines === '' ? '' : `; its last output:\n${lines}`}`)
  }
}

function forkProbed(options: NodeProcessOptions): ChildProcess {
  const execArgv = [...(options.nodeFlags ?? []), '--import', new URL('./usage-probe.js', import.meta.url).href]
  if (options.profileDirectory !== undefined) {
    execArgv.push(
      '--cpu-prof',
      `--cpu-prof-dir=${options.profileDirectory}`,
      `--cpu-prof-name=${options.name}.cpuprofile`,
    )
  }
  const output = openSync(options.outputFile, 'a')
  try {
    return fork(options.module, options.args, {
      execArgv,
      env: plainEnvironment(process.env),
      serialization: 'advanced',
      stdio: ['ignore', output, output, 'ipc'],
    })
  } finally {
    closeSync(output)
  }
}

/** The environment without what would change how the program runs: its own settings and Node's options. */
function plainEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(environment).filter(([name]) => name !== 'NODE_OPTIONS' && !name.startsWith('NATS_EDGE_'))
  return Object.fromEntries(kept)
}

async function withDeadline(work: Promise<unknown>, ms: number, late: () => Promise<Error>): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => void late().then(reject), ms).unref()
  })
  try {
    return await Promise.race([work, expired])
  } finally {
    clearTimeout(timer)
  }
}
