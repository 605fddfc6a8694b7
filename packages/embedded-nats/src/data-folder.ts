// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { isAlive, withLock } from './lock-file.ts'
import { NatsServerError } from './nats-server-error.ts'

const pollMs = 25
/** The watchdog of a parent that was killed needs less than a second. */
const orphanMs = 2000

/**
 * A folder only one broker may use at a time: JetStream itself does not notice a second one. A broker whose parent was killed
 * a moment ago is waited for.
 */
export class DataFolder {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  /** Runs a start of a broker while no other broker uses the folder and no other start is under way. */
  async claim<Result>(signal: AbortSignal, start: () => Promise<Result>): Promise<Result> {
    return withLock(join(this.path, 'nats-edge.lock'), { signal, pollMs }, async () => {
      await this.#untilFree(signal)
      return start()
    })
  }

  /** Writes down which process uses the folder. */
  async record(pid: number): Promise<void> {
    await writeFile(this.#pidFile, `${pid}\n`)
  }

  /** Says that this process uses the folder no more. */
  async release(pid: number): Promise<void> {
    if ((await this.#recorded()) === pid) await rm(this.#pidFile, { force: true })
  }

  get #pidFile(): string {
    return join(this.path, 'nats-edge.pid')
  }

  async #untilFree(signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + orphanMs
    for (;;) {
      const pid = await this.#recorded()
      if (pid === undefined || !(await this.#isUsedBy(pid))) return
      if (performance.now() > deadline) {
        const message = `${this.path} is in use by the nats-server with process id ${pid}: end it, or use another dataDir`
        throw new NatsServerError('data_dir_in_use', message)
      }
      await delay(pollMs, undefined, { signal })
    }
  }

  async #recorded(): Promise<number | undefined> {
    const text = await readFile(this.#pidFile, 'utf8').catch(() => '')
    return /^\d+$/.test(text.trim()) ? Number(text) : undefined
  }

  // After a reboot the recorded id may be any other process; a broker of ours has the folder in its arguments.
  async #isUsedBy(pid: number): Promise<boolean> {
    return isAlive(pid) && (await commandLine(pid)).includes(this.path)
  }
}

const run = promisify(execFile)

/** The arguments of a process as one text; empty when there is none. */
async function commandLine(pid: number): Promise<string> {
  try {
    if (process.platform === 'linux') return await readFile(`/proc/${pid}/cmdline`, 'utf8')
    return (await run('ps', ['-ww', '-o', 'command=', '-p', String(pid)])).stdout
  } catch {
    return ''
  }
}
