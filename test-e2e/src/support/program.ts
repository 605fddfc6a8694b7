// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { vi } from 'vitest'

export interface Patience {
  readonly timeout: number
  readonly interval: number
}

/** How long a test waits for what must come, and how often it looks. */
export const patience: Patience = { timeout: 10_000, interval: 10 }

export const repositoryFolder: string = fileURLToPath(new URL('../../../', import.meta.url))

/** A program under test as a process of its own: what it printed, how it ended. */
export class Program {
  readonly process: ChildProcess
  output = ''
  exitCode: number | null | undefined
  readonly exited: Promise<number | null>

  constructor(command: string, args: readonly string[], options: { env?: NodeJS.ProcessEnv; cwd?: string } = {}) {
    this.process = spawn(command, args, {
      cwd: options.cwd ?? repositoryFolder,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.output += text))
    }
    // By then all it has printed has been read.
    this.exited = new Promise((resolve) =>
      this.process.once('close', (code) => {
        this.exitCode = code
        resolve(code)
      }),
    )
  }

  get pid(): number {
    const { pid } = this.process
    if (pid === undefined) throw new Error('the program did not start')
    return pid
  }

  /** The first group of `pattern`, once the program has printed it. */
  async printed(pattern: RegExp): Promise<string> {
    const found = (): string | undefined => pattern.exec(this.output)?.[1]
    await vi.waitUntil(() => found() !== undefined || this.exitCode !== undefined, patience).catch(() => {})
    return found() ?? fail(`the program did not print ${pattern} (exit code ${this.exitCode}):\n${this.output}`)
  }

  /** Ends the program if a test left it running. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.exitCode === undefined) this.process.kill('SIGKILL')
    await this.exited
  }
}

export function edgeProgram(args: readonly string[], env?: NodeJS.ProcessEnv): Program {
  return new Program(process.execPath, ['apps/edge/dist/main.js', ...args], env === undefined ? {} : { env })
}

/** Resident memory of a process in bytes (Linux). */
export function residentBytes(pid: number): number {
  const pages = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]
  return Number(pages) * 4096
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function fail(message: string): never {
  throw new Error(message)
}
