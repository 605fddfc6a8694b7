// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { LogTail } from './log-tail.ts'
import type { Environment } from './machine.ts'

/** What to run, and for how long at most. */
export interface Command {
  readonly path: string
  readonly args: readonly string[]
  readonly env: Environment
  readonly cwd?: string
  readonly timeoutMs: number
  /** Longest wait for the first line of output. Default: as long as the whole command. */
  readonly silentMs?: number
  readonly onLine?: (line: string) => void
  /** Ends it as Ctrl-C would and by force only later: a package manager must not be cut off in the middle of a package. */
  readonly gentle?: boolean
  readonly signal: AbortSignal
}

/** How a command ended and what it wrote to both outputs; the beginning is dropped when it wrote very much. */
export interface CommandResult {
  readonly ok: boolean
  readonly output: string
  /** The last line of the output, or how the command ended when it wrote nothing. */
  readonly lastLine: string
  /** Set when the command was ended because it took too long. */
  readonly tooLong: 'silent' | 'timeout' | undefined
}

const keptOutput = 65_536
const gentleMs = 30_000

/** Runs a command to its end without a shell; rejects only with the reason of an aborted signal. */
export async function runCommand(command: Command): Promise<CommandResult> {
  command.signal.throwIfAborted()
  const child = spawn(command.path, command.args, {
    cwd: command.cwd,
    env: { ...command.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that compilers and the like started by the command can be ended with it.
    detached: !command.gentle,
  })
  let force: NodeJS.Timeout | undefined
  const end = (): void => {
    if (!command.gentle) return endGroup(child)
    child.kill('SIGINT')
    force ??= setTimeout(() => child.kill('SIGKILL'), gentleMs)
  }
  let tooLong: CommandResult['tooLong']
  const endBecause = (reason: 'silent' | 'timeout') => (): void => {
    tooLong ??= reason
    end()
  }
  const overdue = setTimeout(endBecause('timeout'), command.timeoutMs)
  const silence = command.silentMs === undefined ? undefined : setTimeout(endBecause('silent'), command.silentMs)
  command.signal.addEventListener('abort', end)
  const output = collect(child, (line) => {
    clearTimeout(silence)
    command.onLine?.(line)
  })
  try {
    const how = await ended(child)
    command.signal.throwIfAborted()
    const text = output()
    return {
      ok: how === 'code 0',
      output: text,
      lastLine: text.trim().split('\n').pop() || `it ended with ${how}`,
      tooLong,
    }
  } finally {
    clearTimeout(overdue)
    clearTimeout(silence)
    clearTimeout(force)
    command.signal.removeEventListener('abort', end)
  }
}

function ended(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) => resolve(signal ?? `code ${code}`))
  })
}

function endGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL')
  } catch {
    // The group is gone already.
    child.kill('SIGKILL')
  }
}

function collect(child: ChildProcess, onLine: (line: string) => void): () => string {
  let output = ''
  const lines = new LogTail((line) => {
    if (line.trim() !== '') onLine(line.trim())
  })
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue
    lines.read(stream)
    stream.on('data', (text: string) => {
      output = (output + text).slice(-keptOutput)
    })
  }
  return () => output
}
