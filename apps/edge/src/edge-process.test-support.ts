// SPDX-License-Identifier: Apache-2.0
import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { rmSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { newestServer, scratchFolder, until } from './edge.test-support.ts'

/** The built program; the global setup of the tests has built it. */
export const mainFile: string = fileURLToPath(new URL('../dist/main.js', import.meta.url))

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Leaves standard error unread. */
  readonly deaf?: boolean
  /** The broker an embedded one is made of. Default: the newest. */
  readonly server?: { readonly path: string }
}

/** A running `nats-edge` process and what it printed. */
export class EdgeProcess {
  readonly child: ChildProcess
  readonly folder: string
  readonly exited: Promise<number | NodeJS.Signals>
  out = ''
  err = ''
  hasExited = false

  constructor(args: readonly string[], options: RunOptions = {}) {
    this.folder = scratchFolder()
    const inherited = Object.entries(process.env).filter(([name]) => !/^(NATS_|npm_|NODE_OPTIONS|VITEST)/.test(name))
    const env = { NATS_SERVER_BIN: (options.server ?? newestServer()).path, HOME: this.folder, ...options.env }
    this.child = spawn(process.execPath, [mainFile, ...args], {
      cwd: this.folder,
      env: { ...Object.fromEntries(inherited), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.out += text
    })
    if (options.deaf !== true) {
      this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        this.err += text
      })
    }
    this.exited = new Promise((resolve) => {
      // By then all it has printed has been read, if anybody reads it.
      this.child.once(options.deaf === true ? 'exit' : 'close', (code, signal) => {
        this.hasExited = true
        resolve(code ?? signal ?? 0)
      })
    })
  }

  /** Resolves with the match once the pattern is found in what was printed. */
  async printed(pattern: RegExp, timeoutMs = 20_000): Promise<RegExpExecArray> {
    return until(
      `printed ${String(pattern)}; it printed:\n${this.out}${this.err}`,
      () => pattern.exec(this.out + this.err) ?? (this.hasExited ? fail(this.out + this.err) : undefined),
      timeoutMs,
    )
  }

  kill(signal: NodeJS.Signals): this {
    this.child.kill(signal)
    return this
  }

  /** Ends what is left, whatever state it is in. */
  async dispose(): Promise<void> {
    if (!this.hasExited) this.child.kill('SIGKILL')
    await this.exited
    // The broker's watchdog may still be at work in the folder.
    for (let attempt = 0; attempt < 100; attempt++) {
      try {
        rmSync(this.folder, { recursive: true, force: true })
        return
      } catch {
        await delay(20)
      }
    }
  }
}

function fail(text: string): never {
  throw new Error(`the process has ended; it printed:\n${text}`)
}

/** Tells whether a process is there and is no zombie that merely waits to be collected. */
export async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  const { stdout } = await promisify(execFile)('ps', ['-o', 'stat=', '-p', String(pid)]).catch(() => ({ stdout: '' }))
  return stdout.trim() !== '' && !stdout.trim().startsWith('Z')
}
